//! Removes jobs that finished longer ago than they are kept.

use std::time::Duration;

use super::{
    core::{Forgetting, SchedulerCore},
    outcome::FINISHED,
    pauses::Stuck,
    queue::last_timestamp,
    schedule::later,
    tables::Job,
};
use crate::{error::Error, schema::Doc, time::Timestamp, transaction::WriteTx};

/// Finished jobs are removed when this part of the retention has passed since the last time, so that it is done for
/// many at once.
const FORGET_SLACK: u32 = 16;
/// How long finished jobs are kept on when the clock seems to have jumped ahead: it may be put right meanwhile.
const GRACE: Duration = Duration::from_secs(600);
/// Finished jobs that are removed in one transaction, and the bytes of their texts: removing a row reads it.
const JOBS_PER_TRANSACTION: usize = 500;
const BYTES_PER_TRANSACTION: usize = 1 << 20;

impl SchedulerCore {
    /// How much longer than they must finished jobs are kept, so that many go at once.
    fn slack(&self) -> Duration {
        (self.retention / FORGET_SLACK).max(Duration::from_millis(1))
    }

    /// Takes note that a job has finished: one day it is to be forgotten.
    pub(super) fn take_note_of_finished(&self) {
        let forget_at = later(self.now(), self.retention + self.slack());
        self.state().forgetting.at.get_or_insert(forget_at);
    }

    /// Finds out when finished jobs are to be looked through next: at once, if there are more than were removed.
    pub(super) fn plan_forgetting(&self, has_more: bool) -> Result<(), Error> {
        let (now, slack) = (self.now(), self.slack());
        let mut oldest = None;
        self.engine.pipeline.read(|tx| -> Result<(), Error> {
            for status in FINISHED {
                tx.query(Job::by_status_and_since).eq(status).walk_keys(|key, job| {
                    let is_passed_over = self.state().damaged.contains(job);
                    if !is_passed_over {
                        oldest = oldest.into_iter().chain([last_timestamp(key)]).min();
                    }
                    is_passed_over
                })?;
            }
            Ok(())
        })?;
        // A clock that has just been set, or found at opening, may be wrong for a moment.
        let earliest = later(now, slack.min(GRACE));
        let at = |oldest| if has_more { now } else { later(oldest, self.retention + slack).max(earliest) };
        self.state().forgetting = Forgetting { at: oldest.map(at), was_put_off: has_more };
        Ok(())
    }

    /// Finds out again when finished jobs are to be looked through, if that was set while the clock was ahead.
    pub(super) fn plan_forgetting_again(&self, now: Timestamp) -> Result<(), Error> {
        let latest = later(now, self.retention + self.slack() + GRACE);
        let was_ahead = self.state().forgetting.at.is_some_and(|at| at > latest);
        if was_ahead { self.plan_forgetting(false) } else { Ok(()) }
    }

    /// Whether finished jobs are to be looked through now.
    ///
    /// The scheduler looks when it is time. Where it finds that this was long ago, the process was suspended, or the
    /// clock was set ahead: then the looking is put off once, so that a clock that is wrong for a moment costs nothing.
    fn is_to_forget(&self, now: Timestamp) -> bool {
        let slack = self.slack();
        let mut state = self.state();
        if state.pauses.is_resting(Stuck::Forgetting, now) {
            return false;
        }
        let forgetting = &mut state.forgetting;
        let Some(at) = forgetting.at.filter(|at| *at <= now) else { return false };
        if !forgetting.was_put_off && now > later(at, slack.max(GRACE)) {
            *forgetting = Forgetting { at: Some(later(now, slack.min(GRACE))), was_put_off: true };
            return false;
        }
        true
    }

    /// Removes finished jobs that are old enough, a bounded number and size of them.
    pub(super) fn forget(&self, now: Timestamp) -> Result<(), Error> {
        if !self.is_to_forget(now) {
            return Ok(());
        }
        match self.forget_some(now).and_then(|has_more| self.plan_forgetting(has_more)) {
            Ok(()) => self.unpause(Stuck::Forgetting),
            Err(error) => self.pause(Stuck::Forgetting, now, error)?,
        }
        Ok(())
    }

    fn forget_some(&self, now: Timestamp) -> Result<bool, Error> {
        let retention_ms = i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX);
        let limit = Timestamp::from_millis(now.as_millis().saturating_sub(retention_ms));
        let mut old = Vec::new();
        self.engine.pipeline.read(|tx| {
            FINISHED.into_iter().try_for_each(|status| {
                let finished = tx.query(Job::by_status_and_since).eq(status).range(..=limit);
                self.find_intact(finished, JOBS_PER_TRANSACTION, &mut old)
            })
        })?;
        let done = self.change_jobs(&old, BYTES_PER_TRANSACTION, |tx, job| forget_one(tx, job, limit))?;
        Ok(done < old.len() || old.len() >= JOBS_PER_TRANSACTION)
    }
}

/// Removes a job that finished before `limit`.
fn forget_one(tx: &mut WriteTx, job: &Doc<Job>, limit: Timestamp) -> Result<(), Error> {
    if !job.is_finished() || job.since > limit {
        // It was started again since it was found.
        return Ok(());
    }
    match job.finished_at.filter(|finished_at| *finished_at > limit) {
        // It finished under a release that did not keep `since`.
        Some(finished_at) => tx.patch(job.id(), |job| job.since = finished_at),
        None => tx.delete(job.id()),
    }
}
