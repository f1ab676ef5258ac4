//! Runs jobs that were claimed, and writes down how they ended.

use std::sync::Arc;

use super::{
    core::{SchedulerCore, ends_this_open, may_pass},
    kept::Kept,
    outcome::{self, AttemptOutcome, Begun, Ended, Ran},
    pauses::Stuck,
    queue::Waiting,
    tables::{Job, JobKind, JobStatus},
};
use crate::{
    error::Error,
    functions::{ActionContext, Attempt, CallError, FunctionKind, Runner},
    panics::guarded,
    schema::{Doc, Id},
    storage::{Applied, Durability},
    time::Timestamp,
    transaction::WriteTx,
};

impl SchedulerCore {
    /// Runs mutations, each in a commit of its own, and then waits once for all of them to be durable. Their rows are
    /// read one at a time, for they may be large.
    pub(super) fn run_mutations(&self, due: Vec<Waiting>) -> Result<Vec<Ran>, Error> {
        let mut ran = Vec::with_capacity(due.len());
        let mut written = Vec::with_capacity(due.len());
        let mut newest = None;
        let mut failure = None;
        for waiting in due {
            if self.is_stopped() {
                break;
            }
            let stuck = Stuck::Job(JobKind::Mutation, waiting.job);
            match self.run_mutation(waiting.job) {
                Ok((came, applied)) => {
                    self.unpause(stuck);
                    newest = Some(applied);
                    written.push(waiting);
                    self.take_note_of(came.as_ref());
                    ran.extend(came);
                }
                // Those behind it go on.
                Err(error) => {
                    failure = self.pause(stuck, waiting.due_at, error).err();
                    if failure.is_some() {
                        break;
                    }
                }
            }
        }
        if let (Some(applied), Durability::Durable) = (newest, self.engine.durability)
            && let Err(error) = self.engine.pipeline.wait_durable(applied)
        {
            // They have run, and do not run again. They still seem to wait, and a look at one of them after its pause
            // makes it durable.
            let error = Error::from(error);
            for waiting in written {
                self.pause(Stuck::Job(JobKind::Mutation, waiting.job), waiting.due_at, error.clone())?;
            }
        }
        failure.map_or(Ok(ran), Err)
    }

    fn take_note_of(&self, ran: Option<&Ran>) {
        let has_finished = ran.is_some_and(|ran| outcome::FINISHED.contains(&ran.status));
        if has_finished && !self.retention.is_zero() {
            self.take_note_of_finished();
        }
    }

    /// One mutation: its effects and its job's new status are one commit.
    fn run_mutation(&self, id: Id<Job>) -> Result<(Option<Ran>, Applied), Error> {
        let committed = self.engine.pipeline.commit(self.engine.durability, |tx| -> Result<_, Error> {
            // It may have been cancelled since it was found.
            let Some(job) = tx.get(id)?.filter(|job| job.status == JobStatus::Queued) else { return Ok(None) };
            let span = tracing::debug_span!(target: "tropism", "job", job = %id, function = job.function);
            let _entered = span.enter();
            let result = self.run_in(tx, &job);
            if let Err(CallError::Engine(error)) = &result
                && may_pass(error)
            {
                // It could not read. That is no failure of the function, and it has not run.
                return Err(error.clone());
            }
            outcome::end(tx, &job, &Ended::new(tx.now(), result), self.retention).map(Some)
        });
        let too_large = match committed {
            Ok(committed) => return Ok(committed),
            Err(error @ Error::Storage(_)) => return Err(error),
            Err(error) => error,
        };
        // What the function did cannot be committed. That is its failure, as an error of its own would be.
        let ended = Ended::new(self.now(), Err(too_large.into()));
        self.engine.pipeline.commit(self.engine.durability, |tx| -> Result<_, Error> {
            let Some(job) = tx.get(id)?.filter(|job| job.status == JobStatus::Queued) else { return Ok(None) };
            outcome::end(tx, &job, &ended, self.retention).map(Some)
        })
    }

    fn run_in(&self, tx: &mut WriteTx, job: &Job) -> Result<String, CallError> {
        let (name, runner) = self.runner(&job.function)?;
        let Runner::Mutation { run, .. } = runner else { return Err(wrong_kind(name, &runner, "mutation")) };
        // What it did before it failed or panicked is rolled back; the job's new status is not.
        let run_and_keep = |tx: &mut WriteTx| run(tx, &job.arguments).and_then(|result| outcome::kept(name, result));
        guarded(|| tx.nested(run_and_keep))
            .unwrap_or_else(|message| Err(CallError::Panicked { function: name, message }))
    }

    fn runner(&self, function: &str) -> Result<(&'static str, Runner), CallError> {
        let entry = self.functions.find(function);
        entry.map(|entry| entry.runner()).ok_or_else(|| CallError::UnknownFunction { name: function.to_owned() })
    }

    /// One attempt of an action: marked as running, durably, before it begins. If it cannot be marked it does not begin,
    /// and neither does it if the mark is not durable in time: the mark is then taken back.
    pub(super) fn run_action(self: &Arc<Self>, waiting: Waiting) -> Result<Option<Ran>, Error> {
        if self.is_stopped() {
            return Ok(None);
        }
        let id = waiting.job;
        let begun = self.engine.pipeline.commit(Durability::Durable, |tx| {
            outcome::begin(tx, id, self.retention, |job| {
                let (name, runner) = self.runner(&job.function)?;
                match runner {
                    Runner::Action { run, .. } => Ok((name, run)),
                    Runner::Query { .. } | Runner::Mutation { .. } => Err(wrong_kind(name, &runner, "action")),
                }
            })
        });
        let stuck = Stuck::Job(JobKind::Action, id);
        let (begun, applied) = match begun {
            Ok(begun) => begun,
            Err(error) => return self.pause(stuck, waiting.due_at, error).map(|()| None),
        };
        self.unpause(stuck);
        let durable = self.engine.pipeline.wait_durable(applied).map_err(Error::from);
        let (job, (name, run)) = match (begun, durable) {
            (Begun::Run { job, found, .. }, Ok(())) => (job, found),
            (Begun::Run { job, previous_start, .. }, Err(error)) => {
                let outcome = AttemptOutcome::NotBegun { previous_start };
                return self.keep(id, Kept { attempt: job.attempts, outcome }, error).map(|()| None);
            }
            (Begun::Over(ran), Ok(())) => return Ok(ran),
            (Begun::Over(ran), Err(error)) => return self.pause(stuck, waiting.due_at, error).map(|()| ran),
        };
        let span = tracing::debug_span!(target: "tropism", "job", job = %id, function = name, attempt = job.attempts);
        let _entered = span.enter();
        let context = ActionContext::new(Arc::clone(&self.engine), self.attempt(&job));
        let result = guarded(|| run(&context, &job.arguments).and_then(|result| outcome::kept(name, result)))
            .unwrap_or_else(|message| Err(CallError::Panicked { function: name, message }));
        let (wanted_wait, gives_up) = (context.wanted_wait(), context.gives_up());
        let ended = Ended { wanted_wait, gives_up, ..Ended::new(self.now(), result) };
        self.end_action(id, Kept { attempt: job.attempts, outcome: AttemptOutcome::Ended(Arc::new(ended)) })
    }

    fn attempt(&self, job: &Doc<Job>) -> Attempt {
        let (pipeline, id) = (Arc::clone(&self.engine.pipeline), job.id());
        let is_cancelled = move || {
            let job = pipeline.read(|tx| tx.get(id));
            !matches!(job, Ok(Some(job)) if job.status == JobStatus::Running)
        };
        Attempt { number: job.attempts, limit: job.attempt_limit, is_cancelled: Box::new(is_cancelled) }
    }

    /// Writes down what came of an attempt of an action. As long as that is not durable it is kept, and written by a
    /// later run of mutations: only the end of the process can lose it.
    fn end_action(&self, id: Id<Job>, mut kept: Kept) -> Result<Option<Ran>, Error> {
        let mut written = self.write_outcome(id, &kept);
        if let (Err(error), AttemptOutcome::Ended(ended)) = (&written, &kept.outcome)
            && !matches!(error, Error::Storage(_))
        {
            // What came of it cannot be committed. That is its failure, as an error of its own would be.
            kept.outcome = AttemptOutcome::Ended(Arc::new(Ended::new(ended.at, Err(error.clone().into()))));
            written = self.write_outcome(id, &kept);
        }
        let (ran, failure) = match written {
            Ok((ran, applied)) => (ran, self.engine.pipeline.wait_durable(applied).err().map(Error::from)),
            Err(error) => (None, Some(error)),
        };
        self.take_note_of(ran.as_ref());
        match failure {
            None => {
                let mut state = self.state();
                state.kept.remove(id);
                state.pauses.end(Stuck::Outcome(id));
            }
            Some(error) => self.keep(id, kept, error)?,
        }
        Ok(ran)
    }

    /// Keeps what came of an attempt, to be written after a pause. What ends this open is an error.
    fn keep(&self, id: Id<Job>, kept: Kept, error: Error) -> Result<(), Error> {
        if ends_this_open(&error) {
            return Err(error);
        }
        self.state().kept.keep(id, kept);
        self.pause(Stuck::Outcome(id), self.now(), error)?;
        // The action's own lane does not write it.
        self.waking.wake();
        Ok(())
    }

    /// Writes an outcome, unless the job is no longer the attempt's: it was cancelled meanwhile.
    fn write_outcome(&self, id: Id<Job>, kept: &Kept) -> Result<(Option<Ran>, Applied), Error> {
        self.engine.pipeline.commit(Durability::Durable, |tx| {
            let own = tx.get(id)?;
            let own = own.filter(|job| job.status == JobStatus::Running && job.attempts == kept.attempt);
            match (own, &kept.outcome) {
                (None, _) => Ok(None),
                (Some(job), AttemptOutcome::Ended(ended)) => outcome::end(tx, &job, ended, self.retention).map(Some),
                (Some(_), AttemptOutcome::NotBegun { previous_start }) => {
                    outcome::take_back(tx, id, *previous_start).map(|()| None)
                }
            }
        })
    }

    /// Writes outcomes that were kept and whose pause is over, at most `limit`.
    pub(super) fn write_outcomes(&self, now: Timestamp, limit: usize) -> Result<Vec<Ran>, Error> {
        let due: Vec<Id<Job>> = {
            let state = self.state();
            let due = state.kept.jobs().filter(|job| !state.pauses.is_resting(Stuck::Outcome(*job), now));
            due.take(limit).collect()
        };
        let mut ran = Vec::new();
        for id in due {
            let kept = self.state().kept.get(id).cloned();
            if let Some(kept) = kept {
                ran.extend(self.end_action(id, kept)?);
            }
        }
        Ok(ran)
    }

    /// Tries once more to write what was kept, when the database closes. What cannot be written is lost with it: the
    /// job is where its rule puts it when the database is opened again.
    pub(crate) fn finish(&self) {
        let jobs: Vec<Id<Job>> = self.state().kept.jobs().collect();
        for id in jobs {
            let kept = self.state().kept.get(id).cloned();
            let written = guarded(|| kept.map_or(Ok(None), |kept| self.end_action(id, kept)));
            let is_left = self.state().kept.get(id).is_some();
            match written {
                Ok(Ok(_)) if !is_left => {}
                Ok(Ok(_)) => tracing::error!(target: "tropism", job = %id, "how an action ended could not be written"),
                Ok(Err(error)) => {
                    tracing::error!(target: "tropism", job = %id, %error, "how an action ended could not be written");
                }
                Err(message) => {
                    tracing::error!(target: "tropism", job = %id, message, "how an action ended could not be written");
                }
            }
        }
    }
}

fn wrong_kind(name: &'static str, runner: &Runner, wanted: &'static str) -> CallError {
    let kind = match runner {
        Runner::Query { .. } => FunctionKind::Query,
        Runner::Mutation { .. } => FunctionKind::Mutation,
        Runner::Action { .. } => FunctionKind::Action,
    };
    CallError::WrongKind { name, kind, wanted }
}
