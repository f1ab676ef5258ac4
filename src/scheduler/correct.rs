//! Puts times right that were set while the clock was ahead.
//!
//! A clock is ahead when a job has its status since a time that has not come. The job's wait begins again then; a job
//! for a point in time keeps it. Of small steps back, by less than a job has waited, nothing shows in its row, and it
//! waits so much longer.

use std::ops::Bound;

use super::{
    core::SchedulerCore,
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
            Ok(!ahead(tx, now, 1)?.is_empty() || !self.crons_ahead(tx, now)?.is_empty())
        })?;
        if !needs_it {
            self.state().may_need_correction = false;
            self.plan_forgetting_again(now)?;
        }
        Ok(needs_it)
    }

    /// Puts a bounded number of times right, those that were set first before the others.
    pub(super) fn correct(&self, now: Timestamp) -> Result<(), Error> {
        let is_resting = self.state().pauses.is_resting(Stuck::Correction, now);
        if is_resting || !self.needs_correction(now)? {
            return Ok(());
        }
        match self.correct_some(now) {
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
            Ok((ahead(tx, now, JOBS_PER_TRANSACTION)?, self.crons_ahead(tx, now)?))
        })?;
        tracing::info!(target: "tropism", jobs = jobs.len(), crons = crons.len(), "the clock was ahead; times are put right");
        self.engine.pipeline.write(self.engine.durability, |tx| -> Result<(), Error> {
            for (id, cron) in crons {
                tx.replace(id, cron)?;
            }
            let mut size_bytes = 0;
            for id in jobs {
                if size_bytes > BYTES_PER_TRANSACTION {
                    break;
                }
                size_bytes += correct_job(tx, id)?;
            }
            Ok(())
        })
    }

    /// The declared crons whose next time was set by a clock that was ahead, as they are to be.
    fn crons_ahead(&self, tx: &ReadTx, now: Timestamp) -> Result<Vec<(Id<Cron>, Cron)>, Error> {
        let mut ahead = Vec::new();
        for cron in tx.query(Cron::by_id).iter()? {
            let cron = cron?;
            let Some(plan) = self.crons.get(&cron.name) else { continue };
            let mut corrected = Cron::clone(&cron);
            if plan.times.put_right(&mut corrected, now) {
                ahead.push((Doc::id(&cron), corrected));
            }
        }
        Ok(ahead)
    }
}

/// Jobs that have their status since a time after `now`.
fn ahead(tx: &ReadTx, now: Timestamp, limit: usize) -> Result<Vec<Id<Job>>, Error> {
    let mut found = Vec::new();
    for status in ALL {
        let after = (Bound::Excluded(now), Bound::Unbounded);
        tx.query(Job::by_status_and_since).eq(status).range(after).walk_keys(|_, job| {
            found.push(job);
            found.len() < limit
        })?;
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

fn correct_job(tx: &mut WriteTx, id: Id<Job>) -> Result<usize, Error> {
    let now = tx.now();
    let Some(job) = tx.get(id)?.filter(|job| job.since > now) else { return Ok(0) };
    tx.patch(id, |job| put_right(job, now))?;
    Ok(job.text_bytes())
}
