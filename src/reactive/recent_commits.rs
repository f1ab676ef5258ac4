//! [`RecentCommits`]: what was committed while queries are evaluated.

use std::{collections::VecDeque, sync::Arc};

use crate::storage::Commit;

/// How many commits are forgotten or handed out at a time, at most: others wait for the lock meanwhile.
const AT_A_TIME: usize = 64;

/// Commits that an evaluation under way may have missed, oldest first, without gaps. Kept only while there is one: they
/// hold the rows that they changed.
pub(super) struct RecentCommits {
    commits: VecDeque<Arc<Commit>>,
    size_bytes: usize,
    /// How much is kept. While more than 64 commits would have to go at once, some stay until the next commit.
    limit_bytes: usize,
    /// How many evaluations are under way, first ones included.
    evaluating: usize,
}

impl RecentCommits {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { commits: VecDeque::new(), size_bytes: 0, limit_bytes, evaluating: 0 }
    }

    /// An evaluation is about to take its snapshot.
    pub(super) fn begin(&mut self) {
        self.evaluating += 1;
    }

    /// An evaluation is over. Returns commits for the caller to drop, without a lock.
    pub(super) fn end(&mut self) -> VecDeque<Arc<Commit>> {
        self.evaluating -= 1;
        if self.evaluating == 0 { self.clear() } else { VecDeque::new() }
    }

    /// Forgets all of them. Returns them for the caller to drop, without a lock.
    pub(super) fn clear(&mut self) -> VecDeque<Arc<Commit>> {
        self.size_bytes = 0;
        std::mem::take(&mut self.commits)
    }

    /// Keeps a commit if an evaluation is under way. Returns older ones that are forgotten for it, for the caller to
    /// drop, without a lock: so many at a time that the bound is met soon.
    pub(super) fn remember(&mut self, commit: &Arc<Commit>) -> Vec<Arc<Commit>> {
        let mut forgotten = Vec::new();
        if self.evaluating == 0 {
            return forgotten;
        }
        self.size_bytes += commit.size_bytes();
        self.commits.push_back(Arc::clone(commit));
        while self.size_bytes > self.limit_bytes
            && forgotten.len() < AT_A_TIME
            && let Some(oldest) = self.commits.pop_front()
        {
            self.size_bytes -= oldest.size_bytes();
            forgotten.push(oldest);
        }
        forgotten
    }

    /// The first commits after `ts`, none of them after `until`; `None` where they are not all remembered.
    pub(super) fn between(&self, ts: u64, until: u64) -> Option<Vec<Arc<Commit>>> {
        let first = self.commits.partition_point(|commit| commit.ts <= ts);
        let is_complete = self.commits.get(first).is_some_and(|commit| commit.ts == ts + 1);
        let wanted = self.commits.range(first..).take_while(|commit| commit.ts <= until).take(AT_A_TIME);
        is_complete.then(|| wanted.cloned().collect())
    }
}
