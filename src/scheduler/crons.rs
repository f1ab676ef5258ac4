//! Crons: functions that run again and again. Brings the stored ones to those declared, and fires them.

use super::{
    core::{CronPlan, SchedulerCore},
    cron_schedule::{CronSchedule, NEVER},
    damaged::is_damage,
    pauses::Stuck,
    queue::last_timestamp,
    recover::{BYTES_PER_TRANSACTION, JOBS_PER_TRANSACTION},
    schedule::{Due, Schedulable, new_job, stored_arguments},
    tables::{Cron, Job, JobKind, JobStatus},
};
use crate::{
    error::{Error, RegistrationError, ScheduleError},
    functions::{Environment, Registration},
    schema::{Doc, Id},
    time::Timestamp,
    transaction::WriteTx,
};

/// A declared cron.
pub(crate) struct CronDefinition {
    name: String,
    schedule: CronSchedule,
    function: &'static str,
    kind: JobKind,
    is_registered: fn(&Environment) -> bool,
    arguments: Result<String, ScheduleError>,
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
            is_registered: Environment::has::<F>,
            arguments: stored_arguments(&function),
        }));
        self
    }
}

impl CronDefinition {
    /// Its name, and its schedule checked, if its function is registered and its arguments can be stored.
    pub(super) fn plan(&self, environment: &Environment) -> Result<(String, CronPlan), RegistrationError> {
        let cron = self.name.clone();
        if !(self.is_registered)(environment) {
            return Err(RegistrationError::UnknownCronFunction { cron, function: self.function });
        }
        let refused = |reason| RegistrationError::Schedule { cron: self.name.clone(), reason };
        let times = self.schedule.plan().map_err(refused)?;
        if let Err(error) = &self.arguments {
            return Err(refused(error.to_string()));
        }
        Ok((cron, CronPlan { times, kind: self.kind }))
    }
}

impl SchedulerCore {
    /// Gives up stored crons that are no longer declared, and adds and changes those that are. A damaged one is left as
    /// it is.
    pub(super) fn bring_crons_up_to_date(&self, declared: &[CronDefinition]) -> Result<(), Error> {
        let mut stored = Vec::new();
        self.engine.pipeline.read(|tx| {
            tx.query(Cron::by_name).walk_keys(|_, cron| {
                stored.push(cron);
                true
            })
        })?;
        if stored.is_empty() && declared.is_empty() {
            return Ok(());
        }
        for cron in stored {
            if let Err(error) = self.give_up_unless_declared(cron) {
                leave_if_damaged(&cron.to_string(), error)?;
            }
        }
        self.engine.pipeline.write(self.engine.durability, |tx| {
            declared.iter().try_for_each(|cron| {
                let declared = tx.nested(|tx| self.declare(tx, cron));
                declared.or_else(|error| leave_if_damaged(&cron.name, error))
            })
        })
    }

    /// Gives up a cron if it is no longer declared: cancels what waits, lets go of its history, a part at a time, and
    /// then of itself.
    fn give_up_unless_declared(&self, id: Id<Cron>) -> Result<(), Error> {
        let stored = self.engine.pipeline.read(|tx| tx.get(id))?;
        if stored.is_none_or(|cron| self.crons.contains_key(&cron.name)) {
            return Ok(());
        }
        loop {
            let mut runs = Vec::new();
            self.engine.pipeline.read(|tx| {
                let history = tx.query(Job::by_cron_and_status).eq(Some(id));
                self.find_intact(history, JOBS_PER_TRANSACTION, &mut runs)
            })?;
            if runs.is_empty() {
                break;
            }
            self.change_jobs(&runs, BYTES_PER_TRANSACTION, let_go)?;
        }
        self.engine.pipeline.write(self.engine.durability, |tx| tx.delete(id))
    }

    fn declare(&self, tx: &mut WriteTx, declared: &CronDefinition) -> Result<(), Error> {
        let (now, schedule) = (tx.now(), declared.schedule.stored_text());
        let Some(plan) = self.crons.get(&declared.name) else { return Ok(()) };
        let arguments = declared.arguments.clone()?;
        let first = plan.times.first_after(now, now).unwrap_or(NEVER);
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
                covered_from: None,
                covered_until: None,
                covered_before: None,
                ahead_from: None,
                ahead_until: None,
            })?;
            return Ok(());
        };
        tx.patch(stored.id(), |cron| {
            if cron.schedule == schedule {
                plan.times.put_right(cron, now);
            } else {
                cron.next_run_at = first;
                (cron.covered_from, cron.covered_until, cron.covered_before) = (None, None, None);
                (cron.ahead_from, cron.ahead_until) = (None, None);
            }
            (cron.function, cron.arguments, cron.schedule) = (declared.function.to_owned(), arguments, schedule);
        })
    }

    /// When the next cron is due, that is not paused.
    pub(super) fn next_cron(&self) -> Result<Option<Timestamp>, Error> {
        if self.crons.is_empty() {
            return Ok(None);
        }
        let mut next = None;
        self.engine.pipeline.read(|tx| {
            tx.query(Cron::by_next_run_at).walk_keys(|key, id| {
                // A row that is nobody's would be due for ever, for nobody sets its next time. One that cannot be read
                // is paused when it is due.
                let is_wanted = self.state().pauses.until(Stuck::Cron(id)).is_none()
                    && tx.get(id).map_or(true, |cron| cron.is_some_and(|cron| self.crons.contains_key(&cron.name)));
                if is_wanted {
                    next = Some(last_timestamp(key));
                }
                !is_wanted
            })
        })?;
        Ok(next)
    }

    /// Makes jobs of the crons that are due. One that cannot be read or written holds up no other.
    pub(super) fn fire_crons(&self, now: Timestamp) -> Result<(), Error> {
        if self.crons.is_empty() || self.state().pauses.is_resting(Stuck::Crons, now) {
            return Ok(());
        }
        // The next one as well: if that cannot be read, this is why the run was due.
        let due = match self.next_cron().and_then(|_| self.due_crons(now)) {
            Ok(due) => due,
            Err(error) => return self.pause(Stuck::Crons, now, error),
        };
        self.unpause(Stuck::Crons);
        self.state().pauses.keep_crons(&due.iter().map(|(_, cron)| *cron).collect());
        for (due_at, id) in due {
            let stuck = Stuck::Cron(id);
            if self.state().pauses.is_resting(stuck, now) {
                continue;
            }
            match self.fire_cron(id, now) {
                Ok(()) => self.unpause(stuck),
                Err(error) => self.pause(stuck, due_at, error)?,
            }
        }
        Ok(())
    }

    /// The crons that are due, with since when.
    fn due_crons(&self, now: Timestamp) -> Result<Vec<(Timestamp, Id<Cron>)>, Error> {
        let mut due = Vec::new();
        self.engine.pipeline.read(|tx| {
            tx.query(Cron::by_next_run_at).range(..=now).walk_keys(|key, cron| {
                due.push((last_timestamp(key), cron));
                true
            })
        })?;
        Ok(due)
    }

    /// Makes a job of a cron that is due, if it is declared.
    fn fire_cron(&self, id: Id<Cron>, now: Timestamp) -> Result<(), Error> {
        let cron = self.engine.pipeline.read(|tx| tx.get(id))?;
        match cron.and_then(|cron| self.crons.get(&cron.name)) {
            Some(plan) => self.engine.pipeline.write(self.engine.durability, |tx| fire(tx, id, plan, now)),
            None => Ok(()),
        }
    }
}

/// Makes a job of a cron that is due, unless the one before has not ended, and sets its next time.
fn fire(tx: &mut WriteTx, id: Id<Cron>, plan: &CronPlan, now: Timestamp) -> Result<(), Error> {
    let Some(cron) = tx.get(id)?.filter(|cron| cron.next_run_at <= now) else { return Ok(()) };
    let due_at = cron.next_run_at;
    let mut is_open = false;
    // One that cannot be run is of an earlier declaration, for the function that is declared now is there.
    for status in [JobStatus::Queued, JobStatus::Running] {
        is_open |= tx.query(Job::by_cron_and_status).eq((Some(id), status)).take(1).count()? > 0;
    }
    if !is_open {
        // It is due now: at the time that it is due for, as its history says, the clock may never have been again.
        let due = Due { at: due_at, since: tx.now(), wait_ms: Some(0) };
        let mut job = new_job(&cron.function, plan.kind, cron.arguments.clone(), due, None);
        job.cron_id = Some(id);
        tx.insert(job)?;
    }
    tx.patch(id, |cron| {
        plan.times.cover(cron, now);
        if is_open {
            cron.skipped = cron.skipped.saturating_add(1);
        } else {
            cron.last_run_at = Some(due_at);
        }
    })
}

/// Cancels a run that waits, and has a run forget its cron, which is given up.
fn let_go(tx: &mut WriteTx, run: &Doc<Job>) -> Result<(), Error> {
    if matches!(run.status, JobStatus::Queued | JobStatus::Unrunnable) {
        tx.schedule().cancel(run.id())?;
    }
    tx.patch(run.id(), |run| run.cron_id = None)
}

/// Passes over a cron that is damaged, or whose runs are.
fn leave_if_damaged(cron: &str, error: Error) -> Result<(), Error> {
    if !is_damage(&error) {
        return Err(error);
    }
    tracing::error!(target: "tropism", cron, %error, "a cron or one of its runs is damaged and is left as it is");
    Ok(())
}
