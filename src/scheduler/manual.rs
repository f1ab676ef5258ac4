//! [`ManualScheduler`]: a virtual clock, and nothing runs but when told.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{
    due::{DueWork, RunKind},
    interface::Scheduler,
    outcome::Ran,
    schedule::later,
};
use crate::{
    error::{Error, ScheduleError},
    time::{Clock, ManualClock, Timestamp},
};

/// After so many runs in one call something schedules itself without a wait.
const RUNS_AT_MOST: usize = 1_000_000;

/// A scheduler for tests: it has a clock of its own, which the database goes by, and runs what is due on the caller's
/// thread, one job after the other, in the order in which they are due. A week passes in a millisecond, and every run
/// is the same.
///
/// ```
/// use std::time::Duration;
/// use tropism::{ManualScheduler, prelude::*};
///
/// schema! { pub table Note in "notes" { text: String } }
///
/// functions! {
///     pub module Notes;
///     pub mutation AddNote in "notes:add" { text: String } -> Id<Note> |tx| { tx.insert(Note { text }) }
/// }
///
/// let scheduler = ManualScheduler::new(Timestamp::EPOCH);
/// let db = Db::builder().tables::<Note>().module(Notes).scheduler(scheduler.clone()).in_memory()?;
/// let week = Duration::from_secs(7 * 86_400);
/// db.write(|tx| tx.schedule().after(week, AddNote { text: "a week later".into() }))?;
/// assert!(scheduler.advance(week - Duration::from_millis(1))?.is_empty());
/// assert_eq!(scheduler.advance(Duration::from_millis(1))?.len(), 1);
/// # assert_eq!(db.read(|tx| tx.query(Note::by_id).count())?, 1);
/// # Ok::<(), tropism::Error>(())
/// ```
///
/// Cheap to clone; clones are the same scheduler. It serves one database at a time: another cannot be opened with it
/// until that one is closed.
#[derive(Clone)]
pub struct ManualScheduler {
    clock: Arc<ManualClock>,
    work: Arc<Mutex<Option<DueWork>>>,
}

impl fmt::Debug for ManualScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualScheduler").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl ManualScheduler {
    /// A scheduler at whose beginning it is `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { clock: Arc::new(ManualClock::new(now)), work: Arc::default() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets the clock, forwards or backwards, and runs nothing.
    pub fn set_now(&self, now: Timestamp) {
        self.clock.set(now);
    }

    /// When the next work is due, perhaps in the past; `None` if there is none.
    ///
    /// # Errors
    ///
    /// `NotStarted`; a storage failure.
    pub fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        Ok(next(&self.work()?)?.map(|(due_at, _)| due_at))
    }

    /// Runs the job that is due first, if one is due now. The engine's own upkeep may run instead; it is not in the
    /// answer.
    ///
    /// # Errors
    ///
    /// `NotStarted`; a storage failure.
    pub fn step(&self) -> Result<Option<Ran>, Error> {
        let work = self.work()?;
        for _ in 0..RUNS_AT_MOST {
            let Some((_, kind)) = next(&work)?.filter(|(due_at, _)| *due_at <= self.now()) else { return Ok(None) };
            let Some(run) = work.claim_at_most(kind, 1)? else { return Ok(None) };
            if let Some(ran) = run.execute()?.pop() {
                return Ok(Some(ran));
            }
        }
        Err(ScheduleError::Runaway { runs: RUNS_AT_MOST }.into())
    }

    /// Runs everything that is due now, and what becomes due by it, and says what ran.
    ///
    /// # Errors
    ///
    /// `NotStarted`; `Runaway` after a million runs; a storage failure.
    pub fn run_due(&self) -> Result<Vec<Ran>, Error> {
        let mut all = Vec::new();
        while let Some(ran) = self.step()? {
            all.push(ran);
            if all.len() >= RUNS_AT_MOST {
                return Err(ScheduleError::Runaway { runs: all.len() }.into());
            }
        }
        Ok(all)
    }

    /// Lets time pass: goes from one time at which something is due to the next, runs it, and says what ran.
    ///
    /// # Errors
    ///
    /// As for [`run_due`](Self::run_due).
    pub fn advance(&self, by: Duration) -> Result<Vec<Ran>, Error> {
        self.advance_to(later(self.now(), by))
    }

    /// Lets time pass until it is `until`.
    ///
    /// # Errors
    ///
    /// As for [`run_due`](Self::run_due).
    pub fn advance_to(&self, until: Timestamp) -> Result<Vec<Ran>, Error> {
        let work = self.work()?;
        let mut all = self.run_due()?;
        while let Some((due_at, _)) = next(&work)?.filter(|(due_at, _)| *due_at <= until) {
            self.clock.set(due_at.max(self.now()));
            all.extend(self.run_due()?);
            if all.len() >= RUNS_AT_MOST {
                return Err(ScheduleError::Runaway { runs: all.len() }.into());
            }
        }
        self.clock.set(until.max(self.now()));
        Ok(all)
    }

    fn work(&self) -> Result<DueWork, ScheduleError> {
        self.work.lock().clone().ok_or(ScheduleError::NotStarted)
    }
}

/// What is due first, and when; mutations before actions.
fn next(work: &DueWork) -> Result<Option<(Timestamp, RunKind)>, Error> {
    let mutations = work.next_due(RunKind::Mutations)?.map(|due_at| (due_at, RunKind::Mutations));
    let action = work.next_due(RunKind::Action)?.map(|due_at| (due_at, RunKind::Action));
    Ok(mutations.into_iter().chain(action).min_by_key(|(due_at, _)| *due_at))
}

impl Scheduler for ManualScheduler {
    fn start(&self, work: DueWork) -> Result<(), Error> {
        let mut own = self.work.lock();
        if own.is_some() {
            return Err(ScheduleError::InUse.into());
        }
        *own = Some(work);
        Ok(())
    }

    fn wake(&self) {}

    fn stop(&self) {
        self.work.lock().take();
    }

    fn clock(&self) -> Option<Arc<dyn Clock>> {
        Some(Arc::clone(&self.clock) as Arc<dyn Clock>)
    }
}
