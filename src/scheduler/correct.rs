//! Puts times right that were set while the clock was ahead.
//!
//! A clock is ahead when a job has its status since a time that has not come. The job's wait begins again then; a job
//! for a point in time keeps it. Of small steps back, by less than a job has waited, nothing shows in its row, and it
//! waits so much longer.

use std::ops::Bound;

use super::{
    core::SchedulerCore,
    damaged::is_damage,
    outcome::put_right,
    pauses::Stuck,
    tables::{Cron, Job, JobStatus},
};
use crate::{
    error::Error,
    schema::{Doc, Id},
    time::Timestamp,
    transaction::{ReadTx, WriteTx},
};

/// Jobs that are put right in one transaction, and the bytes of their texts.
const JOBS_PER_TRANSACTION: usize = 200;
const BYTES_PER_TRANSACTION: usize = 256 << 10;

const ALL: [JobStatus; 6] = [
    JobStatus::Queued,
    JobStatus::Running,
    JobStatus::Succeeded,
    JobStatus::Failed,
    JobStatus::Cancelled,
    JobStatus::Unrunnable,
];

impl SchedulerCore {
    /// Whether there are times to put right. Costs a look at a flag while the clock goes forward.
    pub(super) fn needs_correction(&self, now: Timestamp) -> Result<bool, Error> {
        if !self.state().may_need_correction {
            return Ok(false);
        }
        let needs_it = self.engine.pipeline.read(|tx| -> Result<bool, Error> {
            Ok(!self.jobs_ahead(tx, now, 1)?.is_empty() || !self.crons_ahead(tx, now)?.is_empty())
        })?;
        if !needs_it {
            self.state().may_need_correction = false;
            self.plan_forgetting_again(now)?;
        }
        Ok(needs_it)
    }

    /// Puts a bounded number of times right, those that were set first before the others.
    pub(super) fn correct(&self, now: Timestamp) -> Result<(), Error> {
        if self.state().pauses.is_resting(Stuck::Correction, now) {
            return Ok(());
        }
        let corrected = self.needs_correction(now).and_then(|needs_it| match needs_it {
            true => self.correct_some(now),
            false => Ok(()),
        });
        match corrected {
            Ok(()) => self.unpause(Stuck::Correction),
            Err(error) => self.pause(Stuck::Correction, now, error)?,
        }
        Ok(())
    }

    /// Puts all times right, when the database is opened.
    pub(super) fn correct_all(&self) -> Result<(), Error> {
        let now = self.now();
        self.state().may_need_correction = true;
        while self.needs_correction(now)? {
            self.correct_some(now)?;
        }
        Ok(())
    }

    fn correct_some(&self, now: Timestamp) -> Result<(), Error> {
        let (jobs, crons) = self.engine.pipeline.read(|tx| -> Result<_, Error> {
            Ok((self.jobs_ahead(tx, now, JOBS_PER_TRANSACTION)?, self.crons_ahead(tx, now)?))
        })?;
        tracing::info!(target: "tropism", jobs = jobs.len(), crons = crons.len(), "the clock was ahead; times are put right");
        self.engine.pipeline.write(self.engine.durability, |tx| -> Result<(), Error> {
            for id in crons {
                // Read again: it may have fired in a commit that is not visible yet.
                if let Some(corrected) = self.cron_ahead(tx, id, now)? {
                    tx.replace(id, corrected)?;
                }
            }
            Ok(())
        })?;
        self.change_jobs(&jobs, BYTES_PER_TRANSACTION, correct_job).map(drop)
    }

    /// The declared crons whose next time was set by a clock that was ahead. One that is damaged is not among them.
    fn crons_ahead(&self, tx: &ReadTx, now: Timestamp) -> Result<Vec<Id<Cron>>, Error> {
        let mut stored = Vec::new();
        tx.query(Cron::by_name).walk_keys(|_, cron| {
            stored.push(cron);
            true
        })?;
        let mut ahead = Vec::new();
        for cron in stored {
            match self.cron_ahead(tx, cron, now) {
                Ok(corrected) => ahead.extend(corrected.map(|_| cron)),
                Err(error) if is_damage(&error) => {
                    tracing::error!(target: "tropism", %cron, %error, "a cron is damaged and is left as it is");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(ahead)
    }

    /// A cron as it is to be, if its next time was set by a clock that was ahead.
    fn cron_ahead(&self, tx: &ReadTx, id: Id<Cron>, now: Timestamp) -> Result<Option<Cron>, Error> {
        let Some(cron) = tx.get(id)? else { return Ok(None) };
        let Some(plan) = self.crons.get(&cron.name) else { return Ok(None) };
        let mut corrected = Cron::clone(&cron);
        Ok(plan.times.put_right(&mut corrected, now).then_some(corrected))
    }

    /// Jobs that have their status since a time after `now`, at most `limit`.
    fn jobs_ahead(&self, tx: &ReadTx, now: Timestamp, limit: usize) -> Result<Vec<Id<Job>>, Error> {
        let mut ahead = Vec::new();
        for status in ALL {
            let after = (Bound::Excluded(now), Bound::Unbounded);
            self.find_intact(tx.query(Job::by_status_and_since).eq(status).range(after), limit, &mut ahead)?;
        }
        Ok(ahead)
    }
}

fn correct_job(tx: &mut WriteTx, job: &Doc<Job>) -> Result<(), Error> {
    let now = tx.now();
    if job.since <= now {
        return Ok(());
    }
    tx.patch(job.id(), |job| put_right(job, now))
}
