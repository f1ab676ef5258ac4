//! [`Run`]: executes what was claimed.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    crons,
    due::{FINISHED, RunKind, SchedulerCore},
    finish::{self, Begun, Ended},
    tables::{Cron, Job, JobKind, JobStatus},
};
use crate::{
    error::Error,
    functions::{ActionContext, Attempt, CallError, Runner},
    reactive::message_of,
    schema::{Doc, Id},
    storage::{Applied, Durability},
    time::Timestamp,
    transaction::WriteTx,
};

/// Mutations in one run: they share one wait for the disk.
const MUTATIONS_PER_RUN: usize = 256;
/// Finished jobs that are removed in one transaction.
const FORGOTTEN_PER_TRANSACTION: usize = 500;

/// Work that was claimed. [`execute`](Self::execute) runs it, on the thread that calls it; dropped without, it is given
/// back and nothing has happened.
#[must_use = "claimed work that is dropped is not run"]
pub struct Run {
    core: Arc<SchedulerCore>,
    task: Task,
}

/// What a run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Due mutations, so many at most.
    Mutations { limit: usize },
    /// One action.
    Action(Id<Job>),
}

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

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("task", &self.task).finish_non_exhaustive()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.core.give_back(&self.task);
    }
}

impl Run {
    pub(super) fn new(core: Arc<SchedulerCore>, task: Task) -> Self {
        Self { core, task }
    }

    /// Which kind of work it is.
    pub fn kind(&self) -> RunKind {
        match self.task {
            Task::Mutations { .. } => RunKind::Mutations,
            Task::Action(_) => RunKind::Action,
        }
    }

    /// Runs it, and says what came of which job. Functions that fail or panic are no errors; their jobs say so.
    ///
    /// # Errors
    ///
    /// A storage failure: jobs that are not in the answer are where their rules put them.
    pub fn execute(self) -> Result<Vec<Ran>, Error> {
        match self.task {
            Task::Action(job) => Ok(self.core.run_action(job)?.into_iter().collect()),
            Task::Mutations { limit } => {
                let now = self.core.now();
                self.core.fire_crons(now)?;
                self.core.forget(now)?;
                self.core.run_mutations(now, limit.min(MUTATIONS_PER_RUN))
            }
        }
    }
}

impl SchedulerCore {
    /// Runs due mutations, each in a commit of its own, and then waits once for all of them to be durable.
    fn run_mutations(&self, now: Timestamp, limit: usize) -> Result<Vec<Ran>, Error> {
        let due = self.due_mutations(now, limit)?;
        let mut ran = Vec::with_capacity(due.len());
        let mut newest = None;
        let mut failure = None;
        for job in due {
            if self.is_stopped() {
                break;
            }
            match self.run_mutation(&job) {
                Ok((came, applied)) => {
                    newest = Some(applied);
                    let has_finished = came.as_ref().is_some_and(|ran| FINISHED.contains(&ran.status));
                    if has_finished && !self.retention.is_zero() {
                        self.take_note_of_finished();
                    }
                    ran.extend(came);
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if let (Some(applied), Durability::Durable) = (newest, self.engine.durability) {
            self.engine.pipeline.wait_durable(applied)?;
        }
        failure.map_or(Ok(ran), Err)
    }

    /// One mutation: its effects and its job's new status are one commit.
    fn run_mutation(&self, job: &Doc<Job>) -> Result<(Option<Ran>, Applied), Error> {
        let id = job.id();
        let span = tracing::debug_span!(target: "tropism", "job", job = %id, function = job.function);
        let _entered = span.enter();
        let committed = self.engine.pipeline.commit(self.engine.durability, |tx| -> Result<_, Error> {
            // It may have been cancelled since it was found.
            let Some(job) = tx.get(id)?.filter(|job| job.status == JobStatus::Queued) else { return Ok(None) };
            let result = self.run_in(tx, &job);
            finish::end(tx, &job, Ended::of(result), self.retention).map(Some)
        });
        let too_large = match committed {
            Ok(committed) => return Ok(committed),
            Err(Error::Storage(error)) => return Err(error.into()),
            Err(error) => error,
        };
        // What the function did cannot be committed. That is its failure, as an error of its own would be.
        self.engine.pipeline.commit(self.engine.durability, |tx| -> Result<_, Error> {
            let Some(job) = tx.get(id)?.filter(|job| job.status == JobStatus::Queued) else { return Ok(None) };
            finish::end(tx, &job, Ended::of(Err(too_large.into())), self.retention).map(Some)
        })
    }

    fn run_in(&self, tx: &mut WriteTx, job: &Job) -> Result<String, CallError> {
        let (name, runner) = self.runner(&job.function)?;
        let Runner::Mutation { run, .. } = runner else { return Err(finish::wrong_kind(name, &runner, "mutation")) };
        // What it did before it failed or panicked is rolled back; the job's new status is not.
        let run_and_keep = |tx: &mut WriteTx| run(tx, &job.arguments).and_then(|result| finish::kept(name, result));
        catch_unwind(AssertUnwindSafe(|| tx.nested(run_and_keep)))
            .unwrap_or_else(|panic| Err(CallError::Panicked { function: name, message: message_of(&*panic) }))
    }

    fn runner(&self, function: &str) -> Result<(&'static str, Runner), CallError> {
        let entry = self.engine.functions.find(function);
        entry.map(|entry| entry.runner()).ok_or_else(|| CallError::UnknownFunction { name: function.to_owned() })
    }

    /// One attempt of an action: marked as running, durably, before it begins.
    fn run_action(self: &Arc<Self>, id: Id<Job>) -> Result<Option<Ran>, Error> {
        let begun = self.engine.pipeline.write(Durability::Durable, |tx| {
            finish::begin(tx, id, self.retention, |job| {
                let (name, runner) = self.runner(&job.function)?;
                match runner {
                    Runner::Action { run, .. } => Ok((name, run)),
                    Runner::Query { .. } | Runner::Mutation { .. } => Err(finish::wrong_kind(name, &runner, "action")),
                }
            })
        })?;
        let (job, (name, run)) = match begun {
            Begun::Run(job, run) => (job, run),
            Begun::Over(ran) => return Ok(ran),
        };
        let span = tracing::debug_span!(target: "tropism", "job", job = %id, function = name, attempt = job.attempts);
        let _entered = span.enter();
        let pipeline = Arc::clone(&self.engine.pipeline);
        let is_cancelled = move || {
            let job = pipeline.read(|tx| tx.get(id));
            !matches!(job, Ok(Some(job)) if job.status == JobStatus::Running)
        };
        let attempt = Attempt { number: job.attempts, limit: job.attempt_limit, is_cancelled: Box::new(is_cancelled) };
        let context = ActionContext::new(Arc::clone(&self.engine), attempt);
        let result = catch_unwind(AssertUnwindSafe(|| {
            run(&context, &job.arguments).and_then(|result| finish::kept(name, result))
        }))
        .unwrap_or_else(|panic| Err(CallError::Panicked { function: name, message: message_of(&*panic) }));
        let ended = Ended { result, wanted_wait: context.wanted_wait(), gives_up: context.gives_up() };
        if !self.retention.is_zero() {
            self.take_note_of_finished();
        }
        match self.end_action(&job, ended) {
            Err(error @ Error::Storage(_)) => Err(error),
            // What came of it cannot be committed. That is its failure, as an error of its own would be.
            Err(too_large) => self.end_action(&job, Ended::of(Err(too_large.into()))),
            ended => ended,
        }
    }

    /// Writes down how an attempt of an action ended, unless it is not the job's any more: it was cancelled meanwhile.
    fn end_action(&self, job: &Doc<Job>, ended: Ended) -> Result<Option<Ran>, Error> {
        self.engine.pipeline.write(Durability::Durable, |tx| {
            let own = tx.get(job.id())?;
            let own = own.filter(|now| now.status == JobStatus::Running && now.attempts == job.attempts);
            own.map(|job| finish::end(tx, &job, ended, self.retention)).transpose()
        })
    }

    /// Removes finished jobs that are old enough, a bounded number of them.
    fn forget(&self, now: Timestamp) -> Result<(), Error> {
        if !self.is_to_forget(now) {
            return Ok(());
        }
        let millis = i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX);
        let limit = Timestamp::from_millis(now.as_millis().saturating_sub(millis));
        let old = self.engine.pipeline.read(|tx| -> Result<Vec<Id<Job>>, Error> {
            let mut old = Vec::new();
            for status in FINISHED {
                for kind in [JobKind::Mutation, JobKind::Action] {
                    let due = tx.query(Job::by_queue).eq((status, kind)).range(..=limit);
                    let due = due.filter(|job| job.finished_at.is_none_or(|finished_at| finished_at <= limit));
                    let due = due.take(FORGOTTEN_PER_TRANSACTION - old.len()).collect()?;
                    old.extend(due.iter().map(Doc::id));
                }
            }
            Ok(old)
        })?;
        let has_more = old.len() == FORGOTTEN_PER_TRANSACTION;
        self.engine.pipeline.write(self.engine.durability, |tx| -> Result<(), Error> {
            for id in old {
                // It may have been started again since it was found.
                if tx.get(id)?.is_some_and(|job| job.is_finished()) {
                    tx.delete(id)?;
                }
            }
            Ok(())
        })?;
        self.plan_forgetting(has_more)
    }

    fn fire_crons(&self, now: Timestamp) -> Result<(), Error> {
        if self.crons.is_empty() {
            return Ok(());
        }
        let due = self.engine.pipeline.read(|tx| tx.query(Cron::by_next_run_at).range(..=now).collect())?;
        for cron in due {
            let Some(plan) = self.crons.get(&cron.name) else { continue };
            self.engine.pipeline.write(self.engine.durability, |tx| crons::fire(tx, cron.id(), plan, now))?;
        }
        Ok(())
    }
}
