//! `tx.schedule()`: writes the rows of jobs.

use std::time::Duration;

use super::{
    retry::Retry,
    tables::{Job, JobKind, JobStatus, MAX_JOB_ARGUMENTS_BYTES},
};
use crate::{
    error::{Error, ScheduleError},
    functions::{Action, Environment, Function, Mutation, store_arguments},
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

    /// Schedules a function for as soon as the transaction is committed. If the clock was ahead and is put right, the
    /// job is due at once all the same.
    ///
    /// # Errors
    ///
    /// [`NotRegistered`](ScheduleError::NotRegistered); arguments that are larger than
    /// [`MAX_JOB_ARGUMENTS_BYTES`] or do not read back from JSON; and what [`WriteTx::insert`] answers.
    pub fn now<F: Schedulable<Kind>, Kind>(self, function: F) -> Result<Id<Job>, Error> {
        self.after(Duration::ZERO, function)
    }

    /// Schedules a function for a time after the beginning of the transaction. If the clock was ahead and is put right,
    /// the wait begins again then.
    ///
    /// # Errors
    ///
    /// As for [`now`](Self::now).
    pub fn after<F: Schedulable<Kind>, Kind>(self, wait: Duration, function: F) -> Result<Id<Job>, Error> {
        let due = Due::after(self.tx.now(), wait);
        self.insert(due, function)
    }

    /// Schedules a function for a point in time; one that has passed is as soon as possible. Whatever happens to the
    /// clock, it runs when the clock shows that time.
    ///
    /// # Errors
    ///
    /// As for [`now`](Self::now).
    pub fn at<F: Schedulable<Kind>, Kind>(self, due_at: Timestamp, function: F) -> Result<Id<Job>, Error> {
        let due = Due { at: due_at, since: self.tx.now(), wait_ms: None };
        self.insert(due, function)
    }

    fn insert<F: Schedulable<Kind>, Kind>(self, due: Due, function: F) -> Result<Id<Job>, Error> {
        let name = F::NAME;
        if !self.tx.companion::<Environment>().is_some_and(Environment::has::<F>) {
            return Err(ScheduleError::NotRegistered { function: name }.into());
        }
        let arguments = stored_arguments(&function)?;
        let job = new_job(name, F::KIND, arguments, due, self.retry);
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
                (job.status, job.since) = (JobStatus::Cancelled, now);
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
                Due::after(now, Duration::ZERO).put_into(job);
                (job.attempts, job.finished_at) = (0, None);
            }
        })?;
        Ok(was_finished)
    }
}

/// When a job is due: at a point in time, or a wait after another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// When.
    pub(super) at: Timestamp,
    /// When that was said.
    pub(super) since: Timestamp,
    /// How long after `since`, where it is a wait.
    pub(super) wait_ms: Option<u64>,
}

impl Due {
    /// A wait after `since`.
    pub(super) fn after(since: Timestamp, wait: Duration) -> Self {
        Self { at: later(since, wait), since, wait_ms: Some(millis(wait)) }
    }

    /// Sets the times of a job that is queued.
    pub(super) fn put_into(self, job: &mut Job) {
        (job.due_at, job.since, job.wait_ms) = (self.at, self.since, self.wait_ms);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The arguments as they are stored, if they read back.
pub(super) fn stored_arguments<F: Function>(function: &F) -> Result<String, ScheduleError> {
    let lost = |reason| ScheduleError::Arguments { function: F::NAME, reason };
    let arguments = store_arguments(function).map_err(lost)?;
    if arguments.len() > MAX_JOB_ARGUMENTS_BYTES {
        let (size_bytes, limit_bytes) = (arguments.len(), MAX_JOB_ARGUMENTS_BYTES);
        return Err(ScheduleError::ArgumentsTooLarge { function: F::NAME, size_bytes, limit_bytes });
    }
    Ok(arguments)
}

pub(super) fn new_job(function: &str, kind: JobKind, arguments: String, due: Due, retry: Option<Retry>) -> Job {
    let policy = retry.unwrap_or_else(|| Retry::attempts(1));
    Job {
        function: function.to_owned(),
        kind,
        arguments,
        status: JobStatus::Queued,
        due_at: due.at,
        since: due.since,
        wait_ms: due.wait_ms,
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
