//! What becomes of a job: when it begins, when an attempt ends, and when the database is opened after it was interrupted.

use std::time::Duration;

use super::{
    due::SchedulerCore,
    retry::Retry,
    run::Ran,
    schedule::later,
    tables::{Job, JobKind, JobStatus, MAX_JOB_RESULT_BYTES},
};
use crate::{
    error::Error,
    functions::{CallError, FunctionKind, Runner},
    schema::{Doc, Id},
    transaction::{IndexQuery, WriteTx},
};

/// Jobs that are changed in one transaction when the database is opened, and the bytes of their rows: a transaction of
/// them must fit the smallest limit there is.
const JOBS_PER_TRANSACTION: usize = 200;
const BYTES_PER_TRANSACTION: usize = 256 << 10;

/// What is kept of the message of an error, in bytes.
const ERROR_BYTES: usize = 64 << 10;
/// Data of an error that is larger is not kept.
const ERROR_DATA_BYTES: usize = 1 << 20;

/// How an attempt ended.
pub(super) struct Ended {
    /// The result as JSON.
    pub(super) result: Result<String, CallError>,
    /// How long the function wants to wait before it is tried again.
    pub(super) wanted_wait: Option<Duration>,
    /// Whether it wants not to be tried again.
    pub(super) gives_up: bool,
}

/// What came of the beginning of an action.
pub(super) enum Begun<R> {
    /// It is marked as running, and this is what runs.
    Run(Doc<Job>, R),
    /// There is nothing to run; a job that cannot run has been marked as such.
    Over(Option<Ran>),
}

impl Ended {
    pub(super) fn of(result: Result<String, CallError>) -> Self {
        Self { result, wanted_wait: None, gives_up: false }
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
    let found = match find(&job) {
        Ok(found) => found,
        Err(error) => return end(tx, &job, Ended::of(Err(error)), retention).map(|ran| Begun::Over(Some(ran))),
    };
    let now = tx.now();
    tx.patch(id, |job| {
        job.status = JobStatus::Running;
        job.attempts = job.attempts.saturating_add(1);
        job.started_at = Some(now);
    })?;
    let begun = tx.get(id)?;
    Ok(begun.map_or(Begun::Over(None), |job| Begun::Run(job, found)))
}

/// Writes down how an attempt ended: the job has finished, or waits for the next attempt, or cannot run.
pub(super) fn end(tx: &mut WriteTx, job: &Doc<Job>, ended: Ended, retention: Duration) -> Result<Ran, Error> {
    let now = tx.now();
    let mut next = Job::clone(job);
    if next.kind == JobKind::Mutation {
        next.attempts = next.attempts.saturating_add(1);
        next.started_at = Some(now);
    }
    let may_retry = !ended.gives_up && next.attempts < next.attempt_limit;
    match ended.result {
        Ok(result) => {
            next.status = JobStatus::Succeeded;
            next.result = Some(result);
            (next.error_code, next.error, next.error_data) = (None, None, None);
        }
        Err(error) => {
            next.status = match &error {
                CallError::UnknownFunction { .. } | CallError::WrongKind { .. } | CallError::Arguments { .. } => {
                    JobStatus::Unrunnable
                }
                _ if may_retry => JobStatus::Queued,
                _ => JobStatus::Failed,
            };
            tracing::warn!(target: "tropism", job = %job.id(), function = next.function, %error, "a job failed");
            set_error(&mut next, &error);
        }
    }
    if next.status == JobStatus::Queued {
        let wait = retry_of(&next).wait_after(next.attempts, job.id().as_u64());
        next.due_at = later(now, wait.max(ended.wanted_wait.unwrap_or_default()));
    }
    if next.is_finished() {
        next.finished_at = Some(now);
    }
    let ran = Ran { job: job.id(), function: next.function.clone(), status: next.status };
    if next.is_finished() && retention.is_zero() {
        tx.delete(job.id())?;
    } else {
        tx.replace(job.id(), next)?;
    }
    Ok(ran)
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

pub(super) fn wrong_kind(name: &'static str, runner: &Runner, wanted: &'static str) -> CallError {
    let kind = match runner {
        Runner::Query { .. } => FunctionKind::Query,
        Runner::Mutation { .. } => FunctionKind::Mutation,
        Runner::Action { .. } => FunctionKind::Action,
    };
    CallError::WrongKind { name, kind, wanted }
}

fn set_error(job: &mut Job, error: &CallError) {
    job.result = None;
    job.error_code = Some(error.code().to_owned());
    let mut message = error.to_string();
    let end = (0..=ERROR_BYTES.min(message.len())).rev().find(|end| message.is_char_boundary(*end));
    message.truncate(end.unwrap_or(0));
    job.error = Some(message);
    let data = Some(error.data()).filter(|data| !data.is_null()).map(ToString::to_string);
    job.error_data = data.filter(|data| data.len() <= ERROR_DATA_BYTES);
}

fn retry_of(job: &Job) -> Retry {
    Retry::attempts(job.attempt_limit)
        .first_wait(Duration::from_millis(job.first_wait_ms))
        .longest_wait(Duration::from_millis(job.longest_wait_ms))
        .jitter_percent(job.jitter_percent)
}

impl SchedulerCore {
    /// Puts every job that the end of the process interrupted where its rule says, and has those tried again that could
    /// not be run.
    pub(super) fn recover(&self) -> Result<(), Error> {
        let retention = self.retention;
        for status in [JobStatus::Running, JobStatus::Unrunnable] {
            for kind in [JobKind::Mutation, JobKind::Action] {
                while self.engine.pipeline.write(self.engine.durability, |tx| -> Result<bool, Error> {
                    let jobs = first_of(tx.query(Job::by_queue).eq((status, kind)))?;
                    jobs.iter().try_for_each(|job| recover_one(tx, job, retention))?;
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
        let texts = [&job.result, &job.error, &job.error_data].into_iter().flatten();
        size_bytes += job.arguments.len() + texts.map(String::len).sum::<usize>();
        first.push(job);
        if size_bytes > BYTES_PER_TRANSACTION {
            break;
        }
    }
    Ok(first)
}

fn recover_one(tx: &mut WriteTx, job: &Doc<Job>, retention: Duration) -> Result<(), Error> {
    let now = tx.now();
    if job.status == JobStatus::Unrunnable {
        return tx.patch(job.id(), |job| job.status = JobStatus::Queued);
    }
    let mut next = Job::clone(job);
    next.error_code = Some("interrupted".to_owned());
    next.error = Some(format!("attempt {} was interrupted by the end of the process", job.attempts));
    if job.is_at_least_once && job.attempts < job.attempt_limit {
        next.status = JobStatus::Queued;
        next.due_at = later(now, retry_of(job).wait_after(job.attempts, job.id().as_u64()));
    } else {
        next.status = JobStatus::Failed;
        next.finished_at = Some(now);
    }
    if next.is_finished() && retention.is_zero() { tx.delete(job.id()) } else { tx.replace(job.id(), next) }
}
