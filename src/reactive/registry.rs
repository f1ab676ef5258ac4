//! [`Registry`]: the live queries of a database and what they depend on, behind one lock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    interval_map::IntervalMap,
    live_queries::LiveQueries,
    live_query::{LiveQuery, LiveQueryHealth},
    recent_commits::RecentCommits,
    unmatched_commits::{Unmatched, UnmatchedCommits},
};
use crate::{
    panics::contained,
    transaction::{ReadOn, ReadSet},
};

/// How often a reactor that has nothing to do lets others run before it sleeps: 20 µs where nobody wants to. A writer
/// that commits again within that time need not wake it, which costs the writer several microseconds.
const IDLE_ROUNDS: usize = 64;
/// How long after a failed read its query is tried again; twice as long after each further one.
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// How many queries are tried again at a time.
const RETRIES_AT_A_TIME: usize = 64;

/// Every live query, by the byte ranges that it read.
///
/// `matching.rs` finds the queries that a commit concerns, `registration.rs` takes in what queries read.
///
/// One lock guards everything, and nothing else is locked while it is held. It is held for a bounded time: whatever
/// goes through many keys, ranges or queries lets others have the lock every few hundred steps. No code of the host
/// runs under it, and no destructor of the host's.
pub(crate) struct Registry {
    state: Mutex<State>,
    /// Signalled when the reactor sleeps and there is something to do, or when the registry closes.
    work: Condvar,
    /// Whether there may be something to do. Set and cleared under the lock, and looked at without.
    may_have_work: AtomicBool,
}

/// What the lock of the registry guards.
pub(super) struct State {
    pub(super) dependencies: IntervalMap<Dependency>,
    pub(super) queries: LiveQueries,
    pub(super) recent: RecentCommits,
    pub(super) unmatched: UnmatchedCommits<Dependency>,
    /// The last commit heard of.
    pub(super) announced_ts: u64,
    pub(super) is_closed: bool,
    next_id: u64,
    is_reactor_asleep: bool,
    /// How long to wait before queries that met a failed read are tried again.
    retry_pause: Duration,
}

/// Who depends on a range, and on what in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Dependency {
    pub(super) query: u64,
    pub(super) on: ReadOn,
}

/// What the reactor is to do next: match, and then evaluate.
pub(super) struct Work<'a> {
    pub(super) unmatched: Option<Unmatched<Dependency>>,
    pub(super) dirty: Option<Dirty<'a>>,
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
        let state = State {
            dependencies: IntervalMap::new(),
            queries: LiveQueries::default(),
            recent: RecentCommits::new(recent_limit_bytes),
            unmatched: UnmatchedCommits::new(),
            announced_ts: 0,
            is_closed: false,
            next_id: 1,
            is_reactor_asleep: false,
            retry_pause: FIRST_RETRY,
        };
        let (work, may_have_work) = (Condvar::new(), AtomicBool::new(false));
        Self { state: Mutex::new(state), work, may_have_work }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The id of a new live query; `None` when closed.
    pub(super) fn new_id(&self) -> Option<u64> {
        let mut state = self.state.lock();
        state.next_id += 1;
        (!state.is_closed).then_some(state.next_id - 1)
    }

    /// From here on commits are remembered, until the answer is dropped. To be called before an evaluation takes its
    /// snapshot.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.state.lock().recent.begin();
        UnderWay(self)
    }

    /// Whether there is a live query of this id.
    pub(super) fn has(&self, id: u64) -> bool {
        self.state.lock().queries.contains(id)
    }

    /// Whether the last result of a query is what it would answer at `visible_ts`.
    pub(super) fn is_fresh(&self, id: u64, visible_ts: u64) -> bool {
        let state = self.state.lock();
        let Some(evaluated_ts) = state.queries.evaluated_ts_if_clean(id) else { return false };
        let is_all_matched = state.unmatched.newest_ts().is_none_or(|newest_ts| newest_ts <= evaluated_ts);
        is_all_matched && state.announced_ts.max(evaluated_ts) >= visible_ts
    }

    /// Wakes the reactor if there is work. Takes the guard, so that the lock is released first.
    pub(super) fn unlock_and_wake(&self, mut state: MutexGuard<'_, State>) {
        if !state.has_work() {
            return;
        }
        self.may_have_work.store(true, Ordering::Release);
        let is_asleep = std::mem::take(&mut state.is_reactor_asleep);
        drop(state);
        if is_asleep {
            self.work.notify_one();
        }
    }

    /// Takes note of an evaluation at `ts`, and returns what the query depended on so far; `None` where it is gone or was
    /// evaluated after that already. One that met a failed read is tried again.
    pub(super) fn note_evaluation(&self, id: u64, ts: u64, has_failed: bool) -> Option<Arc<ReadSet>> {
        let mut state = self.state.lock();
        let old = state.queries.evaluated(id, ts)?;
        state.queries.set_failed(id, has_failed);
        if !state.queries.has_failed() {
            state.retry_pause = FIRST_RETRY;
        }
        drop(state);
        if has_failed {
            // A reactor that sleeps without a limit has to know.
            self.work.notify_one();
        }
        Some(old)
    }

    /// What is to be done next, waiting for it; `None` when the registry is closed.
    pub(super) fn wait_for_work(&self) -> Option<Work<'_>> {
        for _ in 0..IDLE_ROUNDS {
            if self.may_have_work.load(Ordering::Acquire) {
                break;
            }
            thread::yield_now();
        }
        let mut state = self.state.lock();
        while !state.has_work() {
            if state.is_closed {
                return None;
            }
            state.is_reactor_asleep = true;
            let pause = state.retry_pause;
            match state.queries.has_failed() {
                false => self.work.wait(&mut state),
                true if self.work.wait_for(&mut state, pause).timed_out() => state.try_failed_again(),
                true => {}
            }
            state.is_reactor_asleep = false;
        }
        let unmatched = state.unmatched.take();
        let dirty = self.take_dirty_of(&mut state);
        self.may_have_work.store(state.has_work(), Ordering::Release);
        Some(Work { unmatched, dirty })
    }

    /// The next commit to match, if one waits.
    pub(super) fn take_unmatched(&self) -> Option<Unmatched<Dependency>> {
        self.state.lock().unmatched.take()
    }

    /// The next dirty query, if there is one.
    pub(super) fn take_dirty(&self) -> Option<Dirty<'_>> {
        self.take_dirty_of(&mut self.state.lock())
    }

    fn take_dirty_of(&self, state: &mut State) -> Option<Dirty<'_>> {
        let (id, query) = state.queries.take_dirty()?;
        state.recent.begin();
        Some(Dirty { id, query, _under_way: UnderWay(self) })
    }

    /// Forgets every query, which ends their subscriptions, and takes no more.
    pub(crate) fn close(&self) {
        let (queries, dependencies, recent, unmatched) = {
            let mut state = self.state.lock();
            state.is_closed = true;
            let queries = std::mem::take(&mut state.queries);
            let dependencies = std::mem::replace(&mut state.dependencies, IntervalMap::new());
            (queries, dependencies, state.recent.clear(), state.unmatched.clear())
        };
        self.may_have_work.store(true, Ordering::Release);
        self.work.notify_all();
        drop((dependencies, recent, unmatched));
        // The destructors of what queries captured are the host's, and one that panics keeps no other from running.
        for query in queries.into_iter() {
            contained("the destructor of a query", || drop(query));
        }
    }

    /// How much there is to do; of callbacks it knows nothing.
    pub(super) fn health(&self) -> LiveQueryHealth {
        let state = self.state.lock();
        let (unmatched_commits, unmatched_bytes) = state.unmatched.size();
        let (live_queries, dirty) = (state.queries.len(), state.queries.dirty());
        LiveQueryHealth { live_queries, dirty, unmatched_commits, unmatched_bytes, callbacks_waiting: 0 }
    }
}

impl State {
    fn has_work(&self) -> bool {
        !self.unmatched.is_empty() || self.queries.dirty() > 0
    }

    fn try_failed_again(&mut self) {
        self.retry_pause = (self.retry_pause * 2).min(LONGEST_RETRY);
        self.queries.try_failed_again(RETRIES_AT_A_TIME);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let forgotten = self.0.state.lock().recent.end();
        drop(forgotten);
    }
}
