//! [`UnmatchedCommits`]: commits of which it is not known yet whom they concern.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use super::{commit_keys::CommitKeys, sweep::SweepPlace};
use crate::storage::Commit;

/// How much is kept of commits that wait to be matched. Beyond it only their keyspaces are: they concern everybody who
/// read in one of those. A commit that nobody waits before is kept whatever its size.
const LIMIT_BYTES: usize = 64 << 20;

/// Commits that wait to be matched, oldest first.
pub(super) struct UnmatchedCommits<V> {
    waiting: VecDeque<Unmatched<V>>,
    /// How many commits they are.
    commits: usize,
    /// What the whole commits among them take.
    size_bytes: usize,
    /// The timestamps of those that are being matched.
    matching: Vec<u64>,
    limit_bytes: usize,
}

/// What is to be matched with the ranges that queries read.
pub(super) enum Unmatched<V> {
    /// One commit, from a place on.
    Commit { commit: Arc<Commit>, place: SweepPlace<V> },
    /// Several commits, of which only the newest one's timestamp and the keyspaces are left.
    Keyspaces { ts: u64, commits: usize, keyspaces: BTreeSet<u32> },
}

impl<V> Unmatched<V> {
    /// The newest commit in it.
    pub(super) fn ts(&self) -> u64 {
        match self {
            Self::Commit { commit, .. } => commit.ts,
            Self::Keyspaces { ts, .. } => *ts,
        }
    }
}

impl<V> UnmatchedCommits<V> {
    pub(super) fn new() -> Self {
        let (waiting, matching) = (VecDeque::new(), Vec::new());
        Self { waiting, commits: 0, size_bytes: 0, matching, limit_bytes: LIMIT_BYTES }
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many commits are not matched yet, and the bytes of those that wait whole.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.matching.len() + self.commits, self.size_bytes)
    }

    /// The newest commit that is not matched yet.
    pub(super) fn newest_ts(&self) -> Option<u64> {
        self.waiting.back().map(Unmatched::ts).max(self.matching.iter().copied().max())
    }

    /// Adds a commit, to be matched from a place on.
    pub(super) fn push(&mut self, commit: &Arc<Commit>, place: SweepPlace<V>) {
        let size_bytes = commit.size_bytes();
        self.commits += 1;
        if self.waiting.is_empty() || self.size_bytes + size_bytes <= self.limit_bytes {
            self.size_bytes += size_bytes;
            self.waiting.push_back(Unmatched::Commit { commit: Arc::clone(commit), place });
            return;
        }
        let own = CommitKeys::keyspaces(commit);
        if let Some(Unmatched::Keyspaces { ts, commits, keyspaces }) = self.waiting.back_mut() {
            (*ts, *commits) = (commit.ts, *commits + 1);
            keyspaces.extend(own);
        } else {
            self.waiting.push_back(Unmatched::Keyspaces { ts: commit.ts, commits: 1, keyspaces: own.collect() });
        }
    }

    /// The one that waits for the longest. It counts as not matched until `matched` is told of it.
    pub(super) fn take(&mut self) -> Option<Unmatched<V>> {
        let taken = self.waiting.pop_front()?;
        self.commits -= match &taken {
            Unmatched::Commit { commit, .. } => {
                self.size_bytes -= commit.size_bytes();
                1
            }
            Unmatched::Keyspaces { commits, .. } => *commits,
        };
        self.matching.push(taken.ts());
        Some(taken)
    }

    /// What was taken at this timestamp is matched.
    pub(super) fn matched(&mut self, ts: u64) {
        if let Some(at) = self.matching.iter().position(|matching| *matching == ts) {
            self.matching.swap_remove(at);
        }
    }

    /// Forgets those that wait. Returns them for the caller to drop, without a lock.
    pub(super) fn clear(&mut self) -> VecDeque<Unmatched<V>> {
        (self.commits, self.size_bytes) = (0, 0);
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{encoding::Key, storage::Change, time::Timestamp};

    fn commit(ts: u64, keyspace: u32) -> Arc<Commit> {
        let key = Key::from_slice(&[&keyspace.to_be_bytes()[..], &ts.to_be_bytes()].concat());
        Arc::new(Commit::new(ts, Timestamp::EPOCH, vec![(key, Change::Put(Arc::from(vec![0; 88])))]))
    }

    #[test]
    fn beyond_the_bound_only_the_keyspaces_of_commits_are_kept() {
        let mut unmatched = UnmatchedCommits::<u64> { limit_bytes: 250, ..UnmatchedCommits::new() };
        (1..=100).for_each(|ts| unmatched.push(&commit(ts, 16 + (ts % 3) as u32), SweepPlace::start()));
        assert_eq!(unmatched.size(), (100, 200));
        assert_eq!(unmatched.newest_ts(), Some(100));
        for ts in [1, 2] {
            assert!(matches!(unmatched.take(), Some(Unmatched::Commit { commit, .. }) if commit.ts == ts));
            unmatched.matched(ts);
        }
        let Some(Unmatched::Keyspaces { ts, commits, keyspaces }) = unmatched.take() else { panic!("it is coarse") };
        assert_eq!((ts, commits, keyspaces), (100, 98, BTreeSet::from([16, 17, 18])));
        assert_eq!(unmatched.newest_ts(), Some(100), "it is being matched");
        unmatched.matched(100);
        assert_eq!((unmatched.newest_ts(), unmatched.size()), (None, (0, 0)));
    }

    #[test]
    fn a_commit_larger_than_the_bound_is_kept_where_none_waits_before_it() {
        let mut unmatched = UnmatchedCommits::<u64> { limit_bytes: 10, ..UnmatchedCommits::new() };
        unmatched.push(&commit(1, 16), SweepPlace::start());
        assert!(matches!(unmatched.take(), Some(Unmatched::Commit { .. })));
    }
}
