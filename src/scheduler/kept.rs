//! [`KeptOutcomes`]: how actions ended whose end could not be written yet.

use std::collections::BTreeMap;

use super::{outcome::AttemptOutcome, tables::Job};
use crate::schema::Id;

/// While this many bytes of outcomes wait to be written, no further action begins.
const KEPT_BYTES_LIMIT: usize = 64 << 20;
/// While this many outcomes wait to be written, no further action begins.
const KEPT_COUNT_LIMIT: usize = 1_024;

/// An outcome that waits to be written.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// The attempt.
    pub(super) attempt: u32,
    /// What came of it.
    pub(super) outcome: AttemptOutcome,
}

/// Outcomes that wait to be written. Their memory is bounded: past a limit no action begins, and those that run then
/// add at most one outcome each.
#[derive(Debug, Default)]
pub(super) struct KeptOutcomes {
    by_job: BTreeMap<Id<Job>, Kept>,
    size_bytes: usize,
}

impl KeptOutcomes {
    pub(super) fn keep(&mut self, job: Id<Job>, kept: Kept) {
        self.remove(job);
        self.size_bytes += kept.outcome.size_bytes();
        self.by_job.insert(job, kept);
    }

    pub(super) fn remove(&mut self, job: Id<Job>) {
        if let Some(removed) = self.by_job.remove(&job) {
            self.size_bytes -= removed.outcome.size_bytes();
        }
    }

    pub(super) fn get(&self, job: Id<Job>) -> Option<&Kept> {
        self.by_job.get(&job)
    }

    /// The jobs whose outcomes wait.
    pub(super) fn jobs(&self) -> impl Iterator<Item = Id<Job>> {
        self.by_job.keys().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.by_job.len()
    }

    /// Whether actions have to wait until some of them are written.
    pub(super) fn is_full(&self) -> bool {
        self.size_bytes >= KEPT_BYTES_LIMIT || self.by_job.len() >= KEPT_COUNT_LIMIT
    }
}
