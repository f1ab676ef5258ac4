//! Finds the live queries that a commit concerns.
//!
//! A small commit is matched at once, in a bounded number of steps, so that a query that it does not concern stays
//! fresh. A large one, and what is left of one that concerns very many, is handed to the reactor.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::MutexGuard;

use super::{
    commit_keys::CommitKeys,
    live_queries::LiveQueries,
    registry::{Dependency, Registry, State},
    sweep::{Budget, SweepPlace},
    unmatched_commits::Unmatched,
};
use crate::{
    encoding::{ByteRange, KEYSPACE_BYTES},
    storage::{Commit, CommitObserver},
    transaction::ReadSet,
};

/// Commits of at most so many changes are matched by who commits.
const AT_ONCE_CHANGES: usize = 64;
/// How many keys, ranges and queries are looked at for a commit by who commits, and by the reactor before others have
/// the lock: some 20 µs.
const STEPS_AT_A_TIME: usize = 512;
/// How many queries are compared with keyspaces before others have the lock.
const QUERIES_AT_A_TIME: usize = 128;

impl CommitObserver for Registry {
    fn committed(&self, commit: &Arc<Commit>) {
        let mut state = self.lock();
        state.announced_ts = commit.ts;
        let forgotten = state.recent.remember(commit);
        if !state.queries.is_empty() {
            let mut place = SweepPlace::start();
            let is_small = commit.len() <= AT_ONCE_CHANGES;
            if !is_small || !state.sweep(&CommitKeys::of(commit), commit.ts, &mut place) {
                state.unmatched.push(commit, place);
            }
        }
        self.unlock_and_wake(state);
        drop(forgotten);
    }
}

impl Registry {
    /// Marks the queries that a commit concerns which has waited for this. Others have the lock in between.
    pub(super) fn match_waiting(&self, unmatched: Unmatched<Dependency>) {
        let ts = unmatched.ts();
        match unmatched {
            Unmatched::Commit { commit, mut place } => {
                let keys = CommitKeys::of(&commit);
                let mut state = self.lock();
                while !state.sweep(&keys, ts, &mut place) {
                    MutexGuard::bump(&mut state);
                }
            }
            Unmatched::Keyspaces { keyspaces, .. } => {
                let mut next = Some(0);
                let mut state = self.lock();
                while let Some(id) = next {
                    next = state.queries.mark_readers_of(&keyspaces, ts, id);
                    MutexGuard::bump(&mut state);
                }
            }
        }
        let mut state = self.lock();
        state.unmatched.matched(ts);
        self.unlock_and_wake(state);
    }
}

impl State {
    /// Goes on to mark the queries that a commit concerns, each once for each of its ranges; false if there are more.
    fn sweep(&mut self, keys: &CommitKeys<'_>, ts: u64, place: &mut SweepPlace<Dependency>) -> bool {
        let Self { dependencies, queries, .. } = self;
        let mut budget = Budget::new(STEPS_AT_A_TIME);
        dependencies.sweep(keys.as_slice(), place, &mut budget, &mut |dependency, at| {
            if keys.concern(dependency.on, &at) {
                queries.mark(dependency.query, ts);
            }
        })
    }
}

impl LiveQueries {
    /// Marks those of some queries, from one on, that read in one of the keyspaces. Returns where to go on, if there are
    /// more.
    fn mark_readers_of(&mut self, keyspaces: &BTreeSet<u32>, ts: u64, from: u64) -> Option<u64> {
        let some: Vec<_> = self.starting_at(from).take(QUERIES_AT_A_TIME).collect();
        let next = some.last().filter(|_| some.len() == QUERIES_AT_A_TIME).map(|(id, _)| id + 1);
        let concerned = some.into_iter().filter(|(_, reads)| reads_in(reads, keyspaces));
        let concerned: Vec<_> = concerned.map(|(id, _)| id).collect();
        concerned.into_iter().for_each(|id| self.mark(id, ts));
        next
    }
}

/// Whether one of the ranges, each of which lies in one keyspace, lies in one of these. Costs a search for each keyspace
/// that was read.
fn reads_in(reads: &ReadSet, keyspaces: &BTreeSet<u32>) -> bool {
    let ranges = reads.as_slice();
    let mut at = 0;
    while let Some((range, _)) = ranges.get(at) {
        let keyspace = keyspace_of(range);
        if keyspace.is_none_or(|keyspace| keyspaces.contains(&keyspace)) {
            return true;
        }
        at += ranges[at..].partition_point(|(range, _)| keyspace_of(range) <= keyspace);
    }
    false
}

/// The keyspace in which a range begins.
fn keyspace_of(range: &ByteRange) -> Option<u32> {
    range.start().first_chunk::<KEYSPACE_BYTES>().map(|keyspace| u32::from_be_bytes(*keyspace))
}
