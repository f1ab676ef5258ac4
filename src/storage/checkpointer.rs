//! [`Checkpointer`]: the overlay into the base, off the writers' path.
//!
//! The writer freezes the overlay: a new one takes the next commits, and readers see the frozen one between it and the
//! base. The checkpoint waits until everything frozen is durable in the log, writes it into the base in one sorted batch
//! together with its timestamp, puts the new base under what readers see, and drops the log before it.
//!
//! A crash at any point leaves the old base with the whole log, or the new base. A failure leaves the frozen overlay
//! where it is: readers see everything, the log has everything, and the next attempt writes it again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{
    base::{Base, BaseSnapshot, Figures},
    group_commit::GroupCommit,
    log::Log,
    overlay::Overlay,
    publisher::Publisher,
    throttle::RunningCheckpoint,
};
use crate::{
    error::StorageError,
    time::{Clock, Timestamp, Ts},
};

/// Writes checkpoints, one at a time.
///
/// | state | guard | held |
/// |---|---|---|
/// | the right to write one | `turn` | from its beginning to its end |
/// | what is frozen, how the last ones went | `state` | briefly |
pub(super) struct Checkpointer {
    base: Base,
    log: Arc<Log>,
    group: Arc<GroupCommit>,
    publisher: Arc<Publisher>,
    clock: Arc<dyn Clock>,
    turn: Mutex<()>,
    state: Mutex<State>,
    /// Signalled when a checkpoint has ended, well or not.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    frozen: Option<Frozen>,
    /// Attempts that have ended, well or not.
    ended: u64,
    last: Option<CheckpointReport>,
    /// Of the attempts since the last one that went well.
    failure: Option<CheckpointFailure>,
}

/// An overlay that takes no more changes, and what the base will say of itself once it holds it.
#[derive(Clone)]
struct Frozen {
    overlay: Arc<Overlay>,
    figures: Figures,
    running: RunningCheckpoint,
}

/// A checkpoint that went well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointReport {
    /// The commit that the base stands at since then.
    pub ts: Ts,
    /// When it ended, by the clock of the database.
    pub ended_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// How much memory it freed, in bytes.
    pub size_bytes: usize,
}

/// Checkpoints that failed, one after the other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckpointFailure {
    /// Why the last one failed.
    pub error: StorageError,
    /// When it failed, by the clock of the database.
    pub failed_at: Timestamp,
    /// How many have failed since the last one that went well.
    pub attempts: u32,
}

impl Checkpointer {
    pub(super) fn new(
        base: Base,
        log: Arc<Log>,
        group: Arc<GroupCommit>,
        publisher: Arc<Publisher>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (turn, state, ended) = (Mutex::default(), Mutex::default(), Condvar::new());
        Self { base, log, group, publisher, clock, turn, state, ended }
    }

    /// Freezes the overlay, unless one is frozen already; the answer is whether it did. Called with the committer's `head`
    /// locked.
    pub(super) fn freeze(&self, figures: Figures) -> bool {
        if self.is_pending() {
            return false;
        }
        // Nobody freezes meanwhile: who calls this holds the committer's `head`.
        let overlay = self.publisher.freeze();
        let mut state = self.state.lock();
        let last = state.last.as_ref().map(|report| (report.size_bytes, report.duration));
        let running = RunningCheckpoint::new(Instant::now(), overlay.size_bytes(), last);
        state.frozen = Some(Frozen { overlay, figures, running });
        true
    }

    /// Whether something is frozen and not in the base yet.
    pub(super) fn is_pending(&self) -> bool {
        self.state.lock().frozen.is_some()
    }

    /// The checkpoint that goes on, unless the last attempt failed: then there is no telling how long it takes.
    pub(super) fn running(&self) -> Option<RunningCheckpoint> {
        let state = self.state.lock();
        let frozen = state.frozen.as_ref().filter(|_| state.failure.is_none())?;
        Some(frozen.running)
    }

    /// Whether the last attempt failed.
    pub(super) fn has_failed(&self) -> bool {
        self.state.lock().failure.is_some()
    }

    /// Writes what is frozen into the base, if anything is, and drops the log before it.
    ///
    /// # Errors
    ///
    /// Whatever failed. Nothing is lost, and the next call tries again.
    pub(super) fn write(&self) -> Result<(), StorageError> {
        let _turn = self.turn.lock();
        // Looked up under the turn: another call may have written it meanwhile.
        let Some(frozen) = self.state.lock().frozen.clone() else { return Ok(()) };
        let started = Instant::now();
        let written = self.write_frozen(&frozen);
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.ended += 1;
        match &written {
            Ok(()) => {
                let (ts, size_bytes) = (frozen.figures.ts, frozen.overlay.size_bytes());
                let report =
                    CheckpointReport { ts: Ts::from_u64(ts), ended_at: now, duration: started.elapsed(), size_bytes };
                tracing::debug!(target: "tropism", ts, size_bytes, elapsed = ?report.duration, "checkpoint");
                if state.failure.take().is_some() {
                    tracing::info!(target: "tropism", "checkpoints work again");
                }
                state.last = Some(report);
            }
            Err(error) => {
                let attempts = state.failure.as_ref().map_or(0, |failure| failure.attempts) + 1;
                tracing::warn!(target: "tropism", %error, attempts, "a checkpoint failed and will be tried again");
                state.failure = Some(CheckpointFailure { error: error.clone(), failed_at: now, attempts });
            }
        }
        drop(state);
        self.ended.notify_all();
        written
    }

    fn write_frozen(&self, frozen: &Frozen) -> Result<(), StorageError> {
        self.group.wait_durable(frozen.figures.ts)?;
        frozen.overlay.with_newest(|entries| self.base.apply(entries, frozen.figures))?;
        self.publisher.install(Arc::new(self.new_base()?));
        self.state.lock().frozen = None;
        // The base has it: what cannot be dropped now goes with the next checkpoint.
        if let Err(error) = self.log.drop_before(frozen.figures.log_from) {
            tracing::warn!(target: "tropism", %error, "the log before a checkpoint could not be dropped");
        }
        Ok(())
    }

    /// The base as it stands now. What readers have cannot be read any more if the base fails here and is opened again, so
    /// one failure is not the end.
    fn new_base(&self) -> Result<BaseSnapshot, StorageError> {
        const ATTEMPTS: usize = 3;
        let mut attempts = (1..ATTEMPTS).map(|_| self.base.snapshot());
        attempts.find(Result::is_ok).unwrap_or_else(|| self.base.snapshot())
    }

    /// How many attempts have ended.
    pub(super) fn ended(&self) -> u64 {
        self.state.lock().ended
    }

    /// Waits until an attempt ends after the `seen`th, up to `timeout`. The answer is why the last one failed, if it did.
    pub(super) fn wait_after(&self, seen: u64, timeout: Duration) -> Option<StorageError> {
        let mut state = self.state.lock();
        if state.ended == seen {
            self.ended.wait_for(&mut state, timeout);
        }
        state.failure.as_ref().map(|failure| failure.error.clone())
    }

    /// Wakes whoever waits for a checkpoint.
    pub(super) fn wake_all(&self) {
        let _state = self.state.lock();
        self.ended.notify_all();
    }

    /// The last checkpoint that went well, and those that have failed since.
    pub(super) fn reports(&self) -> (Option<CheckpointReport>, Option<CheckpointFailure>) {
        let state = self.state.lock();
        (state.last.clone(), state.failure.clone())
    }

    /// Gives up the base's file.
    pub(super) fn close_base(&self) -> Result<(), StorageError> {
        self.base.close()
    }
}
