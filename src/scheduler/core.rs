//! [`SchedulerCore`]: what the files of this floor share, and who has claimed what.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    thread::ThreadId,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};

use super::{
    cron_schedule::Plan,
    damaged::DamagedJobs,
    kept::KeptOutcomes,
    pauses::{Pauses, Stuck},
    queue::Waiting,
    tables::{Job, JobKind},
    waking::Waking,
};
use crate::{
    error::{Error, FaultKind, StorageError},
    functions::{Engine, Functions},
    schema::Id,
    time::Timestamp,
};

/// What schedulers work on.
///
/// `state` has a lock of its own, never held while a function runs, a transaction is under way or the host is called.
pub(crate) struct SchedulerCore {
    pub(super) engine: Arc<Engine>,
    pub(super) functions: Arc<Functions>,
    pub(super) retention: Duration,
    pub(super) crons: HashMap<String, CronPlan>,
    pub(super) waking: Arc<Waking>,
    state: Mutex<State>,
}

/// A declared cron, checked.
pub(super) struct CronPlan {
    pub(super) times: Plan,
    pub(super) kind: JobKind,
}

/// What changes while the database is open.
pub(super) struct State {
    /// Nothing is given out any more.
    is_stopped: bool,
    /// Whether a run of mutations is out.
    mutations_out: bool,
    /// Actions that are out.
    pub(super) actions_out: HashSet<Id<Job>>,
    /// What could not be written, and when it is tried again.
    pub(super) pauses: Pauses,
    /// How actions ended whose end could not be written.
    pub(super) kept: KeptOutcomes,
    /// Jobs that upkeep passes over.
    pub(super) damaged: DamagedJobs,
    /// When finished jobs are to be looked through next.
    pub(super) forgetting: Forgetting,
    /// The time at the last look. A look at an earlier time notices that the clock was put back.
    latest_look: Timestamp,
    /// Whether the clock may have been ahead of what it shows now, and times may have to be put right.
    pub(super) may_need_correction: bool,
    /// The threads that wait in `Db::close`.
    closing: Vec<ThreadId>,
    /// What failed last.
    last_failure: Option<SchedulerFailure>,
}

/// When finished jobs are to be looked through next.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Forgetting {
    /// `None` if there are none.
    pub(super) at: Option<Timestamp>,
    /// Whether it was put off, for the clock may have been set ahead by mistake.
    pub(super) was_put_off: bool,
}

/// Something that the scheduler could not write, and tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchedulerFailure {
    /// When, by the clock of the database.
    pub at: Timestamp,
    /// What failed, and why.
    pub message: String,
}

/// Work that is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The mutations that are due, and the engine's upkeep.
    Mutations,
    /// One action.
    Action(Waiting),
}

/// A thread that waits in `Db::close`, until this is dropped.
pub(crate) struct WaitingToClose<'a>(&'a SchedulerCore);

impl SchedulerCore {
    pub(super) fn new(
        engine: Arc<Engine>,
        functions: Arc<Functions>,
        retention: Duration,
        crons: HashMap<String, CronPlan>,
    ) -> Result<Self, Error> {
        let waking = engine.pipeline.read(Waking::new)?;
        Ok(Self::with_waking(engine, functions, retention, crons, waking))
    }

    /// For a database that is only read: nothing is ever due.
    pub(crate) fn idle(engine: Arc<Engine>, functions: Arc<Functions>) -> Self {
        let core = Self::with_waking(engine, functions, Duration::ZERO, HashMap::new(), Waking::idle());
        core.stop();
        core
    }

    fn with_waking(
        engine: Arc<Engine>,
        functions: Arc<Functions>,
        retention: Duration,
        crons: HashMap<String, CronPlan>,
        waking: Waking,
    ) -> Self {
        let waking = Arc::new(waking);
        let state = State {
            is_stopped: false,
            mutations_out: false,
            actions_out: HashSet::new(),
            pauses: Pauses::default(),
            kept: KeptOutcomes::default(),
            damaged: DamagedJobs::default(),
            forgetting: Forgetting::default(),
            latest_look: engine.pipeline.now(),
            may_need_correction: false,
            closing: Vec::new(),
            last_failure: None,
        };
        Self { engine, functions, retention, crons, waking, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.pipeline.now()
    }

    /// Stops handing out work and waking the scheduler. Returns `false` if it had already stopped.
    pub(crate) fn stop(&self) -> bool {
        let was_stopped = std::mem::replace(&mut self.state().is_stopped, true);
        self.waking.end();
        !was_stopped
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state().is_stopped
    }

    /// Takes note that this thread waits in `Db::close` from now on: whoever waits for what is running need not wait for
    /// an action on this thread, which waits for that one.
    pub(crate) fn closing(&self) -> WaitingToClose<'_> {
        self.state().closing.push(std::thread::current().id());
        WaitingToClose(self)
    }

    /// Whether a thread waits in `Db::close`.
    pub(super) fn is_closing(&self, thread: ThreadId) -> bool {
        self.state().closing.contains(&thread)
    }

    /// Takes back what was given out, and has the scheduler look again: what the run left behind was not to be seen
    /// while it was out.
    pub(super) fn give_back(&self, claim: Claim) {
        let mut state = self.state();
        match claim {
            Claim::Mutations => state.mutations_out = false,
            Claim::Action(waiting) => {
                state.actions_out.remove(&waiting.job);
            }
        }
        drop(state);
        self.waking.wake();
    }

    /// Takes note of the time and of what commits have told. Where the clock shows an earlier time than before, or than
    /// what was written, what it was ahead with may have to be put right.
    pub(super) fn look(&self) -> Timestamp {
        let now = self.now();
        let newest_since = self.waking.take_newest_since();
        let mut state = self.state();
        if now < state.latest_look || now < newest_since {
            state.may_need_correction = true;
            state.pauses.put_back(now);
        }
        state.latest_look = now;
        now
    }

    /// Pauses something that could not be written. What ends this open is an error.
    pub(super) fn pause(&self, stuck: Stuck, due_at: Timestamp, error: Error) -> Result<(), Error> {
        if ends_this_open(&error) {
            return Err(error);
        }
        let now = self.now();
        let message = format!("{stuck:?} could not be written: {error}");
        let mut state = self.state();
        let wait = state.pauses.fail(stuck, due_at, now);
        state.note_failure(SchedulerFailure { at: now, message });
        drop(state);
        tracing::warn!(target: "tropism", ?stuck, %error, ?wait, "scheduled work could not be written and is tried again");
        Ok(())
    }

    /// Ends the pause of something that has been written.
    pub(super) fn unpause(&self, stuck: Stuck) {
        self.state().pauses.end(stuck);
    }
}

impl State {
    /// Gives out work, unless it is out already.
    pub(super) fn claim(&mut self, claim: Claim) -> bool {
        if self.is_stopped {
            return false;
        }
        match claim {
            Claim::Mutations => !std::mem::replace(&mut self.mutations_out, true),
            Claim::Action(Waiting { job, .. }) => self.kept.get(job).is_none() && self.actions_out.insert(job),
        }
    }

    /// Whether work of this kind may be given out at all.
    pub(super) fn may_give_out(&self, kind: JobKind) -> bool {
        match kind {
            _ if self.is_stopped => false,
            JobKind::Mutation => !self.mutations_out,
            JobKind::Action => !self.kept.is_full(),
        }
    }

    pub(super) fn note_failure(&mut self, failure: SchedulerFailure) {
        self.last_failure = Some(failure);
    }

    pub(super) fn last_failure(&self) -> Option<SchedulerFailure> {
        self.last_failure.clone()
    }
}

impl Drop for WaitingToClose<'_> {
    fn drop(&mut self) {
        let own = std::thread::current().id();
        let mut state = self.0.state();
        if let Some(at) = state.closing.iter().position(|thread| *thread == own) {
            state.closing.swap_remove(at);
        }
    }
}

/// Whether nothing can be written any more until the database is opened again. Everything else is tried again: a full
/// disk and a failed operation may pass, and damage hits one job and not those behind it.
pub(super) fn ends_this_open(error: &Error) -> bool {
    matches!(
        error,
        Error::Storage(StorageError::Closed | StorageError::Poisoned { .. } | StorageError::OutcomeUnknown { .. })
    )
}

/// Whether an error of a function's own reads may pass: its run is then tried again, and is no failure of the function.
pub(super) fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Storage(error) if error.kind() != FaultKind::Damaged)
}
