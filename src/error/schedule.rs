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
    /// So many runs followed each other without end that they are taken for one that schedules itself for ever.
    #[error("{runs} runs became due one after the other; does a job schedule itself without a wait?")]
    Runaway {
        /// How many there were.
        runs: usize,
    },
    /// The scheduler has no database, or its database is closed.
    #[error("the scheduler is not in use by an open database; hand it to `Db::builder().scheduler(…)`")]
    NotStarted,
}
