//! The overlay into the base, off the writers' path.
//!
//! A checkpoint freezes the overlay at the end of a group, waits until that group is durable in the log, writes the
//! frozen overlay into the base in one sorted batch together with its timestamp, and then drops the log before it. In
//! between, readers see the frozen overlay between the new one and the base; a crash at any point leaves either the
//! old base and the whole log, or the new base.

use std::sync::{Arc, atomic::Ordering};

use super::{
    base::{BaseSnapshot, Figures},
    group::Frozen,
    overlay::Overlay,
    snapshot::Snapshot,
    store::Store,
};
use crate::error::StorageError;

/// What the checkpoint thread shall do, and how often it did.
#[derive(Debug, Default)]
pub(super) struct CheckpointState {
    is_wanted: bool,
    is_spare_wanted: bool,
    /// Checkpoints that have ended, well or not.
    pub(super) ended: u64,
}

impl Store {
    /// Moves everything that is committed into the base and drops the log before it. Writers go on meanwhile.
    ///
    /// # Errors
    ///
    /// `Closed`. Any other failure poisons the database; nothing is lost, since the log keeps what the base did not get.
    pub(crate) fn run_checkpoint(&self) -> Result<(), StorageError> {
        let _turn = self.checkpoint_turn.lock();
        // The last checkpoint is for `close` to make, and after it the base is closed.
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StorageError::Closed);
        }
        let ended = self.checkpoint_once();
        if let Err(error) = &ended {
            self.poison(&mut self.durable.lock(), error);
        }
        self.checkpoint.lock().ended += 1;
        self.checkpointed.notify_all();
        ended
    }

    fn checkpoint_once(&self) -> Result<(), StorageError> {
        let frozen = self.freeze()?;
        let started = std::time::Instant::now();
        let figures = Figures { ts: frozen.ts, log_from: frozen.log_from, log_goes_on: frozen.log_goes_on };
        self.base.apply(&mut frozen.overlay.changes(), figures, &|_| {})?;
        let base = Arc::new(self.base.snapshot()?);
        self.install(base)?;
        self.log.drop_before(figures.log_from)?;
        let (ts, size_bytes) = (frozen.ts, frozen.overlay.size_bytes());
        tracing::debug!(target: "tropism", ts, size_bytes, elapsed = ?started.elapsed(), "checkpoint");
        Ok(())
    }

    /// Has the overlay frozen by the next group that is taken, and waits until that group is durable.
    fn freeze(&self) -> Result<Frozen, StorageError> {
        self.head.lock().freeze_wanted = true;
        let mut durable = self.durable.lock();
        loop {
            if let Some(reason) = &durable.poisoned {
                return Err(StorageError::Poisoned { reason: Arc::clone(reason) });
            }
            if let Some(frozen) = durable.frozen.take() {
                return Ok(frozen);
            }
            if durable.is_taken {
                self.turn.wait(&mut durable);
            } else {
                self.take_turn(&mut durable);
            }
        }
    }

    /// Puts the new base under the newest and the visible state, and lets go of the frozen overlay.
    ///
    /// Takes the turn to sync for it, so that no group taken before can show the old base after.
    fn install(&self, base: Arc<BaseSnapshot>) -> Result<(), StorageError> {
        let mut durable = self.durable.lock();
        while durable.is_taken {
            self.turn.wait(&mut durable);
        }
        let mut head = self.head.lock();
        head.base = Arc::clone(&base);
        head.frozen = None;
        let mut visible = self.visible.write();
        // Where readers do not see the newest state yet, what they see is at least as new as the freezing group, so its
        // overlay holds nothing that was frozen.
        let is_newest = self.visible_ts.load(Ordering::Acquire) == head.ts;
        let snapshot = match is_newest {
            true => head.snapshot(),
            false => Snapshot { ts: visible.ts, overlay: visible.overlay.clone(), frozen: None, base },
        };
        *visible = Arc::new(snapshot);
        Ok(())
    }

    /// The last checkpoint, after the last commit: the base has all, so the log goes.
    pub(super) fn final_checkpoint(&self) -> Result<(), StorageError> {
        let _turn = self.checkpoint_turn.lock();
        let (ts, overlay, log_goes_on): (u64, Overlay, bool) = {
            let head = self.head.lock();
            (head.ts, head.overlay.clone(), head.log_goes_on)
        };
        if overlay.is_empty() && !log_goes_on {
            return Ok(());
        }
        let figures = Figures { ts, log_from: self.log.next_number(), log_goes_on: false };
        self.base.apply(&mut overlay.changes(), figures, &|_| {})?;
        self.log.drop_before(figures.log_from)
    }

    /// The checkpoint thread's life.
    pub(super) fn run_checkpoints(&self) {
        loop {
            let mut state = self.checkpoint.lock();
            while !state.is_wanted && !state.is_spare_wanted && !self.is_ended() {
                self.work.wait(&mut state);
            }
            if self.is_ended() {
                return;
            }
            let is_wanted = std::mem::take(&mut state.is_wanted);
            let is_spare_wanted = std::mem::take(&mut state.is_spare_wanted);
            drop(state);
            if is_spare_wanted && let Err(error) = self.log.prepare_spare() {
                // Not fatal: the commit that needs a segment makes it itself, or fails with the reason.
                tracing::warn!(target: "tropism", %error, "no spare log segment could be made");
            }
            if is_wanted && self.run_checkpoint().is_err() {
                return;
            }
        }
    }

    /// The flush thread's life: relaxed commits become durable within the interval.
    pub(super) fn run_flushes(&self) {
        let mut state = self.checkpoint.lock();
        loop {
            while !self.is_flush_wanted.load(Ordering::Acquire) && !self.is_ended() {
                self.flush_work.wait(&mut state);
            }
            if self.is_ended() {
                return;
            }
            // Ends early when so much waits that the interval is too long for it, and when the store closes.
            self.flush_work.wait_for(&mut state, self.options.flush_interval);
            self.is_flush_wanted.store(false, Ordering::Release);
            let flushed = parking_lot::MutexGuard::unlocked(&mut state, || self.flush());
            if flushed.is_err() {
                return;
            }
        }
    }

    /// Waits until a checkpoint ends after the `seen`th one.
    pub(super) fn wait_for_checkpoint(&self, seen: u64) {
        self.want_checkpoint();
        let mut state = self.checkpoint.lock();
        while state.ended == seen && !self.is_ended() {
            self.checkpointed.wait(&mut state);
        }
    }

    pub(super) fn want_checkpoint(&self) {
        let mut state = self.checkpoint.lock();
        if !std::mem::replace(&mut state.is_wanted, true) {
            self.work.notify_one();
        }
    }

    pub(super) fn want_spare(&self) {
        self.checkpoint.lock().is_spare_wanted = true;
        self.work.notify_one();
    }

    /// Has relaxed commits flushed: within the interval, or at once.
    pub(super) fn want_flush(&self, early: bool) {
        let was_wanted = self.is_flush_wanted.swap(true, Ordering::AcqRel);
        if !was_wanted || early {
            let _state = self.checkpoint.lock();
            self.flush_work.notify_one();
        }
    }

    pub(super) fn wake_all(&self) {
        let _state = self.checkpoint.lock();
        self.work.notify_all();
        self.flush_work.notify_all();
        self.checkpointed.notify_all();
    }

    /// Whether the background threads have nothing to do any more.
    fn is_ended(&self) -> bool {
        self.is_closed.load(Ordering::Acquire) || self.is_poisoned.load(Ordering::Acquire)
    }
}
