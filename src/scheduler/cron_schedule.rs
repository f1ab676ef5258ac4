//! [`CronSchedule`]: when a cron runs, and which of its times have been.

use std::time::Duration;

#[cfg(feature = "cron")]
use super::cron_expression::CronExpression;
use super::{schedule::later, tables::Cron};
use crate::time::Timestamp;

/// When a cron runs that has no time left.
pub(super) const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// A clock that is put back by no more than this lets a cron wait for times that have run to pass, where it cannot be
/// told how they came to run.
const SMALL_CORRECTION: Duration = Duration::from_secs(25 * 3_600);

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

    /// Checks it.
    pub(super) fn plan(&self) -> Result<Plan, String> {
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

    /// As it is stored.
    pub(super) fn stored_text(&self) -> String {
        match &self.0 {
            Times::Every(interval) => format!("every {interval:?}"),
            #[cfg(feature = "cron")]
            Times::At { expression, time_zone } => format!("{expression} {time_zone}"),
        }
    }
}

/// A checked schedule.
pub(super) enum Plan {
    Every(i64),
    #[cfg(feature = "cron")]
    At(Box<CronExpression>),
}

impl Plan {
    /// The first time after `after`; on the beat of `beat`, one of its times. `None` if there is none.
    pub(super) fn first_after(&self, after: Timestamp, beat: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(interval) => {
                let (after, beat) = (i128::from(after.as_millis()), i128::from(beat.as_millis()));
                let interval = i128::from(*interval);
                let beats = i128::div_euclid(after - beat, interval) + 1;
                i64::try_from(beat + beats * interval).ok().map(Timestamp::from_millis)
            }
            #[cfg(feature = "cron")]
            Self::At(expression) => expression.next_after(after.as_millis()).map(Timestamp::from_millis),
        }
    }

    /// The first time after `after` that has not run while the clock was ahead.
    fn first_open(&self, cron: &Cron, after: Timestamp, beat: Timestamp) -> Timestamp {
        let first = self.first_after(after, beat);
        let has_run = |time: &Timestamp| match (cron.ahead_from, cron.ahead_until) {
            (Some(from), Some(until)) => (from..=until).contains(time),
            _ => false,
        };
        let open = match (first.filter(has_run), cron.ahead_until) {
            (Some(_), Some(until)) => self.first_after(until, beat),
            _ => first,
        };
        open.unwrap_or(NEVER)
    }

    /// Takes note that the time at which a cron was due has run or was left out at `now`, and sets its next one.
    pub(super) fn cover(&self, cron: &mut Cron, now: Timestamp) {
        let due_at = cron.next_run_at;
        let follows = cron.covered_until.and_then(|until| self.first_after(until, due_at)) == Some(due_at);
        if !follows {
            (cron.covered_before, cron.covered_from) = (cron.covered_until, Some(due_at));
        }
        cron.covered_until = Some(due_at);
        cron.next_run_at = self.first_open(cron, due_at.max(now), due_at);
    }

    /// Sets the next time of a cron that waits as the clock has it now, for it may have been ahead before. Returns
    /// whether that changed anything.
    ///
    /// A time that has run does not run again. Where the clock showed the whole sequence of times that ran last without
    /// having shown what lies before it, it was ahead: these times are set aside, and the cron goes on from `now`.
    pub(super) fn put_right(&self, cron: &mut Cron, now: Timestamp) -> bool {
        let before = (cron.next_run_at, cron.covered_until);
        if cron.next_run_at <= now {
            return false;
        }
        let beat = if cron.next_run_at == NEVER { cron.covered_until.unwrap_or(now) } else { cron.next_run_at };
        if cron.covered_from.is_some_and(|from| from > now) {
            (cron.ahead_from, cron.ahead_until) = (cron.covered_from, cron.covered_until);
            cron.covered_until = cron.covered_before.take().filter(|until| *until <= later(now, SMALL_CORRECTION));
            cron.covered_from = cron.covered_until.map(|until| until.min(now));
            let has_been = cron.last_run_at.filter(|last| *last <= now);
            cron.last_run_at = has_been.or(cron.covered_until);
        }
        let from = cron.covered_until.map_or(now, |until| until.max(now));
        cron.next_run_at = self.first_open(cron, from, beat);
        (cron.next_run_at, cron.covered_until) != before
    }
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
        assert_eq!(every.first_after(at(0), at(0)), Some(at(100)));
        assert_eq!(every.first_after(at(130), at(100)), Some(at(200)));
        assert_eq!(every.first_after(at(730), at(100)), Some(at(800)));
        assert_eq!(every.first_after(at(-50), at(100)), Some(at(0)), "a clock that ran backwards");
        assert_eq!(every.first_after(at(-51), at(1_000_050)), Some(at(-50)), "a clock that was far ahead");
        assert_eq!(Plan::Every(i64::MAX).first_after(at(2), at(1)), None);
        assert_eq!(Plan::Every(i64::MAX).first_after(at(-5), at(i64::MAX)), Some(at(0)));
    }

    #[test]
    fn an_interval_of_nothing_is_refused() {
        assert!(CronSchedule::every(Duration::ZERO).plan().is_err());
        assert!(CronSchedule::every(Duration::MAX).plan().is_err());
        assert!(CronSchedule::every(Duration::from_millis(1)).plan().is_ok());
    }

    /// A cron that is due at 100 and every 100 after it, and the times that it runs at while the clock shows those given.
    fn run(clock: &[i64]) -> Vec<i64> {
        let plan = Plan::Every(100);
        let mut cron = Cron {
            name: String::new(),
            function: String::new(),
            arguments: String::new(),
            schedule: String::new(),
            next_run_at: at(100),
            last_run_at: None,
            skipped: 0,
            covered_from: None,
            covered_until: None,
            covered_before: None,
            ahead_from: None,
            ahead_until: None,
        };
        let (mut ran, mut latest) = (Vec::new(), i64::MIN);
        for now in clock {
            if *now < latest {
                plan.put_right(&mut cron, at(*now));
                assert!(!plan.put_right(&mut cron, at(*now)), "there is nothing left to put right");
            }
            latest = *now;
            if cron.next_run_at <= at(*now) {
                ran.push(cron.next_run_at.as_millis());
                plan.cover(&mut cron, at(*now));
            }
        }
        ran
    }

    #[test]
    fn a_clock_that_is_put_back_a_little_runs_no_time_twice() {
        assert_eq!(run(&[50, 100, 200, 300, 150, 200, 250, 300, 350, 400]), [100, 200, 300, 400]);
    }

    #[test]
    fn a_clock_that_was_ahead_and_is_put_right_lets_the_times_run_that_have_not() {
        assert_eq!(run(&[50, 9_950, 60, 100, 200, 300]), [100, 200, 300], "100 ran while it was ahead");
        assert_eq!(run(&[50, 100, 920, 1_000, 1_100, 150, 200, 300, 400]), [100, 200, 1_000, 1_100, 300, 400]);
    }

    #[test]
    fn times_that_ran_while_the_clock_was_ahead_do_not_run_when_they_come() {
        let clock: Vec<i64> = [50, 100, 320, 400, 500, 150].into_iter().chain((3..9).map(|n| n * 100)).collect();
        assert_eq!(run(&clock), [100, 200, 400, 500, 300, 600, 700, 800]);
    }

    #[test]
    fn a_clock_that_was_ahead_twice_keeps_no_cron_waiting() {
        let far = 100_000_000_000;
        let clock = [50, far, far + 100, 2 * far, 2 * far + 100, 60, 100, 200, 300];
        let ran = run(&clock);
        assert!(ran.ends_with(&[200, 300]) || ran.ends_with(&[100, 200, 300]), "{ran:?}");
    }
}
