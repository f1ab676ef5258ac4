//! What becomes of a job: when its action begins, when an attempt ends, and when the process ended meanwhile.

use std::{sync::Arc, time::Duration};

use super::{
    retry::Retry,
    schedule::Due,
    tables::{Job, JobKind, JobStatus, MAX_JOB_RESULT_BYTES},
};
use crate::{
    error::Error,
    functions::CallError,
    panics::guarded,
    schema::{Doc, Id},
    time::Timestamp,
    transaction::WriteTx,
};

/// What is kept of the message of an error, in bytes.
const ERROR_BYTES: usize = 64 << 10;
/// Data of an error that is larger is not kept.
const ERROR_DATA_BYTES: usize = 1 << 20;

/// What finished jobs can be.
pub(super) const FINISHED: [JobStatus; 3] = [JobStatus::Succeeded, JobStatus::Failed, JobStatus::Cancelled];

/// What came of a job in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ran {
    /// The job.
    pub job: Id<Job>,
    /// Its function.
    pub function: String,
    /// Where it stands now: `queued` if it is to be tried again.
    pub status: JobStatus,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// When.
    pub(super) at: Timestamp,
    /// The result as JSON.
    pub(super) result: Result<String, Failure>,
    /// How long the function wants to wait before it is tried again.
    pub(super) wanted_wait: Option<Duration>,
    /// Whether it wants not to be tried again.
    pub(super) gives_up: bool,
}

/// What is kept of an error. Made before the transaction that writes it, for an error of the host's may panic when it
/// is asked for its message.
#[derive(Debug)]
pub(super) struct Failure {
    code: &'static str,
    message: String,
    data: Option<String>,
    is_unrunnable: bool,
}

/// What came of an attempt of an action that is marked as running.
#[derive(Debug, Clone)]
pub(super) enum AttemptOutcome {
    /// It ended.
    Ended(Arc<Ended>),
    /// It did not begin, for the mark did not become durable in time. The job waits as before.
    NotBegun {
        /// When the attempt before it began.
        previous_start: Option<Timestamp>,
    },
}

/// What came of the beginning of an action.
pub(super) enum Begun<R> {
    /// It is marked as running, and this is what runs.
    Run {
        /// As it is marked.
        job: Doc<Job>,
        /// When the attempt before it began.
        previous_start: Option<Timestamp>,
        /// What `find` has found.
        found: R,
    },
    /// There is nothing to run; a job that cannot run has been marked as such.
    Over(Option<Ran>),
}

impl AttemptOutcome {
    /// The memory that its texts take.
    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Ended(ended) => ended.size_bytes(),
            Self::NotBegun { .. } => 0,
        }
    }
}

impl Ended {
    pub(super) fn new(at: Timestamp, result: Result<String, CallError>) -> Self {
        Self { at, result: result.map_err(Failure::of), wanted_wait: None, gives_up: false }
    }

    fn size_bytes(&self) -> usize {
        match &self.result {
            Ok(result) => result.len(),
            Err(failure) => failure.message.len() + failure.data.as_ref().map_or(0, String::len),
        }
    }
}

impl Failure {
    fn of(error: CallError) -> Self {
        let is_unrunnable = match &error {
            CallError::UnknownFunction { .. } | CallError::WrongKind { .. } | CallError::Arguments { .. } => true,
            CallError::Internal { .. }
            | CallError::Application(_)
            | CallError::Engine(_)
            | CallError::Panicked { .. }
            | CallError::Result { .. } => false,
        };
        let code = error.code();
        let text = guarded(move || {
            let data = Some(error.data()).filter(|data| !data.is_null()).map(ToString::to_string);
            (error.to_string(), data.filter(|data| data.len() <= ERROR_DATA_BYTES))
        });
        let (mut message, data) = text.unwrap_or_else(|panic| (format!("its error panicked: {panic}"), None));
        let end = (0..=ERROR_BYTES.min(message.len())).rev().find(|end| message.is_char_boundary(*end));
        message.truncate(end.unwrap_or(0));
        message.shrink_to_fit();
        Self { code, message, data, is_unrunnable }
    }
}

/// Marks an action as running, if it still waits and can be run.
pub(super) fn begin<R>(
    tx: &mut WriteTx,
    id: Id<Job>,
    retention: Duration,
    find: impl FnOnce(&Job) -> Result<R, CallError>,
) -> Result<Begun<R>, Error> {
    let Some(job) = tx.get(id)?.filter(|job| job.status == JobStatus::Queued) else { return Ok(Begun::Over(None)) };
    let now = tx.now();
    let found = match find(&job) {
        Ok(found) => found,
        Err(error) => {
            return end(tx, &job, &Ended::new(now, Err(error)), retention).map(|ran| Begun::Over(Some(ran)));
        }
    };
    tx.patch(id, |job| {
        (job.status, job.since) = (JobStatus::Running, now);
        job.attempts = job.attempts.saturating_add(1);
        job.started_at = Some(now);
    })?;
    let (begun, previous_start) = (tx.get(id)?, job.started_at);
    Ok(begun.map_or(Begun::Over(None), |job| Begun::Run { job, previous_start, found }))
}

/// Takes back the mark of an attempt that did not begin: the job is due at once, and the attempt does not count.
pub(super) fn take_back(tx: &mut WriteTx, id: Id<Job>, previous_start: Option<Timestamp>) -> Result<(), Error> {
    let now = tx.now();
    tx.patch(id, |job| {
        job.status = JobStatus::Queued;
        job.attempts = job.attempts.saturating_sub(1);
        job.started_at = previous_start;
        Due::after(now, Duration::ZERO).put_into(job);
    })
}

/// Writes down how an attempt ended: the job has finished, or waits for the next attempt, or cannot run.
pub(super) fn end(tx: &mut WriteTx, job: &Doc<Job>, ended: &Ended, retention: Duration) -> Result<Ran, Error> {
    let now = tx.now();
    let mut next = Job::clone(job);
    next.since = now;
    if next.kind == JobKind::Mutation {
        next.attempts = next.attempts.saturating_add(1);
        next.started_at = Some(now);
    }
    let may_retry = !ended.gives_up && next.attempts < next.attempt_limit;
    match &ended.result {
        Ok(result) => {
            next.status = JobStatus::Succeeded;
            next.result = Some(result.clone());
            (next.error_code, next.error, next.error_data) = (None, None, None);
        }
        Err(failure) => {
            next.status = match () {
                () if failure.is_unrunnable => JobStatus::Unrunnable,
                () if may_retry => JobStatus::Queued,
                () => JobStatus::Failed,
            };
            let error = &failure.message;
            tracing::warn!(target: "tropism", job = %job.id(), function = next.function, %error, "a job failed");
            next.result = None;
            next.error_code = Some(failure.code.to_owned());
            next.error = Some(error.clone());
            next.error_data = failure.data.clone();
        }
    }
    if next.status == JobStatus::Queued {
        let wait = retry_of(&next).wait_after(next.attempts, job.id().as_u64());
        Due::after(now, wait.max(ended.wanted_wait.unwrap_or_default())).put_into(&mut next);
    }
    if next.is_finished() {
        // It may have ended some time before there was room to write that down.
        next.finished_at = Some(ended.at.min(now));
    }
    let ran = Ran { job: job.id(), function: next.function.clone(), status: next.status };
    if next.is_finished() && retention.is_zero() {
        tx.delete(job.id())?;
    } else {
        tx.replace(job.id(), next)?;
    }
    Ok(ran)
}

/// Puts a job that the end of the process interrupted where its rule says, and one that could not be run back into the
/// queue.
pub(super) fn recover(tx: &mut WriteTx, job: &Doc<Job>, retention: Duration) -> Result<(), Error> {
    let now = tx.now();
    if job.status == JobStatus::Unrunnable {
        return tx.patch(job.id(), |job| (job.status, job.since) = (JobStatus::Queued, now));
    }
    let mut next = Job::clone(job);
    next.since = now;
    next.error_code = Some("interrupted".to_owned());
    next.error = Some(format!("attempt {} was interrupted by the end of the process", job.attempts));
    if job.is_at_least_once && job.attempts < job.attempt_limit {
        next.status = JobStatus::Queued;
        Due::after(now, retry_of(job).wait_after(job.attempts, job.id().as_u64())).put_into(&mut next);
    } else {
        next.status = JobStatus::Failed;
        next.finished_at = Some(now);
    }
    if next.is_finished() && retention.is_zero() { tx.delete(job.id()) } else { tx.replace(job.id(), next) }
}

/// Takes the times of a job back to `now`, which its own lie after: the clock was ahead. A wait begins again; a point
/// in time stays.
pub(super) fn put_right(job: &mut Job, now: Timestamp) {
    job.since = now;
    if let (JobStatus::Queued, Some(wait_ms)) = (job.status, job.wait_ms) {
        Due::after(now, Duration::from_millis(wait_ms)).put_into(job);
    }
    job.started_at = job.started_at.map(|started_at| started_at.min(now));
    job.finished_at = job.finished_at.map(|finished_at| finished_at.min(now));
}

/// Refuses a result that is too large to be kept.
pub(super) fn kept(function: &'static str, result: String) -> Result<String, CallError> {
    if result.len() <= MAX_JOB_RESULT_BYTES {
        return Ok(result);
    }
    let size_bytes = result.len();
    let reason = format!("it has {size_bytes} bytes, and a job keeps at most {MAX_JOB_RESULT_BYTES}");
    Err(CallError::Result { function, reason })
}

fn retry_of(job: &Job) -> Retry {
    Retry::attempts(job.attempt_limit)
        .first_wait(Duration::from_millis(job.first_wait_ms))
        .longest_wait(Duration::from_millis(job.longest_wait_ms))
        .jitter_percent(job.jitter_percent)
}
