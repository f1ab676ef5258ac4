//! What waits, as the index has it: when it is due and its id, without the rows, which may be large.

use super::tables::{Job, JobKind, JobStatus};
use crate::{encoding::timestamp_of_part, error::Error, schema::Id, time::Timestamp, transaction::ReadTx};

/// A job that waits. Ordered as jobs run: by when they are due, then as they were scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Waiting {
    /// When it is due.
    pub(super) due_at: Timestamp,
    /// The job.
    pub(super) job: Id<Job>,
}

/// Visits what waits, in the order in which it is due, as long as `visit` answers true.
pub(super) fn walk(tx: &ReadTx, kind: JobKind, mut visit: impl FnMut(Waiting) -> bool) -> Result<(), Error> {
    let queue = tx.query(Job::by_queue).eq((JobStatus::Queued, kind));
    queue.walk_keys(|key, job| visit(Waiting { due_at: last_timestamp(key), job }))
}

/// The last part of an index's key, which is followed by the id; of every index here that is a time.
pub(super) fn last_timestamp(key: &[u8]) -> Timestamp {
    let part = key.len().checked_sub(16).and_then(|start| key[start..].first_chunk::<8>());
    part.map_or(Timestamp::EPOCH, |part| timestamp_of_part(*part))
}
