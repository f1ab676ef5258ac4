//! Takes in what live queries read, without a gap between an evaluation and the commits after it.
//!
//! What a query has not depended on so far is put into the map first, a part at a time; from then on commits find it.
//! Then the commits between the evaluation and that moment, which are remembered, are compared with it, under no lock.

use std::{cmp::Ordering, sync::Arc};

use parking_lot::MutexGuard;

use super::{
    commit_keys::{CommitKeys, ReadRanges},
    live_query::LiveQuery,
    registry::{Dependency, Registry},
};
use crate::{
    encoding::ByteRange,
    panics::contained,
    transaction::{ReadOn, ReadSet},
};

/// How many ranges are put in or taken out before others have the lock.
const RANGES_AT_A_TIME: usize = 128;

type Ranges<'a> = Vec<&'a (ByteRange, ReadOn)>;

impl Registry {
    /// Takes in a query, which was evaluated at `ts`; it is dirty at once if a later commit concerns it. An evaluation
    /// must be under way. Does nothing when closed.
    pub(super) fn add(&self, id: u64, query: Arc<dyn LiveQuery>, ts: u64, reads: ReadSet) {
        {
            let mut state = self.lock();
            if state.is_closed {
                return;
            }
            state.queries.insert(id, query, ts);
        }
        self.evaluated(id, ts, reads);
    }

    /// Takes note of an evaluation at `ts`, which must still be under way: what it read, and whether a later commit
    /// concerns it already. A query is evaluated by one thread at a time.
    pub(super) fn evaluated(&self, id: u64, ts: u64, reads: ReadSet) {
        let Some(old) = self.note_evaluation(id, ts, reads.has_failed()) else { return };
        // Where nothing is new, whatever was committed since has marked the query or is still to be matched.
        if *old == reads {
            return;
        }
        let reads = Arc::new(reads);
        let (gone, new) = difference(&old, &reads);
        let Some(announced_ts) = self.depend(id, &new, &reads) else { return };
        if let Some(commit_ts) = self.concerned_between(ts, announced_ts, &new) {
            let mut state = self.lock();
            state.queries.mark(id, commit_ts);
            self.unlock_and_wake(state);
        }
        self.depend_no_more(id, &gone);
    }

    /// Forgets a query; an evaluation that is under way is discarded.
    pub(super) fn remove(&self, id: u64) {
        let Some(removed) = self.lock().queries.remove(id) else { return };
        self.depend_no_more(id, &removed.reads.iter().collect::<Vec<_>>());
        contained("the destructor of a query", || drop(removed));
    }

    /// Has the query depend on new ranges, and says up to which commit those were not known; `None` where the query is
    /// gone.
    fn depend(&self, id: u64, new: &[&(ByteRange, ReadOn)], reads: &Arc<ReadSet>) -> Option<u64> {
        let mut inserted = 0;
        for part in new.chunks(RANGES_AT_A_TIME) {
            let owned: Vec<_> = part.iter().map(|(range, on)| (range.clone(), *on)).collect();
            let mut state = self.lock();
            if !state.queries.contains(id) {
                break;
            }
            for (range, on) in owned {
                state.dependencies.insert(range, Dependency { query: id, on });
            }
            inserted += part.len();
            MutexGuard::unlock_fair(state);
        }
        let announced_ts = {
            let mut state = self.lock();
            // From here on whoever removes the query takes the new ranges out.
            state.queries.set_reads(id, reads).then_some(state.announced_ts)
        };
        if announced_ts.is_none() {
            self.depend_no_more(id, &new[..inserted]);
        }
        announced_ts
    }

    fn depend_no_more(&self, id: u64, gone: &[&(ByteRange, ReadOn)]) {
        for part in gone.chunks(RANGES_AT_A_TIME) {
            let mut state = self.lock();
            for (range, on) in part {
                state.dependencies.remove(range, Dependency { query: id, on: *on });
            }
            MutexGuard::unlock_fair(state);
        }
    }

    /// A commit after `ts`, up to `until`, that concerns a reader of these ranges. Where the recent commits do not
    /// reach back to `ts`, the answer is that one does: one evaluation too many is harmless, a missed commit is not.
    fn concerned_between(&self, ts: u64, until: u64, ranges: &[&(ByteRange, ReadOn)]) -> Option<u64> {
        let ranges = ReadRanges::of(ranges.iter().copied());
        let mut compared_ts = ts;
        while compared_ts < until {
            let Some(commits) = self.lock().recent.between(compared_ts, until) else { return Some(until) };
            for commit in commits {
                if CommitKeys::of(&commit).concern_reader(&ranges) {
                    return Some(commit.ts);
                }
                compared_ts = commit.ts;
            }
        }
        None
    }
}

/// What only the old set has, and what only the new one has. Both are sorted.
fn difference<'a>(old: &'a ReadSet, new: &'a ReadSet) -> (Ranges<'a>, Ranges<'a>) {
    let (mut gone, mut added) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(old), Some(new)) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return (gone, added),
        };
        match order {
            Ordering::Equal => drop((old.next(), new.next())),
            Ordering::Less => gone.extend(old.next()),
            Ordering::Greater => added.extend(new.next()),
        }
    }
}
