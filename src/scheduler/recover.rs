//! What was interrupted by the end of the process, when the database is opened.

use super::{
    core::SchedulerCore,
    outcome::recover,
    tables::{Job, JobKind, JobStatus},
};
use crate::error::Error;

/// Jobs that are changed in one transaction when the database is opened, and the bytes of their rows: a transaction of
/// them must fit the smallest limit there is.
pub(super) const JOBS_PER_TRANSACTION: usize = 200;
pub(super) const BYTES_PER_TRANSACTION: usize = 256 << 10;

impl SchedulerCore {
    /// Puts every job that the end of the process interrupted where its rule says, and has those tried again that could
    /// not be run.
    pub(super) fn recover(&self) -> Result<(), Error> {
        for status in [JobStatus::Running, JobStatus::Unrunnable] {
            for kind in [JobKind::Mutation, JobKind::Action] {
                while self.recover_some(status, kind)? {}
            }
        }
        Ok(())
    }

    /// A part of them; says whether there was one.
    fn recover_some(&self, status: JobStatus, kind: JobKind) -> Result<bool, Error> {
        let mut jobs = Vec::new();
        self.engine
            .pipeline
            .read(|tx| self.find_intact(tx.query(Job::by_queue).eq((status, kind)), JOBS_PER_TRANSACTION, &mut jobs))?;
        self.change_jobs(&jobs, BYTES_PER_TRANSACTION, |tx, job| recover(tx, job, self.retention))?;
        Ok(!jobs.is_empty())
    }
}
