//! `tx.schedule()`: writes the rows of jobs.

use std::time::Duration;

use super::{
    retry::Retry,
    tables::{Job, JobKind, JobStatus, MAX_JOB_ARGUMENTS_BYTES},
};
use crate::{
    error::{Error, ScheduleError},
    functions::{Action, Function, Functions, Mutation},
    schema::Id,
    time::Timestamp,
    transaction::WriteTx,
};

/// A function that can be scheduled: a mutation or an action. `Kind` tells which, and is found by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be scheduled",
    label = "expected a `Mutation` or an `Action`",
    note = "a query changes nothing, so there is nothing to run later"
)]
pub trait Schedulable<Kind>: Function {
    /// What it is.
    #[doc(hidden)]
    const KIND: JobKind;
}

/// Marks what runs exactly once.
#[derive(Debug)]
pub struct OfMutation;

/// Marks what runs at most once, or at least once.
#[derive(Debug)]
pub struct OfAction;

impl<M: Mutation> Schedulable<OfMutation> for M {
    const KIND: JobKind = JobKind::Mutation;
}

impl<A: Action> Schedulable<OfAction> for A {
    const KIND: JobKind = JobKind::Action;
}

/// What a transaction schedules. Nothing of it exists if the transaction is rolled back. From
/// [`WriteTx::schedule`].
#[must_use = "nothing is scheduled until `now`, `after` or `at` is called"]
pub struct Schedule<'tx> {
    tx: &'tx mut WriteTx,
    retry: Option<Retry>,
}

impl WriteTx {
    /// Schedules functions, as a part of this transaction: what it schedules is due if it commits.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tropism::{JobStatus, prelude::*};
    ///
    /// schema! { pub table Note in "notes" { text: String } }
    ///
    /// functions! {
    ///     pub module Notes;
    ///     pub mutation AddNote in "notes:add" { text: String } -> Id<Note> |tx| { tx.insert(Note { text }) }
    /// }
    ///
    /// let db = Db::builder().tables::<Note>().module(Notes).in_memory()?;
    /// let job = db.write(|tx| tx.schedule().after(Duration::from_millis(1), AddNote { text: "later".into() }))?;
    /// let status = db.watch(move |tx| Ok::<_, tropism::Error>(tx.get(job)?.map(|job| job.status)))?;
    /// for status in &status {
    ///     if matches!(status.as_deref(), Ok(Some(JobStatus::Succeeded))) {
    ///         break;
    ///     }
    /// }
    /// # assert_eq!(db.read(|tx| tx.query(Note::by_id).count())?, 1);
    /// # Ok::<(), tropism::Error>(())
    /// ```
    pub fn schedule(&mut self) -> Schedule<'_> {
        Schedule { tx: self, retry: None }
    }
}

impl Schedule<'_> {
    /// Has what is scheduled tried again when it fails. An action then runs at least once: also again if the process
    /// ended while it ran.
    pub fn retrying(self, retry: Retry) -> Self {
        Self { retry: Some(retry), ..self }
    }

    /// Schedules a function for as soon as the transaction is committed.
    ///
    /// # Errors
    ///
    /// [`NotRegistered`](ScheduleError::NotRegistered); arguments that are larger than
    /// [`MAX_JOB_ARGUMENTS_BYTES`] or do not read back from JSON; and what [`WriteTx::insert`] answers.
    pub fn now<F: Schedulable<Kind>, Kind>(self, function: F) -> Result<Id<Job>, Error> {
        let due_at = self.tx.now();
        self.at(due_at, function)
    }

    /// Schedules a function for a time after the beginning of the transaction.
    ///
    /// # Errors
    ///
    /// As for [`now`](Self::now).
    pub fn after<F: Schedulable<Kind>, Kind>(self, wait: Duration, function: F) -> Result<Id<Job>, Error> {
        let due_at = later(self.tx.now(), wait);
        self.at(due_at, function)
    }

    /// Schedules a function for a point in time; one that has passed is as soon as possible.
    ///
    /// # Errors
    ///
    /// As for [`now`](Self::now).
    pub fn at<F: Schedulable<Kind>, Kind>(self, due_at: Timestamp, function: F) -> Result<Id<Job>, Error> {
        let name = F::NAME;
        if !self.tx.companion::<Functions>().is_some_and(Functions::has::<F>) {
            return Err(ScheduleError::NotRegistered { function: name }.into());
        }
        let arguments = stored_arguments(&function)?;
        let job = new_job(name, F::KIND, arguments, due_at, self.retry);
        self.tx.insert(job)
    }

    /// Cancels a job that has not finished; says whether there was one to cancel. An action that is running is not
    /// stopped; it finds out by [`is_cancelled`](crate::ActionContext::is_cancelled), and its result is dropped.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn cancel(self, job: Id<Job>) -> Result<bool, Error> {
        let now = self.tx.now();
        let mut was_open = false;
        self.tx.patch(job, |job| {
            was_open = !job.is_finished();
            if was_open {
                job.status = JobStatus::Cancelled;
                // What waited for a distant day is not to be kept until then.
                job.due_at = job.due_at.min(now);
                job.finished_at = Some(now);
            }
        })?;
        Ok(was_open)
    }

    /// Runs a job again that has finished, as soon as possible, with the attempts it had in the beginning; says
    /// whether it had finished.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn again(self, job: Id<Job>) -> Result<bool, Error> {
        let now = self.tx.now();
        let mut was_finished = false;
        self.tx.patch(job, |job| {
            was_finished = job.is_finished();
            if was_finished {
                job.status = JobStatus::Queued;
                (job.due_at, job.attempts, job.finished_at) = (now, 0, None);
            }
        })?;
        Ok(was_finished)
    }
}

/// The arguments as they are stored, if they read back.
pub(super) fn stored_arguments<F: Function>(function: &F) -> Result<String, ScheduleError> {
    let lost = |error: serde_json::Error| ScheduleError::Arguments { function: F::NAME, reason: error.to_string() };
    let arguments = serde_json::to_string(function).map_err(lost)?;
    if arguments.len() > MAX_JOB_ARGUMENTS_BYTES {
        let (size_bytes, limit_bytes) = (arguments.len(), MAX_JOB_ARGUMENTS_BYTES);
        return Err(ScheduleError::ArgumentsTooLarge { function: F::NAME, size_bytes, limit_bytes });
    }
    serde_json::from_str::<F>(&arguments).map_err(lost)?;
    Ok(arguments)
}

pub(super) fn new_job(
    function: &str,
    kind: JobKind,
    arguments: String,
    due_at: Timestamp,
    retry: Option<Retry>,
) -> Job {
    let policy = retry.unwrap_or_else(|| Retry::attempts(1));
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Job {
        function: function.to_owned(),
        kind,
        arguments,
        status: JobStatus::Queued,
        due_at,
        attempts: 0,
        attempt_limit: policy.attempts,
        is_at_least_once: retry.is_some(),
        first_wait_ms: millis(policy.first_wait),
        longest_wait_ms: millis(policy.longest_wait),
        jitter_percent: policy.jitter_percent,
        started_at: None,
        finished_at: None,
        result: None,
        error_code: None,
        error: None,
        error_data: None,
        cron_id: None,
    }
}

/// A time after another; the end of time if there is no such time.
pub(super) fn later(time: Timestamp, wait: Duration) -> Timestamp {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_add(wait))
}
