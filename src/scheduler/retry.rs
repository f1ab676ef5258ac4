//! [`Retry`]: how often to try again, and how long to wait before.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

/// How often a job is tried again after a failure, with waits that double: what makes an action run at least once.
///
/// The jitter is drawn from the job's id and the attempt, so a run can be repeated to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    pub(super) attempts: u32,
    pub(super) first_wait: Duration,
    pub(super) longest_wait: Duration,
    pub(super) jitter_percent: u8,
}

impl Retry {
    /// At most this many attempts (1 at least), the first one included; waits of 1 s, 2 s, 4 s, … up to 1 hour, each
    /// longer or shorter by up to 20 %.
    pub fn attempts(attempts: u32) -> Self {
        Self {
            attempts: attempts.max(1),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(3_600),
            jitter_percent: 20,
        }
    }

    /// How long to wait before the second attempt. Each further wait is twice as long.
    pub fn first_wait(self, first_wait: Duration) -> Self {
        Self { first_wait, ..self }
    }

    /// No wait is longer, but for the jitter.
    pub fn longest_wait(self, longest_wait: Duration) -> Self {
        Self { longest_wait, ..self }
    }

    /// By how much waits vary, so that those who failed together do not come back together; 0 to 100.
    pub fn jitter_percent(self, percent: u8) -> Self {
        Self { jitter_percent: percent.min(100), ..self }
    }

    /// How long to wait after the attempt with this number has failed.
    pub(super) fn wait_after(&self, attempt: u32, job: u64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(63);
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let wait = millis(self.first_wait).saturating_mul(1 << doublings).min(millis(self.longest_wait));
        let mut seed = [0; 12];
        seed[..8].copy_from_slice(&job.to_le_bytes());
        seed[8..].copy_from_slice(&attempt.to_le_bytes());
        // From -1 to 1, in steps fine enough for any wait.
        let draw = (xxh3_64(&seed) % 20_001) as f64 / 10_000.0 - 1.0;
        let varied = wait as f64 * (1.0 + draw * f64::from(self.jitter_percent) / 100.0);
        Duration::from_millis(varied as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let retry = Retry::attempts(9).longest_wait(Duration::from_secs(5)).jitter_percent(0);
        let waits: Vec<u64> = (1..6).map(|attempt| retry.wait_after(attempt, 1).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        assert_eq!(retry.wait_after(u32::MAX, u64::MAX).as_secs(), 5);
        let extreme = retry.first_wait(Duration::MAX).longest_wait(Duration::MAX).jitter_percent(100);
        assert!(extreme.wait_after(u32::MAX, 7) > Duration::ZERO);
    }

    #[test]
    fn jitter_stays_in_its_bounds_differs_between_jobs_and_is_repeatable() {
        let retry = Retry::attempts(3).first_wait(Duration::from_secs(10)).jitter_percent(20);
        let waits: Vec<u64> = (0..200).map(|job| retry.wait_after(1, job).as_millis() as u64).collect();
        assert!(waits.iter().all(|wait| (8_000..=12_000).contains(wait)), "{waits:?}");
        assert!(waits.iter().min() < Some(&8_500) && waits.iter().max() > Some(&11_500), "{waits:?}");
        assert_eq!(waits[7], retry.wait_after(1, 7).as_millis() as u64);
    }
}
