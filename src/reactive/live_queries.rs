//! [`LiveQueries`]: which live queries there are, and which of them are dirty.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::live_query::LiveQuery;
use crate::transaction::ReadSet;

/// The live queries by their ids, and the queue of dirty ones. Every call costs O(log n).
#[derive(Default)]
pub(super) struct LiveQueries {
    by_id: BTreeMap<u64, Registered>,
    /// Ids of dirty queries, the longest waiting first. Each query that is dirty is in it once, and no other.
    queue: BTreeMap<u64, u64>,
    next_place: u64,
    /// Those of which the last evaluation met a failed read.
    failed: BTreeSet<u64>,
}

/// One live query.
pub(super) struct Registered {
    query: Arc<dyn LiveQuery>,
    /// What it depends on.
    pub(super) reads: Arc<ReadSet>,
    /// The commit at which it was evaluated last.
    evaluated_ts: u64,
    dirty: Option<Dirtied>,
    /// The commit for which it was taken from the queue, until it was evaluated after that.
    taken_for: Option<u64>,
}

struct Dirtied {
    /// The newest commit that concerns it and that it has not been evaluated after.
    ts: u64,
    /// Its place in the queue.
    place: u64,
}

impl LiveQueries {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        self.by_id.contains_key(&id)
    }

    /// How many are dirty.
    pub(super) fn dirty(&self) -> usize {
        self.queue.len()
    }

    /// Takes in a query that is evaluated at `ts`, and that depends on nothing yet.
    pub(super) fn insert(&mut self, id: u64, query: Arc<dyn LiveQuery>, ts: u64) {
        let registered = Registered { query, reads: Arc::default(), evaluated_ts: ts, dirty: None, taken_for: None };
        self.by_id.insert(id, registered);
    }

    /// Takes a query out. The caller drops it, without a lock: that runs the destructors of the host.
    pub(super) fn remove(&mut self, id: u64) -> Option<Registered> {
        let removed = self.by_id.remove(&id)?;
        self.failed.remove(&id);
        if let Some(dirty) = &removed.dirty {
            self.queue.remove(&dirty.place);
        }
        Some(removed)
    }

    /// Marks a query that a commit concerns as dirty, unless it was evaluated after that or is gone.
    pub(super) fn mark(&mut self, id: u64, commit_ts: u64) {
        let Some(registered) = self.by_id.get_mut(&id) else { return };
        // An evaluation can be ahead of what was matched.
        if commit_ts <= registered.evaluated_ts {
            return;
        }
        match &mut registered.dirty {
            Some(dirty) => dirty.ts = dirty.ts.max(commit_ts),
            None => self.queue(id, commit_ts),
        }
    }

    /// Puts a query that is not dirty into the queue.
    fn queue(&mut self, id: u64, ts: u64) {
        let Some(registered) = self.by_id.get_mut(&id) else { return };
        registered.dirty = Some(Dirtied { ts, place: self.next_place });
        self.queue.insert(self.next_place, id);
        self.next_place += 1;
    }

    /// Takes note whether the last evaluation of a query met a failed read.
    pub(super) fn set_failed(&mut self, id: u64, has_failed: bool) {
        match has_failed && self.by_id.contains_key(&id) {
            true => self.failed.insert(id),
            false => self.failed.remove(&id),
        };
    }

    /// Whether there are queries to be tried again when some time has passed.
    pub(super) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Has some of those queries evaluated once more.
    pub(super) fn try_failed_again(&mut self, count: usize) {
        for _ in 0..count {
            let Some(id) = self.failed.pop_first() else { return };
            let clean = self.by_id.get(&id).filter(|registered| registered.dirty.is_none());
            if let Some(ts) = clean.map(|registered| registered.evaluated_ts) {
                self.queue(id, ts);
            }
        }
    }

    /// The query that has been dirty for the longest.
    pub(super) fn take_dirty(&mut self) -> Option<(u64, Arc<dyn LiveQuery>)> {
        let (_, id) = self.queue.pop_first()?;
        let registered = self.by_id.get_mut(&id).expect("a query leaves the queue when it is removed");
        registered.taken_for = registered.dirty.take().map(|dirty| dirty.ts);
        Some((id, Arc::clone(&registered.query)))
    }

    /// Takes note of an evaluation at `ts` and returns what the query depended on so far; `None` where it is gone or
    /// was evaluated after that already.
    pub(super) fn evaluated(&mut self, id: u64, ts: u64) -> Option<Arc<ReadSet>> {
        let registered = self.by_id.get_mut(&id)?;
        if ts < registered.evaluated_ts {
            return None;
        }
        registered.evaluated_ts = ts;
        registered.taken_for = registered.taken_for.filter(|commit_ts| *commit_ts > ts);
        if let Some(dirty) = registered.dirty.take_if(|dirty| dirty.ts <= ts) {
            self.queue.remove(&dirty.place);
        }
        Some(Arc::clone(&registered.reads))
    }

    /// Says what the query depends on from now on; false where it is gone.
    pub(super) fn set_reads(&mut self, id: u64, reads: &Arc<ReadSet>) -> bool {
        let Some(registered) = self.by_id.get_mut(&id) else { return false };
        registered.reads = Arc::clone(reads);
        true
    }

    /// The commit at which a query was evaluated last, if no commit is known that it has to be evaluated after.
    pub(super) fn evaluated_ts_if_clean(&self, id: u64) -> Option<u64> {
        let registered = self.by_id.get(&id)?;
        let is_clean = registered.dirty.is_none() && registered.taken_for.is_none();
        is_clean.then_some(registered.evaluated_ts)
    }

    /// All of them, for who drops them.
    pub(super) fn into_iter(self) -> impl Iterator<Item = Registered> {
        self.by_id.into_values()
    }

    /// Queries with what they depend on, in the order of their ids, from one on.
    pub(super) fn starting_at(&self, id: u64) -> impl Iterator<Item = (u64, &ReadSet)> {
        self.by_id.range(id..).map(|(id, registered)| (*id, &*registered.reads))
    }
}
