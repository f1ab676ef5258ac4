//! [`DueWork`]: what is due, and that it is given out once.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    crons::CronPlan,
    run::{Run, Task},
    schedule::later,
    tables::{Cron, Job, JobKind, JobStatus},
};
use crate::{error::Error, functions::Engine, schema::Id, time::Timestamp, transaction::ReadTx};

/// Finished jobs are removed when this part of the retention has passed since the last time, so that it is done for
/// many at once.
const FORGET_SLACK: u32 = 16;

/// What runs may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunKind {
    /// Due mutations, in order, many in one run; and the engine's own upkeep of crons and finished jobs. There is at
    /// most one such run at a time, and it does not wait for the outside.
    Mutations,
    /// One due action. Any number at a time; each takes as long as it takes.
    Action,
}

/// The work of one database, for its [`Scheduler`](super::Scheduler). Cheap to clone.
#[derive(Clone)]
pub struct DueWork(Arc<SchedulerCore>);

/// What schedulers work on.
///
/// `state` has a lock of its own, never held while a function runs or a transaction commits.
pub(crate) struct SchedulerCore {
    pub(super) engine: Arc<Engine>,
    pub(super) retention: Duration,
    pub(super) crons: HashMap<String, CronPlan>,
    state: Mutex<State>,
    is_stopped: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Whether a run of mutations is out.
    mutations_out: bool,
    /// Actions that are out.
    actions_out: HashSet<Id<Job>>,
    /// When finished jobs were looked through last.
    forgot_at: Option<Timestamp>,
}

impl SchedulerCore {
    pub(super) fn new(engine: Arc<Engine>, retention: Duration, crons: HashMap<String, CronPlan>) -> Self {
        let (state, is_stopped) = (Mutex::default(), AtomicBool::new(false));
        Self { engine, retention, crons, state, is_stopped }
    }

    /// Gives out nothing any more.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.pipeline.now()
    }

    /// Takes back what was given out.
    pub(super) fn give_back(&self, task: &Task) {
        let mut state = self.state.lock();
        match task {
            Task::Mutations { .. } => state.mutations_out = false,
            Task::Action(job) => {
                state.actions_out.remove(job);
            }
        }
    }

    pub(super) fn forgot(&self, now: Timestamp) {
        self.state.lock().forgot_at = Some(now);
    }

    /// When finished jobs are to be looked through next, the oldest of them being due since `oldest`.
    fn forget_at(&self, oldest: Timestamp) -> Timestamp {
        let slack = self.retention / FORGET_SLACK;
        let forgot_at = self.state.lock().forgot_at;
        let not_before = forgot_at.map_or(Timestamp::from_millis(i64::MIN), |at| later(at, slack));
        later(oldest, self.retention + slack).max(not_before)
    }

    fn next_mutation(&self, tx: &ReadTx) -> Result<Option<Timestamp>, Error> {
        let job = tx.query(Job::by_queue).eq((JobStatus::Queued, JobKind::Mutation)).first()?;
        let cron = match self.crons.is_empty() {
            true => None,
            false => tx.query(Cron::by_next_run_at).first()?,
        };
        let mut due = [job.map(|job| job.due_at), cron.map(|cron| cron.next_run_at)].into_iter().flatten().min();
        for status in FINISHED {
            for kind in [JobKind::Mutation, JobKind::Action] {
                let oldest = tx.query(Job::by_queue).eq((status, kind)).first()?;
                let forget_at = oldest.map(|job| self.forget_at(job.due_at));
                due = due.into_iter().chain(forget_at).min();
            }
        }
        Ok(due)
    }

    fn next_action(&self, tx: &ReadTx) -> Result<Option<(Timestamp, Id<Job>)>, Error> {
        let out = self.state.lock().actions_out.clone();
        let queue = tx.query(Job::by_queue).eq((JobStatus::Queued, JobKind::Action));
        let job = queue.filter(move |job| !out.contains(&job.id())).first()?;
        Ok(job.map(|job| (job.due_at, job.id())))
    }
}

/// What finished jobs can be.
pub(super) const FINISHED: [JobStatus; 3] = [JobStatus::Succeeded, JobStatus::Failed, JobStatus::Cancelled];

impl DueWork {
    pub(crate) fn new(core: Arc<SchedulerCore>) -> Self {
        Self(core)
    }

    /// Has `wake` called, within the commit, whenever something may have become due earlier than was known.
    pub(crate) fn on_new_work(&self, wake: impl Fn() + Send + Sync + 'static) -> Result<(), Error> {
        let engine = &self.0.engine;
        let ranges = engine.pipeline.read(|tx| -> Result<_, Error> {
            let jobs = tx.query(Job::by_queue).eq(JobStatus::Queued).key_range()?;
            Ok(vec![jobs, tx.query(Cron::by_next_run_at).key_range()?])
        })?;
        engine.reactor.registry.signal(ranges, Box::new(wake));
        Ok(())
    }

    /// When the next work of this kind is due, that is not given out already: perhaps a time that has passed. `None`
    /// when there is none, or when a run of mutations is out: ask again when that has ended, or when woken.
    ///
    /// # Errors
    ///
    /// A storage failure; `Closed`.
    pub fn next_due(&self, kind: RunKind) -> Result<Option<Timestamp>, Error> {
        let core = &self.0;
        if core.is_stopped() || (kind == RunKind::Mutations && core.state.lock().mutations_out) {
            return Ok(None);
        }
        core.engine.pipeline.read(|tx| match kind {
            RunKind::Mutations => core.next_mutation(tx),
            RunKind::Action => Ok(core.next_action(tx)?.map(|(due_at, _)| due_at)),
        })
    }

    /// Takes work that is due now, if there is some. Nobody else is given it, until the run has ended or was dropped.
    ///
    /// # Errors
    ///
    /// A storage failure; `Closed`.
    pub fn claim(&self, kind: RunKind) -> Result<Option<Run>, Error> {
        self.claim_at_most(kind, usize::MAX)
    }

    /// The same, for a scheduler that wants no more than so many mutations in a run.
    pub(super) fn claim_at_most(&self, kind: RunKind, mutations: usize) -> Result<Option<Run>, Error> {
        let core = &self.0;
        let now = core.now();
        if self.next_due(kind)?.is_none_or(|due_at| due_at > now) {
            return Ok(None);
        }
        let action = match kind {
            RunKind::Mutations => None,
            RunKind::Action => core.engine.pipeline.read(|tx| core.next_action(tx))?,
        };
        let mut state = core.state.lock();
        let task = match (kind, action) {
            (RunKind::Mutations, _) if !state.mutations_out => {
                state.mutations_out = true;
                Task::Mutations { limit: mutations }
            }
            (RunKind::Action, Some((due_at, job))) if due_at <= now && state.actions_out.insert(job) => {
                Task::Action(job)
            }
            // Another thread was faster; it, or a wake, sees to what is left.
            (RunKind::Mutations | RunKind::Action, _) => return Ok(None),
        };
        drop(state);
        Ok(Some(Run::new(Arc::clone(core), task)))
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
}
