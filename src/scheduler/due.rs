//! [`DueWork`]: what is due, given out once.

use std::{fmt, sync::Arc, thread::ThreadId, time::Duration};

use super::{
    core::{Claim, SchedulerCore},
    outcome::Ran,
    pauses::Stuck,
    queue::{self, Waiting},
    tables::JobKind,
};
use crate::{error::Error, storage::CommitObserver, time::Timestamp};

/// Mutations in one run: they share one wait for the disk.
const MUTATIONS_PER_RUN: usize = 256;

/// What runs may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunKind {
    /// Due mutations, in order, many in one run; and the engine's own upkeep of crons and finished jobs, and of outcomes
    /// that could not be written before. There is at most one such run at a time, and it does not wait for the outside.
    Mutations,
    /// One due action. Any number at a time; each takes as long as it takes.
    Action,
}

/// The work of one database, for its [`Scheduler`](super::Scheduler). Cheap to clone.
#[derive(Clone)]
pub struct DueWork(Arc<SchedulerCore>);

/// Work that was claimed. [`execute`](Self::execute) runs it, on the thread that calls it; dropped without, also by a
/// panic, it is given back and nothing has happened.
#[must_use = "claimed work that is dropped is not run"]
pub struct Run {
    core: Arc<SchedulerCore>,
    claim: Claim,
    /// Jobs at most.
    limit: usize,
}

impl fmt::Debug for DueWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DueWork").finish_non_exhaustive()
    }
}

impl DueWork {
    pub(crate) fn new(core: Arc<SchedulerCore>) -> Self {
        Self(core)
    }

    /// Has `wake` called, within the commit, whenever something may have become due earlier than was known.
    pub(crate) fn on_new_work(&self, wake: impl Fn() + Send + Sync + 'static) -> Result<(), Error> {
        let core = &self.0;
        core.waking.begin(Arc::new(wake));
        core.engine.pipeline.store().observe(Arc::clone(&core.waking) as Arc<dyn CommitObserver>);
        core.plan_forgetting(false)
    }

    /// When the next work of this kind is due, that is not given out already: perhaps a time that has passed. `None`
    /// when there is none, or when a run of mutations is out; the scheduler is woken when a run has ended. Work that
    /// could not be written is due again after a pause.
    ///
    /// # Errors
    ///
    /// A storage failure; `Closed`.
    pub fn next_due(&self, kind: RunKind) -> Result<Option<Timestamp>, Error> {
        let core = &self.0;
        let now = core.look();
        match kind {
            RunKind::Mutations => core.next_upkeep_or_mutation(now),
            RunKind::Action => Ok(core.next_job(JobKind::Action)?.map(|(at, _)| at)),
        }
    }

    /// Takes work that is due now, if there is some. Nobody else is given it, until the run has ended or was dropped.
    ///
    /// # Errors
    ///
    /// A storage failure; `Closed`.
    pub fn claim(&self, kind: RunKind) -> Result<Option<Run>, Error> {
        self.claim_at_most(kind, usize::MAX)
    }

    /// The same, for a scheduler that wants no more than so many jobs in a run.
    pub(super) fn claim_at_most(&self, kind: RunKind, limit: usize) -> Result<Option<Run>, Error> {
        let core = &self.0;
        let now = core.look();
        let is_due = |at: &Timestamp| *at <= now;
        let claim = match kind {
            RunKind::Mutations => core.next_upkeep_or_mutation(now)?.filter(is_due).map(|_| Claim::Mutations),
            RunKind::Action => {
                let next = core.next_job(JobKind::Action)?.filter(|(at, _)| is_due(at));
                next.map(|(_, waiting)| Claim::Action(waiting))
            }
        };
        // Where another thread was faster, it, or a wake, sees to what is left.
        let claim = claim.filter(|claim| core.state().claim(*claim));
        Ok(claim.map(|claim| Run { core: Arc::clone(core), claim, limit }))
    }

    /// The time now, by the clock of the database.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// How long it is until a time, by the clock of the database; nothing if it has passed.
    pub fn until(&self, time: Timestamp) -> Duration {
        let millis = time.as_millis().saturating_sub(self.now().as_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// Whether a thread waits in `Db::close`, for what is running to end.
    pub(super) fn is_closing(&self, thread: ThreadId) -> bool {
        self.0.is_closing(thread)
    }

    pub(super) fn core(&self) -> &SchedulerCore {
        &self.0
    }
}

impl SchedulerCore {
    /// When a run of mutations has something to do: a mutation, or upkeep.
    fn next_upkeep_or_mutation(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        if !self.state().may_give_out(JobKind::Mutation) {
            return Ok(None);
        }
        if self.waking.take_has_finished() {
            self.take_note_of_finished();
        }
        // What cannot be read is due now: the run meets the error again, and pauses that alone.
        let correction = self.needs_correction(now).unwrap_or(true).then_some(now);
        let jobs = self.next_job(JobKind::Mutation)?.map(|(at, _)| at);
        let crons = self.next_cron().unwrap_or(Some(now));
        let state = self.state();
        let pauses = &state.pauses;
        let after_pause = |stuck, at: Timestamp| pauses.until(stuck).map_or(at, |until| until.max(at));
        let outcomes = state.kept.jobs().map(|job| after_pause(Stuck::Outcome(job), now)).min();
        let crons = crons.map(|at| after_pause(Stuck::Crons, at));
        let correction = correction.map(|at| after_pause(Stuck::Correction, at));
        let forgetting = state.forgetting.at.map(|at| after_pause(Stuck::Forgetting, at));
        let paused_cron = pauses.first_cron();
        Ok([correction, jobs, crons, paused_cron, outcomes, forgetting].into_iter().flatten().min())
    }

    /// The job of a kind that runs next, and when: one that waits when it is due, one that is paused when its pause is
    /// over.
    fn next_job(&self, kind: JobKind) -> Result<Option<(Timestamp, Waiting)>, Error> {
        let mut next: Option<(Timestamp, Waiting)> = {
            let state = self.state();
            if !state.may_give_out(kind) {
                return Ok(None);
            }
            let paused = state.pauses.jobs(kind).filter(|(_, waiting)| !state.actions_out.contains(&waiting.job));
            let next = paused.min();
            if state.pauses.is_full(kind) {
                return Ok(next);
            }
            next
        };
        let waiting = self.waiting(kind, 1, None)?;
        next = next.into_iter().chain(waiting.into_iter().map(|waiting| (waiting.due_at, waiting))).min();
        Ok(next)
    }

    /// The first jobs that wait and are neither out nor paused nor kept, at most `limit` and none that is due after
    /// `until`.
    fn waiting(&self, kind: JobKind, limit: usize, until: Option<Timestamp>) -> Result<Vec<Waiting>, Error> {
        let mut waiting = Vec::new();
        self.engine.pipeline.read(|tx| {
            queue::walk(tx, kind, |found| {
                if until.is_some_and(|until| found.due_at > until) {
                    return false;
                }
                let state = self.state();
                let is_out = state.actions_out.contains(&found.job) || state.kept.get(found.job).is_some();
                if !is_out && !state.pauses.has_job(kind, found.job) {
                    waiting.push(found);
                }
                waiting.len() < limit
            })
        })?;
        Ok(waiting)
    }

    /// The mutations that are due and not paused, in the order in which they are due.
    fn due_mutations(&self, now: Timestamp, limit: usize) -> Result<Vec<Waiting>, Error> {
        let (mut due, is_full) = {
            let state = self.state();
            let over = state.pauses.jobs(JobKind::Mutation).filter(|(until, _)| *until <= now);
            (over.map(|(_, waiting)| waiting).collect::<Vec<_>>(), state.pauses.is_full(JobKind::Mutation))
        };
        if !is_full {
            due.extend(self.waiting(JobKind::Mutation, limit, Some(now))?);
        }
        due.sort();
        due.truncate(limit);
        Ok(due)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("claim", &self.claim).finish_non_exhaustive()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.core.give_back(self.claim);
    }
}

impl Run {
    /// Which kind of work it is.
    pub fn kind(&self) -> RunKind {
        match self.claim {
            Claim::Mutations => RunKind::Mutations,
            Claim::Action(_) => RunKind::Action,
        }
    }

    /// Runs it, and says what came of which job. Functions that fail or panic are no errors; their jobs say so. Nor is
    /// it an error if something cannot be written now, for want of room for example: it is tried again after a pause, an
    /// action without running again. A job that has run is in the answer also where the log cannot be written at the
    /// moment; its row shows that as soon as it is durable. Once the database's scheduler has been stopped nothing more begins.
    ///
    /// # Errors
    ///
    /// A storage failure after which nothing can be written until the database is opened again, or the queue could not
    /// be read: jobs that are not in the answer are where their rules put them.
    pub fn execute(self) -> Result<Vec<Ran>, Error> {
        match self.claim {
            Claim::Action(waiting) => Ok(self.core.run_action(waiting)?.into_iter().collect()),
            Claim::Mutations => {
                let now = self.core.look();
                self.core.correct(now)?;
                self.core.fire_crons(now)?;
                self.core.forget(now)?;
                let mut ran = self.core.write_outcomes(now, self.limit)?;
                let left = self.limit.saturating_sub(ran.len());
                let due = self.core.due_mutations(now, left.min(MUTATIONS_PER_RUN))?;
                ran.extend(self.core.run_mutations(due)?);
                Ok(ran)
            }
        }
    }
}
