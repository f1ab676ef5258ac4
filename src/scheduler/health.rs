//! [`SchedulerHealth`]: what an operator asks first about scheduled work.

use std::time::Duration;

use super::{
    core::{SchedulerCore, SchedulerFailure},
    due::DueWork,
    queue,
    tables::{Job, JobKind, JobStatus},
};
use crate::{error::Error, time::Timestamp};

/// How far the queue is counted.
const COUNTED_AT_MOST: usize = 1_000;

/// How scheduled work stands. From [`DueWork::health`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchedulerHealth {
    /// Jobs that are due and have not begun, 1,000 of each kind at most.
    pub jobs_due: usize,
    /// How long the one that has waited longest has been due; `None` if none is.
    pub oldest_due_for: Option<Duration>,
    /// Actions whose job says that they are running, 1,000 at most.
    pub jobs_running: usize,
    /// Actions whose outcome is not durable yet: they have ended, or were marked as running and did not begin.
    pub outcomes_waiting: usize,
    /// What could not be written last; `None` if nothing has failed since the database was opened.
    pub last_failure: Option<SchedulerFailure>,
}

impl SchedulerCore {
    /// How scheduled work stands. Reads at most a few thousand keys of an index, and no rows.
    ///
    /// # Errors
    ///
    /// A storage failure; `Closed`.
    pub(crate) fn health(&self) -> Result<SchedulerHealth, Error> {
        let now = self.now();
        let (mut jobs_due, mut oldest) = (0, None::<Timestamp>);
        let jobs_running = self.engine.pipeline.read(|tx| -> Result<usize, Error> {
            for kind in [JobKind::Mutation, JobKind::Action] {
                let mut left = COUNTED_AT_MOST;
                queue::walk(tx, kind, |waiting| {
                    if waiting.due_at > now {
                        return false;
                    }
                    oldest = oldest.into_iter().chain([waiting.due_at]).min();
                    jobs_due += 1;
                    left -= 1;
                    left > 0
                })?;
            }
            tx.query(Job::by_queue).eq(JobStatus::Running).take(COUNTED_AT_MOST).count()
        })?;
        let late_ms = oldest.map(|oldest| now.as_millis().saturating_sub(oldest.as_millis()));
        let state = self.state();
        Ok(SchedulerHealth {
            jobs_due,
            oldest_due_for: late_ms.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))),
            jobs_running,
            outcomes_waiting: state.kept.len(),
            last_failure: state.last_failure(),
        })
    }
}

impl DueWork {
    /// How scheduled work stands.
    ///
    /// # Errors
    ///
    /// A storage failure; `Closed`.
    pub fn health(&self) -> Result<SchedulerHealth, Error> {
        self.core().health()
    }
}
