//! [`DueWork`]: what is due, and that it is given out once.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    crons::CronPlan,
    queue::Queue,
    run::{Run, Task},
    schedule::later,
    tables::{Cron, Job, JobKind, JobStatus},
};
use crate::{
    error::Error,
    functions::Engine,
    reactive::message_of,
    schema::{Doc, Id},
    time::Timestamp,
};

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
    /// What waits, by kind.
    mutations: Queue,
    actions: Queue,
    state: Mutex<State>,
    is_stopped: AtomicBool,
    /// The scheduler's, from when it begins until it is stopped: it holds what holds this.
    wake: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

#[derive(Default)]
struct State {
    /// Whether a run of mutations is out.
    mutations_out: bool,
    /// Actions that are out.
    actions_out: HashSet<Id<Job>>,
    /// When finished jobs are to be looked through next; none if there are none.
    forget_at: Option<Timestamp>,
}

impl SchedulerCore {
    pub(super) fn new(engine: Arc<Engine>, retention: Duration, crons: HashMap<String, CronPlan>) -> Self {
        let (mutations, actions) = (Queue::new(JobKind::Mutation), Queue::new(JobKind::Action));
        let (state, is_stopped, wake) = (Mutex::default(), AtomicBool::new(false), Mutex::default());
        Self { engine, retention, crons, mutations, actions, state, is_stopped, wake }
    }

    /// Gives out nothing any more; says whether it did until now.
    pub(crate) fn stop(&self) -> bool {
        drop(self.wake.lock().take());
        !self.is_stopped.swap(true, Ordering::AcqRel)
    }

    /// Has the scheduler look again.
    fn wake(&self) {
        let wake = self.wake.lock().clone();
        let woken = wake.map(|wake| catch_unwind(AssertUnwindSafe(|| wake())));
        if let Some(Err(panic)) = woken {
            // It is the host's, and runs within a commit that must not suffer from it.
            tracing::error!(target: "tropism", message = message_of(&*panic), "the scheduler panicked when it was woken");
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.pipeline.now()
    }

    /// Takes back what was given out, and has the scheduler look again: what the run left behind was not to be seen
    /// while it was out.
    pub(super) fn give_back(&self, task: &Task) {
        let mut state = self.state.lock();
        match task {
            Task::Mutations { .. } => state.mutations_out = false,
            Task::Action(job) => {
                state.actions_out.remove(job);
            }
        }
        drop(state);
        self.wake();
    }

    /// How much longer than they must finished jobs are kept, so that many go at once.
    fn slack(&self) -> Duration {
        (self.retention / FORGET_SLACK).max(Duration::from_millis(1))
    }

    /// Takes note that a job has finished: one day it is to be forgotten.
    pub(super) fn take_note_of_finished(&self) {
        let forget_at = later(self.now(), self.retention + self.slack());
        self.state.lock().forget_at.get_or_insert(forget_at);
    }

    /// Finds out when finished jobs are to be looked through next: at once, if there are more than were removed.
    pub(super) fn plan_forgetting(&self, has_more: bool) -> Result<(), Error> {
        let (now, slack) = (self.now(), self.slack());
        let oldest = self.engine.pipeline.read(|tx| -> Result<_, Error> {
            let mut oldest = None;
            for status in FINISHED {
                for kind in [JobKind::Mutation, JobKind::Action] {
                    let first = tx.query(Job::by_queue).eq((status, kind)).first()?.map(|job| job.due_at);
                    oldest = oldest.into_iter().chain(first).min();
                }
            }
            Ok(oldest)
        })?;
        let at = |oldest| if has_more { now } else { later(oldest, self.retention + slack).max(later(now, slack)) };
        self.state.lock().forget_at = oldest.map(at);
        Ok(())
    }

    /// Whether finished jobs are to be looked through.
    pub(super) fn is_to_forget(&self, now: Timestamp) -> bool {
        self.state.lock().forget_at.is_some_and(|at| at <= now)
    }

    /// Due mutations, in order.
    pub(super) fn due_mutations(&self, now: Timestamp, limit: usize) -> Result<Vec<Doc<Job>>, Error> {
        self.mutations.due(&self.engine, now, limit)
    }

    fn next_mutation(&self) -> Result<Option<Timestamp>, Error> {
        let job = self.mutations.first(&self.engine, |_| true)?;
        // A row that is nobody's would be due for ever, for nobody sets its next time.
        let is_declared = |cron: &Doc<Cron>| self.crons.contains_key(&cron.name);
        let cron = match self.crons.is_empty() {
            true => None,
            false => self.engine.pipeline.read(|tx| tx.query(Cron::by_next_run_at).filter(is_declared).first())?,
        };
        let forget_at = self.state.lock().forget_at;
        Ok([job.map(|job| job.due_at), cron.map(|cron| cron.next_run_at), forget_at].into_iter().flatten().min())
    }

    fn next_action(&self) -> Result<Option<(Timestamp, Id<Job>)>, Error> {
        let out = self.state.lock().actions_out.clone();
        let job = self.actions.first(&self.engine, |job| !out.contains(&job.id()))?;
        Ok(job.map(|job| (job.due_at, job.id())))
    }
}

/// What finished jobs can be.
pub(super) const FINISHED: [JobStatus; 3] = [JobStatus::Succeeded, JobStatus::Failed, JobStatus::Cancelled];

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
        let registry = &self.0.engine.reactor.registry;
        let ranges = self.0.engine.pipeline.read(|tx| -> Result<_, Error> {
            let queue = |kind| tx.query(Job::by_queue).eq((JobStatus::Queued, kind)).key_range();
            let cancelled = tx.query(Job::by_queue).eq(JobStatus::Cancelled).key_range()?;
            let crons = tx.query(Cron::by_next_run_at).key_range()?;
            Ok([queue(JobKind::Mutation)?, queue(JobKind::Action)?, cancelled, crons])
        })?;
        let [mutations, actions, cancelled, _] = ranges.clone();
        // The registry outlives the scheduler's work only by what it is told here.
        let (core, told) = (Arc::downgrade(&self.0), Arc::downgrade(&self.0));
        registry.signal(
            ranges.to_vec(),
            Box::new(move |key| {
                let Some(core) = core.upgrade() else { return };
                match () {
                    () if mutations.contains(key) => core.mutations.take_note(key),
                    () if actions.contains(key) => core.actions.take_note(key),
                    () if cancelled.contains(key) => core.take_note_of_finished(),
                    () => {}
                }
            }),
            Box::new(move || {
                if let Some(core) = told.upgrade() {
                    core.wake();
                }
            }),
        );
        *self.0.wake.lock() = Some(Arc::new(wake));
        self.0.plan_forgetting(false)
    }

    /// When the next work of this kind is due, that is not given out already: perhaps a time that has passed. `None`
    /// when there is none, or when a run of mutations is out; the scheduler is woken when a run has ended.
    ///
    /// # Errors
    ///
    /// A storage failure; `Closed`.
    pub fn next_due(&self, kind: RunKind) -> Result<Option<Timestamp>, Error> {
        let core = &self.0;
        if core.is_stopped() || (kind == RunKind::Mutations && core.state.lock().mutations_out) {
            return Ok(None);
        }
        match kind {
            RunKind::Mutations => core.next_mutation(),
            RunKind::Action => Ok(core.next_action()?.map(|(due_at, _)| due_at)),
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

    /// The same, for a scheduler that wants no more than so many mutations in a run.
    pub(super) fn claim_at_most(&self, kind: RunKind, mutations: usize) -> Result<Option<Run>, Error> {
        let core = &self.0;
        let now = core.now();
        if self.next_due(kind)?.is_none_or(|due_at| due_at > now) {
            return Ok(None);
        }
        let action = match kind {
            RunKind::Mutations => None,
            RunKind::Action => core.next_action()?,
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
