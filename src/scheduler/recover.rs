//! What was interrupted by the end of the process, when the database is opened.

use super::{
    core::SchedulerCore,
    outcome::recover,
    tables::{Job, JobKind, JobStatus},
};
use crate::{error::Error, schema::Doc, transaction::IndexQuery};

/// Jobs that are changed in one transaction when the database is opened, and the bytes of their rows: a transaction of
/// them must fit the smallest limit there is.
const JOBS_PER_TRANSACTION: usize = 200;
const BYTES_PER_TRANSACTION: usize = 256 << 10;

impl SchedulerCore {
    /// Puts every job that the end of the process interrupted where its rule says, and has those tried again that could
    /// not be run.
    pub(super) fn recover(&self) -> Result<(), Error> {
        let retention = self.retention;
        for status in [JobStatus::Running, JobStatus::Unrunnable] {
            for kind in [JobKind::Mutation, JobKind::Action] {
                while self.engine.pipeline.write(self.engine.durability, |tx| -> Result<bool, Error> {
                    let jobs = first_of(tx.query(Job::by_queue).eq((status, kind)))?;
                    jobs.iter().try_for_each(|job| recover(tx, job, retention))?;
                    Ok(!jobs.is_empty())
                })? {}
            }
        }
        Ok(())
    }
}

/// The first jobs, as many as one transaction takes, one at least if there is one.
pub(super) fn first_of<K, R>(jobs: IndexQuery<'_, Job, K, R>) -> Result<Vec<Doc<Job>>, Error> {
    let (mut first, mut size_bytes) = (Vec::new(), 0);
    for job in jobs.take(JOBS_PER_TRANSACTION).iter()? {
        let job = job?;
        size_bytes += job.text_bytes();
        first.push(job);
        if size_bytes > BYTES_PER_TRANSACTION {
            break;
        }
    }
    Ok(first)
}
