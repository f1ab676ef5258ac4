//! [`Pauses`]: what could not be written, and when it is tried again.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{
    queue::Waiting,
    schedule::later,
    tables::{Cron, Job, JobKind},
};
use crate::{schema::Id, time::Timestamp};

/// How long the first pause is. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How many jobs of a kind may be paused. When there are as many, the jobs behind them wait for one of them.
const PAUSED_JOBS_LIMIT: usize = 1_024;

/// Something that could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stuck {
    /// A job that could not be run, or could not be marked as running.
    Job(JobKind, Id<Job>),
    /// How an action ended, or that it did not begin.
    Outcome(Id<Job>),
    /// The next run of a cron.
    Cron(Id<Cron>),
    /// The look at which crons are due.
    Crons,
    /// The correction of times after the clock was put back.
    Correction,
    /// The removal of finished jobs.
    Forgetting,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    since: Timestamp,
    wait: Duration,
    /// When a job was due: those whose pause has passed run in that order.
    due_at: Timestamp,
}

/// What is paused. Everything else goes on meanwhile.
#[derive(Debug, Default)]
pub(super) struct Pauses(HashMap<Stuck, Pause>);

impl Pauses {
    /// Pauses something that failed at `now`, for twice as long as the time before. Returns the pause.
    pub(super) fn fail(&mut self, stuck: Stuck, due_at: Timestamp, now: Timestamp) -> Duration {
        let before = self.0.get(&stuck).map(|pause| pause.wait);
        let wait = before.map_or(FIRST_PAUSE, |wait| (wait * 2).min(LONGEST_PAUSE));
        self.0.insert(stuck, Pause { since: now, wait, due_at });
        wait
    }

    /// Ends a pause: what was stuck has been written, or is no longer wanted.
    pub(super) fn end(&mut self, stuck: Stuck) {
        self.0.remove(&stuck);
    }

    /// When something that is paused is tried again.
    pub(super) fn until(&self, stuck: Stuck) -> Option<Timestamp> {
        self.0.get(&stuck).map(Pause::until)
    }

    /// Whether something waits for the end of a pause.
    pub(super) fn is_resting(&self, stuck: Stuck, now: Timestamp) -> bool {
        self.until(stuck).is_some_and(|until| until > now)
    }

    /// The paused jobs of a kind, each with when it is tried again.
    pub(super) fn jobs(&self, kind: JobKind) -> impl Iterator<Item = (Timestamp, Waiting)> {
        self.0.iter().filter_map(move |(stuck, pause)| match stuck {
            Stuck::Job(own, job) if *own == kind => Some((pause.until(), Waiting { due_at: pause.due_at, job: *job })),
            Stuck::Job(..)
            | Stuck::Outcome(_)
            | Stuck::Cron(_)
            | Stuck::Crons
            | Stuck::Correction
            | Stuck::Forgetting => None,
        })
    }

    /// When the first of the paused crons is tried again.
    pub(super) fn first_cron(&self) -> Option<Timestamp> {
        let crons = self.0.iter().filter(|(stuck, _)| matches!(stuck, Stuck::Cron(_)));
        crons.map(|(_, pause)| pause.until()).min()
    }

    /// Ends the pauses of crons that are no longer due: they have fired, were deleted, or have another time.
    pub(super) fn keep_crons(&mut self, due: &HashSet<Id<Cron>>) {
        self.0.retain(|stuck, _| !matches!(stuck, Stuck::Cron(cron) if !due.contains(cron)));
    }

    /// Whether a job is paused, its pause over or not.
    pub(super) fn has_job(&self, kind: JobKind, job: Id<Job>) -> bool {
        self.0.contains_key(&Stuck::Job(kind, job))
    }

    /// Whether no further job of this kind may be paused.
    pub(super) fn is_full(&self, kind: JobKind) -> bool {
        self.jobs(kind).nth(PAUSED_JOBS_LIMIT - 1).is_some()
    }

    /// Has every pause that began after `now` begin now: the clock was put back.
    pub(super) fn put_back(&mut self, now: Timestamp) {
        for pause in self.0.values_mut() {
            pause.since = pause.since.min(now);
        }
    }
}

impl Pause {
    fn until(&self) -> Timestamp {
        later(self.since, self.wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut pauses = Pauses::default();
        let fail = |pauses: &mut Pauses| pauses.fail(Stuck::Forgetting, Timestamp::EPOCH, Timestamp::EPOCH);
        let waits: Vec<u128> = (0..12).map(|_| fail(&mut pauses).as_millis()).collect();
        assert_eq!(waits[..4], [100, 200, 400, 800]);
        assert_eq!(waits[11], LONGEST_PAUSE.as_millis());
        pauses.end(Stuck::Forgetting);
        assert_eq!(fail(&mut pauses), FIRST_PAUSE);
    }

    #[test]
    fn a_pause_begins_again_when_the_clock_is_put_back() {
        let mut pauses = Pauses::default();
        pauses.fail(Stuck::Correction, Timestamp::EPOCH, Timestamp::from_millis(1_000_000));
        pauses.put_back(Timestamp::from_millis(5));
        assert_eq!(pauses.until(Stuck::Correction), Some(Timestamp::from_millis(105)));
    }
}
