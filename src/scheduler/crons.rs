//! Crons: functions that run again and again.

use std::{collections::HashMap, sync::Arc, time::Duration};

#[cfg(feature = "cron")]
use super::cron_expression::CronExpression;
use super::{
    due::SchedulerCore,
    finish::first_of,
    schedule::{Schedulable, new_job, stored_arguments},
    tables::{Cron, Job, JobKind, JobStatus},
};
use crate::{
    error::{Error, OpenError, RegistrationError, ScheduleError},
    functions::{Engine, Functions, Registration},
    schema::Id,
    time::Timestamp,
    transaction::WriteTx,
};

/// When a cron runs.
#[derive(Debug, Clone, PartialEq)]
pub struct CronSchedule(Times);

#[derive(Debug, Clone, PartialEq)]
enum Times {
    Every(Duration),
    #[cfg(feature = "cron")]
    At {
        expression: String,
        time_zone: String,
    },
}

impl CronSchedule {
    /// Every so often, a millisecond at least: the first time so long after the cron was first declared. Runs stay on
    /// that beat, however long they take and whenever the process was down.
    pub fn every(interval: Duration) -> Self {
        Self(Times::Every(interval))
    }

    /// At the times that a cron expression names, in a time zone: `CronSchedule::at("30 9 * * MON-FRI",
    /// "Europe/Berlin")`. Five fields, or six with the second first; names, ranges, steps, lists, `L`, `#`. The zone is
    /// an IANA name; the zones are part of the program.
    ///
    /// When clocks go forward, a time that is left out runs as much later as they went; when they go back, a time that
    /// comes twice runs once if its hours are numbers, and a rhythm (`*/15 * * * *`) goes on through both.
    #[cfg(feature = "cron")]
    pub fn at(expression: impl Into<String>, time_zone: impl Into<String>) -> Self {
        Self(Times::At { expression: expression.into(), time_zone: time_zone.into() })
    }

    fn plan(&self) -> Result<Plan, String> {
        match &self.0 {
            Times::Every(interval) => match i64::try_from(interval.as_millis()) {
                Ok(millis @ 1..) => Ok(Plan::Every(millis)),
                Ok(_) | Err(_) => Err(format!("{interval:?} is no interval; it must be a millisecond at least")),
            },
            #[cfg(feature = "cron")]
            Times::At { expression, time_zone } => match CronExpression::new(expression, time_zone) {
                Ok(expression) => Ok(Plan::At(Box::new(expression))),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    fn text(&self) -> String {
        match &self.0 {
            Times::Every(interval) => format!("every {interval:?}"),
            #[cfg(feature = "cron")]
            Times::At { expression, time_zone } => format!("{expression} {time_zone}"),
        }
    }
}

/// A declared cron.
pub(crate) struct CronDefinition {
    name: String,
    schedule: CronSchedule,
    function: &'static str,
    kind: JobKind,
    is_registered: fn(&Functions) -> bool,
    arguments: Result<String, ScheduleError>,
}

/// A cron, checked.
pub(super) struct CronPlan {
    times: Plan,
    kind: JobKind,
}

enum Plan {
    Every(i64),
    #[cfg(feature = "cron")]
    At(Box<CronExpression>),
}

impl Plan {
    /// The first time after `now`; on the beat of `before`, the time of an earlier run. `None` if there is none.
    fn next(&self, before: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(interval) => {
                let missed = now.as_millis().saturating_sub(before.as_millis()).max(0) / interval;
                let next = before.as_millis().checked_add(interval.checked_mul(missed + 1)?)?;
                Some(Timestamp::from_millis(next))
            }
            #[cfg(feature = "cron")]
            Self::At(expression) => expression.next_after(now.as_millis()).map(Timestamp::from_millis),
        }
    }
}

impl Registration {
    /// Adds a cron: a mutation or an action that runs again and again, by the name it has among crons.
    ///
    /// It does not overlap itself: while a run has not ended, further ones are left out. What was missed while the
    /// process was down is one run. A cron that is no longer declared is forgotten; one whose schedule has changed
    /// begins anew. An action runs at most once each time.
    pub fn cron<F: Schedulable<Kind>, Kind>(
        &mut self,
        name: impl Into<String>,
        schedule: CronSchedule,
        function: F,
    ) -> &mut Self {
        self.others.push(Box::new(CronDefinition {
            name: name.into(),
            schedule,
            function: F::NAME,
            kind: F::KIND,
            is_registered: Functions::has::<F>,
            arguments: stored_arguments(&function),
        }));
        self
    }
}

impl SchedulerCore {
    /// Checks the declared crons, brings the stored ones to them, and puts jobs that were interrupted where they belong.
    pub(crate) fn open(
        engine: Arc<Engine>,
        declared: Vec<CronDefinition>,
        retention: Duration,
    ) -> Result<Self, OpenError> {
        let mut plans = HashMap::new();
        for cron in &declared {
            let name = cron.name.clone();
            if !(cron.is_registered)(&engine.functions) {
                return Err(RegistrationError::UnknownCronFunction { cron: name, function: cron.function }.into());
            }
            let refused = |reason| RegistrationError::Schedule { cron: cron.name.clone(), reason };
            let times = cron.schedule.plan().map_err(refused)?;
            if let Err(error) = &cron.arguments {
                return Err(refused(error.to_string()).into());
            }
            if plans.insert(name.clone(), CronPlan { times, kind: cron.kind }).is_some() {
                return Err(RegistrationError::DuplicateCron { name }.into());
            }
        }
        let core = Self::new(engine, retention, plans);
        core.bring_crons_up_to_date(&declared).and_then(|()| core.recover()).map_err(|error| match error {
            Error::Open(error) => error,
            Error::Storage(error) => error.into(),
            Error::Row(error) => error.into(),
            other => OpenError::Scheduler { reason: other.to_string().into() },
        })?;
        Ok(core)
    }

    fn bring_crons_up_to_date(&self, declared: &[CronDefinition]) -> Result<(), Error> {
        let stored = self.engine.pipeline.read(|tx| tx.query(Cron::by_id).collect())?;
        if stored.is_empty() && declared.is_empty() {
            return Ok(());
        }
        for cron in stored.iter().filter(|cron| !self.crons.contains_key(&cron.name)) {
            while self.engine.pipeline.write(self.engine.durability, |tx| give_up(tx, cron.id()))? {}
        }
        self.engine
            .pipeline
            .write(self.engine.durability, |tx| declared.iter().try_for_each(|cron| self.declare(tx, cron)))
    }

    fn declare(&self, tx: &mut WriteTx, declared: &CronDefinition) -> Result<(), Error> {
        let (now, schedule) = (tx.now(), declared.schedule.text());
        let Some(plan) = self.crons.get(&declared.name) else { return Ok(()) };
        let arguments = declared.arguments.clone()?;
        let first = plan.times.next(now, now).unwrap_or(NEVER);
        let stored = tx.query(Cron::by_name).eq(declared.name.as_str()).unique()?;
        let Some(stored) = stored else {
            tx.insert(Cron {
                name: declared.name.clone(),
                function: declared.function.to_owned(),
                arguments,
                schedule,
                next_run_at: first,
                last_run_at: None,
                skipped: 0,
            })?;
            return Ok(());
        };
        tx.patch(stored.id(), |cron| {
            // Later than that it can only be by a clock that was ahead.
            if cron.schedule != schedule || cron.next_run_at > first {
                cron.next_run_at = first;
            }
            (cron.function, cron.arguments, cron.schedule) = (declared.function.to_owned(), arguments, schedule);
        })
    }
}

/// When a cron runs that has no time left.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// Makes a job of a cron that is due, unless the one before has not ended, and sets its next time.
pub(super) fn fire(tx: &mut WriteTx, id: Id<Cron>, plan: &CronPlan, now: Timestamp) -> Result<(), Error> {
    let Some(cron) = tx.get(id)?.filter(|cron| cron.next_run_at <= now) else { return Ok(()) };
    let due_at = cron.next_run_at;
    let mut is_open = false;
    // One that cannot be run is of an earlier declaration, for the function that is declared now is there.
    for status in [JobStatus::Queued, JobStatus::Running] {
        is_open |= tx.query(Job::by_cron_and_status).eq((Some(id), status)).first()?.is_some();
    }
    if !is_open {
        let mut job = new_job(&cron.function, plan.kind, cron.arguments.clone(), due_at, None);
        job.cron_id = Some(id);
        tx.insert(job)?;
    }
    tx.patch(id, |cron| {
        cron.next_run_at = plan.times.next(due_at, now).unwrap_or(NEVER);
        if is_open {
            cron.skipped += 1;
        } else {
            cron.last_run_at = Some(due_at);
        }
    })
}

/// Gives up a cron that is no longer declared: cancels what waits, lets go of its history, a part at a time, and then of
/// itself; says whether there is more to do.
fn give_up(tx: &mut WriteTx, id: Id<Cron>) -> Result<bool, Error> {
    let runs = first_of(tx.query(Job::by_cron_and_status).eq(Some(id)))?;
    for run in &runs {
        if matches!(run.status, JobStatus::Queued | JobStatus::Unrunnable) {
            tx.schedule().cancel(run.id())?;
        }
        tx.patch(run.id(), |run| run.cron_id = None)?;
    }
    let has_more = !runs.is_empty();
    if !has_more {
        tx.delete(id)?;
    }
    Ok(has_more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn an_interval_stays_on_its_beat_and_leaves_out_what_was_missed() {
        let every = Plan::Every(100);
        assert_eq!(every.next(at(0), at(0)), Some(at(100)));
        assert_eq!(every.next(at(100), at(130)), Some(at(200)));
        assert_eq!(every.next(at(100), at(730)), Some(at(800)));
        assert_eq!(every.next(at(100), at(-50)), Some(at(200)), "a clock that ran backwards");
        assert_eq!(Plan::Every(i64::MAX).next(at(1), at(2)), None);
    }

    #[test]
    fn an_interval_of_nothing_is_refused() {
        assert!(CronSchedule::every(Duration::ZERO).plan().is_err());
        assert!(CronSchedule::every(Duration::MAX).plan().is_err());
        assert!(CronSchedule::every(Duration::from_millis(1)).plan().is_ok());
    }
}
