//! Decides which live queries a commit concerns.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{evaluate::LiveQuery, interval_map::IntervalMap};
use crate::{
    encoding::ByteRange,
    storage::{Change, Commit, CommitObserver},
    transaction::{ReadOn, ReadSet},
};

/// Every live query, by the byte ranges that it read.
///
/// A commit asks with every key that it changed, old and new. Cost: O(log n) per key plus the hits, and nothing but a
/// lock when there are no live queries. Never calls user code, so it may run inside the commit pipeline.
///
/// One lock guards everything, and nothing else is locked while it is held.
pub(crate) struct Registry {
    state: Mutex<State>,
    /// Signalled when the reactor waits and there is something dirty, or when the registry closes.
    dirty: Condvar,
    /// How much of recent commits is kept for registrations to be checked against.
    recent_limit_bytes: usize,
}

struct State {
    dependencies: IntervalMap<Dependency>,
    queries: HashMap<u64, Registered>,
    next_id: u64,
    /// Queries to evaluate, the longest waiting first. May name some that are gone or were evaluated meanwhile.
    queue: VecDeque<u64>,
    /// Commits that an evaluation under way may have missed, oldest first, without gaps. Kept only while there is one:
    /// they hold the rows that they changed.
    recent: VecDeque<Arc<Commit>>,
    recent_bytes: usize,
    /// The last commit heard of.
    announced_ts: u64,
    /// How many evaluations are under way, first ones included.
    evaluating: usize,
    is_reactor_waiting: bool,
    is_closed: bool,
}

struct Registered {
    query: Arc<dyn LiveQuery>,
    reads: ReadSet,
    /// The commit at which it was evaluated last.
    evaluated_ts: u64,
    /// The newest commit that concerns it and that it has not been evaluated after.
    dirty_ts: Option<u64>,
    is_queued: bool,
    /// The commit for which the reactor has taken it, until it was evaluated after that.
    taken_for: Option<u64>,
}

/// Who depends on a range, and on what in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Dependency {
    query: u64,
    on: ReadOn,
}

/// A live query to be evaluated. Until it is dropped, commits are remembered.
pub(super) struct Dirty<'a> {
    pub(super) id: u64,
    pub(super) query: Arc<dyn LiveQuery>,
    _under_way: UnderWay<'a>,
}

/// An evaluation, from before its snapshot is taken until its read set is registered.
pub(super) struct UnderWay<'a>(&'a Registry);

impl Registry {
    pub(crate) fn new(recent_limit_bytes: usize) -> Self {
        Self {
            state: Mutex::new(State {
                dependencies: IntervalMap::new(),
                queries: HashMap::new(),
                next_id: 1,
                queue: VecDeque::new(),
                recent: VecDeque::new(),
                recent_bytes: 0,
                announced_ts: 0,
                evaluating: 0,
                is_reactor_waiting: false,
                is_closed: false,
            }),
            dirty: Condvar::new(),
            recent_limit_bytes,
        }
    }

    /// From here on commits are remembered, until the answer is dropped: to be called before the first evaluation takes
    /// its snapshot. `None` when closed.
    pub(super) fn set_up(&self) -> Option<SettingUp<'_>> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        state.evaluating += 1;
        let id = state.next_id;
        state.next_id += 1;
        Some(SettingUp { under_way: UnderWay(self), id })
    }

    /// From here on commits are remembered, until the answer is dropped: to be called before an evaluation that is not
    /// the reactor's takes its snapshot.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.state.lock().evaluating += 1;
        UnderWay(self)
    }

    /// Whether the last result of a query is what it would answer at `visible_ts`.
    pub(super) fn is_fresh(&self, id: u64, visible_ts: u64) -> bool {
        let state = self.state.lock();
        let announced_ts = state.announced_ts;
        state.queries.get(&id).is_some_and(|registered| {
            let is_touched = registered.dirty_ts.is_some() || registered.taken_for.is_some();
            !is_touched && announced_ts.max(registered.evaluated_ts) >= visible_ts
        })
    }

    /// Forgets a query; an evaluation that is under way is discarded.
    pub(super) fn remove(&self, id: u64) {
        let removed = {
            let mut state = self.state.lock();
            let Some(registered) = state.queries.remove(&id) else { return };
            state.depend_no_more(id, registered.reads.iter());
            registered
        };
        // User code may run in the destructor of what the query captured.
        drop(removed);
    }

    /// Takes note of an evaluation at `ts`: what it read, and whether a later commit concerns it already.
    pub(super) fn evaluated(&self, id: u64, ts: u64, reads: ReadSet) {
        let mut state = self.state.lock();
        let Some(registered) = state.queries.get_mut(&id) else { return };
        // Whoever joined the query while the reactor was about to evaluate it may have been first.
        if ts < registered.evaluated_ts {
            return;
        }
        registered.evaluated_ts = ts;
        registered.taken_for = registered.taken_for.filter(|commit_ts| *commit_ts > ts);
        if registered.reads == reads {
            if registered.dirty_ts.is_some_and(|dirty_ts| dirty_ts <= ts) {
                registered.dirty_ts = None;
            }
            return;
        }
        let old = std::mem::take(&mut registered.reads);
        registered.dirty_ts = None;
        let (gone, new) = difference(&old, &reads);
        state.depend_no_more(id, gone.into_iter());
        state.depend(id, new.into_iter());
        let dirty_ts = state.concerned_since(ts, &reads);
        if let Some(registered) = state.queries.get_mut(&id) {
            registered.reads = reads;
        }
        if let Some(commit_ts) = dirty_ts {
            self.mark(&mut state, id, commit_ts);
        }
    }

    /// The next dirty query, if there is one.
    pub(super) fn take_dirty(&self) -> Option<Dirty<'_>> {
        let taken = self.state.lock().take_dirty()?;
        Some(self.under_way(taken))
    }

    /// The next dirty query, waiting for one; `None` when the registry is closed.
    pub(super) fn wait_dirty(&self) -> Option<Dirty<'_>> {
        let mut state = self.state.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(taken) = state.take_dirty() {
                return Some(self.under_way(taken));
            }
            state.is_reactor_waiting = true;
            self.dirty.wait(&mut state);
            state.is_reactor_waiting = false;
        }
    }

    fn under_way(&self, (id, query): (u64, Arc<dyn LiveQuery>)) -> Dirty<'_> {
        Dirty { id, query, _under_way: UnderWay(self) }
    }

    /// Forgets every query, which ends their subscriptions, and takes no more.
    pub(crate) fn close(&self) {
        let queries = {
            let mut state = self.state.lock();
            state.is_closed = true;
            state.dependencies = IntervalMap::new();
            state.queue.clear();
            state.recent.clear();
            std::mem::take(&mut state.queries)
        };
        self.dirty.notify_all();
        drop(queries);
    }

    fn mark(&self, state: &mut MutexGuard<'_, State>, id: u64, commit_ts: u64) {
        let state = &mut **state;
        let Some(registered) = state.queries.get_mut(&id) else { return };
        // On a relaxed database an evaluation can be ahead of what is announced.
        if commit_ts <= registered.evaluated_ts {
            return;
        }
        registered.dirty_ts = Some(commit_ts);
        if !registered.is_queued {
            registered.is_queued = true;
            state.queue.push_back(id);
        }
        if state.is_reactor_waiting {
            self.dirty.notify_one();
        }
    }
}

/// A query that is being evaluated for the first time.
pub(super) struct SettingUp<'a> {
    under_way: UnderWay<'a>,
    id: u64,
}

impl SettingUp<'_> {
    /// The id that the query will have.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Takes in the query, which was evaluated at `ts`; it is dirty at once if a later commit concerns it.
    pub(super) fn add(self, query: Arc<dyn LiveQuery>, ts: u64, reads: ReadSet) {
        let registry = self.under_way.0;
        let mut state = registry.state.lock();
        if state.is_closed {
            return;
        }
        state.depend(self.id, reads.iter());
        let dirty_ts = state.concerned_since(ts, &reads);
        let registered =
            Registered { query, reads, evaluated_ts: ts, dirty_ts: None, is_queued: false, taken_for: None };
        state.queries.insert(self.id, registered);
        if let Some(commit_ts) = dirty_ts {
            registry.mark(&mut state, self.id, commit_ts);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.evaluating -= 1;
        state.trim_recent(self.0.recent_limit_bytes);
    }
}

impl CommitObserver for Registry {
    fn committed(&self, commit: &Arc<Commit>) {
        let mut state = self.state.lock();
        state.announced_ts = commit.ts;
        if state.evaluating > 0 {
            state.recent.push_back(Arc::clone(commit));
            state.recent_bytes += commit.size_bytes();
            state.trim_recent(self.recent_limit_bytes);
        }
        if state.queries.is_empty() {
            return;
        }
        let mut concerned = Vec::new();
        for (key, change) in commit.changes() {
            state.dependencies.stab(key, &mut |dependency: Dependency| {
                if concerns(dependency.on, change) {
                    concerned.push(dependency.query);
                }
            });
        }
        for id in concerned {
            self.mark(&mut state, id, commit.ts);
        }
    }
}

impl State {
    fn depend<'a>(&mut self, query: u64, ranges: impl Iterator<Item = &'a (ByteRange, ReadOn)>) {
        for (range, on) in ranges {
            self.dependencies.insert(range.clone(), Dependency { query, on: *on });
        }
    }

    fn depend_no_more<'a>(&mut self, query: u64, ranges: impl Iterator<Item = &'a (ByteRange, ReadOn)>) {
        for (range, on) in ranges {
            self.dependencies.remove(range, Dependency { query, on: *on });
        }
    }

    /// The newest commit after `ts` that concerns a reader of `reads`. Where the recent commits do not reach back to
    /// `ts`, the answer is that one does: one evaluation too many is harmless, a missed commit is not.
    fn concerned_since(&self, ts: u64, reads: &ReadSet) -> Option<u64> {
        if self.announced_ts <= ts {
            return None;
        }
        let reaches_back = self.recent.front().is_some_and(|commit| commit.ts <= ts + 1);
        if !reaches_back {
            return Some(self.announced_ts);
        }
        let is_concerned = |commit: &&Arc<Commit>| {
            commit
                .changes()
                .any(|(key, change)| reads.iter().any(|(range, on)| concerns(*on, change) && range.contains(key)))
        };
        self.recent.iter().rev().take_while(|commit| commit.ts > ts).find(is_concerned).map(|commit| commit.ts)
    }

    /// The next dirty query; its evaluation is under way.
    fn take_dirty(&mut self) -> Option<(u64, Arc<dyn LiveQuery>)> {
        while let Some(id) = self.queue.pop_front() {
            let Some(registered) = self.queries.get_mut(&id) else { continue };
            registered.is_queued = false;
            if let Some(commit_ts) = registered.dirty_ts.take() {
                registered.taken_for = Some(commit_ts);
                let query = Arc::clone(&registered.query);
                self.evaluating += 1;
                return Some((id, query));
            }
        }
        None
    }

    fn trim_recent(&mut self, limit_bytes: usize) {
        if self.evaluating == 0 {
            self.recent.clear();
            self.recent_bytes = 0;
        }
        while self.recent_bytes > limit_bytes
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_bytes -= oldest.size_bytes();
        }
    }
}

/// An index entry that stays while its row changes concerns only those who look at rows.
fn concerns(on: ReadOn, change: &Change) -> bool {
    match (change, on) {
        (Change::Touch, ReadOn::Keys) => false,
        (Change::Touch, ReadOn::Rows) | (Change::Put(_) | Change::Delete, _) => true,
    }
}

type Ranges<'a> = Vec<&'a (ByteRange, ReadOn)>;

/// What only the old set has, and what only the new one has. Both are sorted.
fn difference<'a>(old: &'a ReadSet, new: &'a ReadSet) -> (Ranges<'a>, Ranges<'a>) {
    let (mut gone, mut added) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(a), Some(b)) if a == b => drop((old.next(), new.next())),
            (Some(a), Some(b)) if a < b => gone.extend(old.next()),
            (Some(_), None) => gone.extend(old.next()),
            (_, Some(_)) => added.extend(new.next()),
            (None, None) => return (gone, added),
        }
    }
}
