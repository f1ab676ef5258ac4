//! [`Throttle`]: writers that are faster than checkpoints are slowed down a little each, so that none has to be stopped
//! for long.
//!
//! The room that is left outside the base is spread evenly over the time that the running checkpoint still needs. A
//! commit is due when its share of that room is: whoever comes earlier waits for the rest. The remaining time is an
//! estimate that never reaches zero, so each commit takes a smaller part of the room than the one before.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The longest that one writer waits.
const LONGEST_DELAY: Duration = Duration::from_millis(50);
/// The most that one commit delays those after it, however large it was.
const LARGEST_DEBT: Duration = Duration::from_millis(500);
/// Shorter delays are skipped.
const SHORTEST_DELAY: Duration = Duration::from_millis(1);
/// The remaining time is taken to be at least this fraction of the whole.
const LEAST_REMAINING_SHARE: u32 = 8;
/// How fast checkpoints are taken to be before the first one.
const ASSUMED_BYTES_PER_SECOND: f64 = (32 << 20) as f64;

/// When the next commit is due.
#[derive(Default)]
pub(super) struct Throttle {
    due: Mutex<Option<Instant>>,
}

/// A checkpoint that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunningCheckpoint {
    pub(super) started: Instant,
    /// How long it takes, going by the one before.
    pub(super) expected: Duration,
}

impl RunningCheckpoint {
    /// A checkpoint of so many bytes; `last` is the size and the duration of the one before.
    pub(super) fn new(started: Instant, size_bytes: usize, last: Option<(usize, Duration)>) -> Self {
        let seconds = match last {
            // Smaller checkpoints take longer for each byte: they rewrite almost as many pages.
            Some((last_bytes, duration)) => {
                duration.as_secs_f64() * (size_bytes as f64 / last_bytes.max(1) as f64).sqrt()
            }
            None => size_bytes as f64 / ASSUMED_BYTES_PER_SECOND,
        };
        let expected = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_DELAY);
        Self { started, expected }
    }

    fn remaining(&self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.started);
        let least = elapsed.max(self.expected) / LEAST_REMAINING_SHARE;
        self.expected.saturating_sub(elapsed).max(least)
    }
}

impl Throttle {
    /// Notes a commit that took so much of the room, of which so much is left.
    pub(super) fn note(&self, now: Instant, taken_bytes: usize, room_bytes: usize, running: RunningCheckpoint) {
        let share = taken_bytes as f64 / room_bytes.max(1) as f64;
        let delay = Duration::try_from_secs_f64(running.remaining(now).as_secs_f64() * share).unwrap_or(LONGEST_DELAY);
        let mut due = self.due.lock();
        *due = Some(due.map_or(now, |due| due.max(now)) + delay.min(LARGEST_DEBT));
    }

    /// How long the next writer is to wait, if at all.
    pub(super) fn delay(&self, now: Instant) -> Option<Duration> {
        let due = (*self.due.lock())?;
        let delay = due.saturating_duration_since(now);
        (delay >= SHORTEST_DELAY).then_some(delay.min(LONGEST_DELAY))
    }

    /// There is room again.
    pub(super) fn clear(&self) {
        *self.due.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT_BYTES: usize = 64 << 20;
    const MILLISECOND: Duration = Duration::from_millis(1);

    /// What a writer of commits of 100 kB, each of which takes it a millisecond, has taken of the room when the
    /// checkpoint ends, and the longest that it waited.
    fn taken(expected: Duration, actual: Duration) -> (usize, Duration) {
        let throttle = Throttle::default();
        let started = Instant::now();
        let running = RunningCheckpoint { started, expected };
        let (mut now, mut taken_bytes, mut longest) = (started, 0, Duration::ZERO);
        while now < started + actual {
            let delay = throttle.delay(now).unwrap_or_default();
            (now, longest) = (now + delay + MILLISECOND, longest.max(delay));
            taken_bytes += 100_000;
            throttle.note(now, 100_000, LIMIT_BYTES.saturating_sub(taken_bytes), running);
        }
        (taken_bytes, longest)
    }

    #[test]
    fn the_room_lasts_until_the_checkpoint_ends() {
        let second = Duration::from_secs(1);
        for (expected, actual) in [(second, second), (4 * second, 4 * second), (second, 1_250 * MILLISECOND)] {
            let (taken_bytes, longest) = taken(expected, actual);
            assert!(taken_bytes < LIMIT_BYTES, "{taken_bytes} bytes at the end of {actual:?}");
            assert!(longest <= LONGEST_DELAY, "a writer waited {longest:?}");
        }
        let (taken_bytes, _) = taken(second, second);
        assert!(taken_bytes > LIMIT_BYTES / 2, "only {taken_bytes} bytes: the room is there to be used");
    }

    #[test]
    fn a_writer_that_leaves_room_does_not_wait() {
        let (_, longest) = taken(100 * MILLISECOND, 100 * MILLISECOND);
        assert_eq!(longest, Duration::ZERO);
    }

    #[test]
    fn one_large_commit_does_not_delay_others_for_long() {
        let throttle = Throttle::default();
        let now = Instant::now();
        throttle.note(now, LIMIT_BYTES, 1, RunningCheckpoint { started: now, expected: Duration::from_secs(60) });
        assert_eq!(throttle.delay(now), Some(LONGEST_DELAY));
        assert_eq!(throttle.delay(now + LARGEST_DEBT), None);
    }

    #[test]
    fn the_next_checkpoint_is_expected_to_take_about_as_long_as_the_last() {
        let second = Duration::from_secs(1);
        let expected = |size_bytes, last| RunningCheckpoint::new(Instant::now(), size_bytes, last).expected.as_millis();
        assert_eq!(expected(1 << 20, Some((1 << 20, second))), 1_000);
        assert_eq!(expected(4 << 20, Some((1 << 20, second))), 2_000);
        assert_eq!(expected(32 << 20, None), 1_000);
        assert_eq!(expected(0, Some((0, Duration::ZERO))), 0);
    }
}
