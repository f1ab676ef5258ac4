//! [`Background`]: what is done by no committing thread: checkpoints, spare segments, the flushing of relaxed commits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{checkpointer::Checkpointer, group_commit::GroupCommit, log::Log};
use crate::error::StorageError;

/// How long to wait after a failure before the next attempt; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Two threads, and what they shall do. Where a database is driven by hand there are no threads, and nothing happens
/// here.
pub(super) struct Background {
    checkpointer: Arc<Checkpointer>,
    group: Arc<GroupCommit>,
    log: Arc<Log>,
    flush_interval: Duration,
    wanted: Mutex<Wanted>,
    /// Signalled when the checkpoint thread has something to do.
    checkpoint_work: Condvar,
    /// Signalled when commits wait to be flushed.
    flush_work: Condvar,
    /// Whether a flush is wanted already: so that a relaxed commit need not take the lock.
    is_flush_wanted: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Wanted {
    checkpoint: bool,
    spare: bool,
    is_stopped: bool,
}

impl Background {
    pub(super) fn new(
        checkpointer: Arc<Checkpointer>,
        group: Arc<GroupCommit>,
        log: Arc<Log>,
        flush_interval: Duration,
    ) -> Self {
        Self {
            checkpointer,
            group,
            log,
            flush_interval,
            wanted: Mutex::default(),
            checkpoint_work: Condvar::new(),
            flush_work: Condvar::new(),
            is_flush_wanted: AtomicBool::new(false),
            threads: Mutex::default(),
        }
    }

    /// Starts the threads.
    pub(super) fn start(self: &Arc<Self>) -> Result<(), StorageError> {
        let spawn = |name: &str, work: fn(&Self)| {
            let background = Arc::clone(self);
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&background));
            thread.map_err(|error| StorageError::io("start", name, error))
        };
        let mut threads = self.threads.lock();
        threads.push(spawn("tropism-checkpoint", Self::run_checkpoints)?);
        threads.push(spawn("tropism-flush", Self::run_flushes)?);
        Ok(())
    }

    /// Ends the threads, and waits until they have ended.
    pub(super) fn stop(&self) {
        self.wanted.lock().is_stopped = true;
        self.checkpoint_work.notify_all();
        self.flush_work.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock());
        let current = std::thread::current().id();
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != current) {
            if thread.join().is_err() {
                tracing::error!(target: "tropism", "a background thread panicked");
            }
        }
    }

    /// Has what is frozen written into the base.
    pub(super) fn want_checkpoint(&self) {
        let was_wanted = std::mem::replace(&mut self.wanted.lock().checkpoint, true);
        if !was_wanted {
            self.checkpoint_work.notify_one();
        }
    }

    /// Has a spare segment made.
    pub(super) fn want_spare(&self) {
        self.wanted.lock().spare = true;
        self.checkpoint_work.notify_one();
    }

    /// Has commits flushed: within the interval, or at once.
    pub(super) fn want_flush(&self, at_once: bool) {
        let was_wanted = self.is_flush_wanted.swap(true, Ordering::AcqRel);
        if !was_wanted || at_once {
            let _wanted = self.wanted.lock();
            self.flush_work.notify_one();
        }
    }

    fn run_checkpoints(&self) {
        let mut retry = Retry::default();
        loop {
            let mut wanted = self.wanted.lock();
            while !wanted.checkpoint && !wanted.spare && !wanted.is_stopped {
                match retry.at {
                    None => self.checkpoint_work.wait(&mut wanted),
                    Some(at) if self.checkpoint_work.wait_until(&mut wanted, at).timed_out() => break,
                    Some(_) => {}
                }
            }
            if wanted.is_stopped {
                return;
            }
            let is_checkpoint_wanted = std::mem::take(&mut wanted.checkpoint);
            let is_spare_wanted = std::mem::take(&mut wanted.spare);
            drop(wanted);
            if is_spare_wanted && let Err(error) = self.log.prepare_spare() {
                // The commit that needs a segment makes it itself, or fails with the reason.
                tracing::warn!(target: "tropism", %error, "no spare log segment could be made");
            }
            if is_checkpoint_wanted || retry.is_due(Instant::now()) {
                retry = match self.checkpointer.write() {
                    Ok(()) => Retry::default(),
                    Err(_) => retry.after_failure(Instant::now()),
                };
            }
        }
    }

    /// Relaxed commits become durable within the interval, and what could not be written is tried again.
    fn run_flushes(&self) {
        let mut pause = None;
        let mut wanted = self.wanted.lock();
        loop {
            while !self.is_flush_wanted.load(Ordering::Acquire) && !wanted.is_stopped && pause.is_none() {
                self.flush_work.wait(&mut wanted);
            }
            if wanted.is_stopped {
                return;
            }
            // Ends early when so much waits that the interval is too long for it.
            self.flush_work.wait_for(&mut wanted, pause.unwrap_or(self.flush_interval));
            if wanted.is_stopped {
                return;
            }
            self.is_flush_wanted.store(false, Ordering::Release);
            let flushed = parking_lot::MutexGuard::unlocked(&mut wanted, || self.group.flush());
            pause = match flushed {
                Err(StorageError::NotDurable { .. }) => Some(next_pause(pause)),
                // After a failed sync there is nothing to try.
                Ok(()) | Err(_) => None,
            };
        }
    }
}

/// When what failed is tried again, if nobody wants it earlier.
#[derive(Debug, Clone, Copy, Default)]
struct Retry {
    pause: Option<Duration>,
    at: Option<Instant>,
}

impl Retry {
    fn after_failure(self, now: Instant) -> Self {
        let pause = next_pause(self.pause);
        Self { pause: Some(pause), at: Some(now + pause) }
    }

    /// Whether it is time to try again. Where nothing failed, it never is.
    fn is_due(&self, now: Instant) -> bool {
        self.at.is_some_and(|at| at <= now)
    }
}

fn next_pause(pause: Option<Duration>) -> Duration {
    pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_twice_the_one_before_up_to_the_longest() {
        let now = Instant::now();
        let pauses =
            std::iter::successors(Some(Retry::default().after_failure(now)), |retry| Some(retry.after_failure(now)));
        let pauses: Vec<u128> = pauses.take(11).filter_map(|retry| Some(retry.pause?.as_millis())).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_000, 5_000, 5_000]);
    }

    #[test]
    fn what_failed_is_due_when_its_pause_is_over_whatever_else_is_done_meanwhile() {
        let now = Instant::now();
        assert!(!Retry::default().is_due(now + LONGEST_PAUSE));
        let retry = Retry::default().after_failure(now);
        // Asked in between, as where a spare segment was wanted: it is not due yet, and no later than before.
        assert!(!retry.is_due(now) && !retry.is_due(now + FIRST_PAUSE / 2));
        assert!(retry.is_due(now + FIRST_PAUSE));
    }
}
