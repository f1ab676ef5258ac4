//! [`Job`] and [`Cron`]: scheduled work as rows, in ordinary tables.

use serde_json::Value;

use crate::{schema, schema::Id, time::Timestamp};

/// The largest arguments that a job may have, in bytes of JSON.
pub const MAX_JOB_ARGUMENTS_BYTES: usize = 16 << 20;
/// The largest result that a job may have, in bytes of JSON. These and what is kept of an error leave room in the row.
pub const MAX_JOB_RESULT_BYTES: usize = 8 << 20;

schema! {
    /// Where a job stands.
    pub enum JobStatus {
        /// It waits until it is due.
        Queued = "queued",
        /// Its action is being run.
        Running = "running",
        /// It has run.
        Succeeded = "succeeded",
        /// It failed for the last time.
        Failed = "failed",
        /// It was cancelled.
        Cancelled = "cancelled",
        /// Its function is gone, or its arguments no longer read. It is tried again when the database is opened.
        Unrunnable = "unrunnable",
    }

    /// What kind of function a job runs.
    pub enum JobKind {
        /// It runs exactly once.
        Mutation = "mutation",
        /// It runs at most once, or at least once.
        Action = "action",
    }

    /// A function that runs when it is due. Read it, query it and subscribe to it as any other row; `tx.schedule()`
    /// is what writes it.
    pub table Job in "scheduledJobs" {
        /// The function's name.
        function: String,
        /// What that is.
        kind: JobKind,
        /// As JSON.
        arguments: String,
        /// Where it stands.
        status: JobStatus,
        /// When it is to run, or is to run again.
        due_at: Timestamp,
        /// When it came to its status, by the clock of the database. A clock that is set back before this time was
        /// ahead; this time is then set to the corrected one.
        since: Timestamp = Timestamp::EPOCH,
        /// How long after `since` a queued job is due, in milliseconds; `None` for a job that was scheduled for a
        /// point in time. A job with a wait is due again after the same wait when a clock that was ahead is put right.
        wait_ms: Option<u64> = None,
        /// How many attempts have begun.
        attempts: u32,
        /// How many there may be.
        attempt_limit: u32,
        /// Whether an action that was interrupted runs again.
        is_at_least_once: bool,
        /// Before the second attempt; each further wait is twice as long.
        first_wait_ms: u64,
        /// No wait is longer, but for the jitter.
        longest_wait_ms: u64,
        /// By how much waits vary.
        jitter_percent: u8,
        /// When the last attempt began.
        started_at: Option<Timestamp>,
        /// When it succeeded, failed for the last time or was cancelled.
        finished_at: Option<Timestamp>,
        /// What it answered, as JSON.
        result: Option<String>,
        /// A word for programs, as [`CallError::code`](crate::CallError::code) has it, or `interrupted`.
        error_code: Option<String>,
        /// The message of the last failure.
        error: Option<String>,
        /// Its data, as JSON.
        error_data: Option<String>,
        /// The cron that it is a run of.
        cron_id: Option<Id<Cron>>,
    } with {
        /// What waits, in order; and what has finished.
        index by_queue (status, kind, due_at);
        /// The jobs of a status, by how long they have had it.
        index by_status_and_since (status, since);
        /// The history of a cron.
        index by_cron_and_status (cron_id, status) on delete set null;
    }

    /// A function that runs again and again. Its runs are jobs, in `Job::by_cron_and_status`.
    pub table Cron in "scheduledCrons" {
        /// Its name.
        name: String,
        /// The function's name.
        function: String,
        /// As JSON.
        arguments: String,
        /// When it runs, as text.
        schedule: String,
        /// When it is due next.
        next_run_at: Timestamp,
        /// When it was due last.
        last_run_at: Option<Timestamp>,
        /// How often it was left out, for the run before had not ended.
        skipped: u64,
        /// The first of the newest unbroken sequence of its times that ran or were left out.
        covered_from: Option<Timestamp> = None,
        /// The last of them.
        covered_until: Option<Timestamp> = None,
        /// The last of the sequence before.
        covered_before: Option<Timestamp> = None,
        /// The first of the times that ran while the clock was ahead. They do not run again.
        ahead_from: Option<Timestamp> = None,
        /// The last of them.
        ahead_until: Option<Timestamp> = None,
    } with {
        /// By its name.
        unique by_name (name);
        /// What is due next.
        index by_next_run_at (next_run_at);
    }
}

impl Job {
    /// Whether nothing more will come of it by itself.
    pub fn is_finished(&self) -> bool {
        match self.status {
            JobStatus::Succeeded | JobStatus::Failed | JobStatus::Cancelled => true,
            JobStatus::Queued | JobStatus::Running | JobStatus::Unrunnable => false,
        }
    }

    /// The size of its texts, which are all of a row that can be large.
    pub(super) fn text_bytes(&self) -> usize {
        let texts = [&self.result, &self.error, &self.error_data].into_iter().flatten();
        self.arguments.len() + texts.map(String::len).sum::<usize>()
    }

    /// What it answered, if it has run.
    pub fn result_json(&self) -> Option<Value> {
        serde_json::from_str(self.result.as_deref()?).ok()
    }

    /// The data of the application's error, if it failed with one.
    pub fn error_json(&self) -> Option<Value> {
        serde_json::from_str(self.error_data.as_deref()?).ok()
    }
}
