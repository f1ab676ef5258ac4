//! Why something could not be scheduled.

/// Why something could not be scheduled, or a scheduled thing could not be run. Nothing was scheduled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The function is not registered, so that nobody could find it when it is due.
    #[error("{function:?} cannot be scheduled, for it is not registered; add its module to the builder")]
    NotRegistered {
        /// The function.
        function: &'static str,
    },
    /// The arguments do not read back from their JSON, which is what is stored.
    #[error("{function:?} cannot be scheduled, for its arguments do not survive as JSON: {reason}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// What was lost.
        reason: String,
    },
    /// The arguments are larger than the limit.
    #[error(
        "{function:?} cannot be scheduled: its arguments have {size_bytes} bytes as JSON, and at most {limit_bytes} are allowed; store them in a row and schedule its id"
    )]
    ArgumentsTooLarge {
        /// The function.
        function: &'static str,
        /// Their size.
        size_bytes: usize,
        /// The limit, [`MAX_JOB_ARGUMENTS_BYTES`](crate::MAX_JOB_ARGUMENTS_BYTES).
        limit_bytes: usize,
    },
    /// Too many runs in a row: a job probably reschedules itself.
    #[error("{runs} runs became due one after the other; does a job schedule itself without a wait?")]
    Runaway {
        /// How many there were.
        runs: usize,
    },
    /// The scheduler has no database, or its database is closed.
    #[error("the scheduler is not in use by an open database; hand it to `Db::builder().scheduler(…)`")]
    NotStarted,
    /// The scheduler serves an open database already.
    #[error("the scheduler is in use by another open database; give each database a scheduler of its own")]
    InUse,
}
