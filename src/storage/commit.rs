//! The writer's place, and how a commit enters the newest state.
//!
//! One transaction at a time holds the writer's place, so executions are serial. It gives the place up before its
//! commit is durable: the next one runs on the newest state while the group before it is being synced.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use parking_lot::MutexGuard;

use super::{
    base::BaseSnapshot,
    log::{FRAME_ALIGNMENT, FRAME_HEADER_BYTES, Segment},
    overlay::Overlay,
    record::{Change, Commit},
    snapshot::Snapshot,
    store::{Background, Durability, Store},
};
use crate::{encoding::Key, error::StorageError};

/// From this many changes on, a commit is applied to a copy, so that readers need not wait for it.
const APPLY_ASIDE_CHANGES: usize = 256;
/// Relaxed commits are written out early when this much of them waits.
const FLUSH_EARLY_BYTES: usize = 1 << 20;

/// What only the holder of the writer's place may touch.
pub(crate) struct Writer {
    segment: Option<Arc<Segment>>,
    /// Room in the segment that is not promised to any commit yet.
    room_bytes: u64,
    record: Vec<u8>,
}

/// The newest state, durable or not.
pub(super) struct Head {
    pub(super) ts: u64,
    pub(super) overlay: Overlay,
    /// What a checkpoint is writing into the base.
    pub(super) frozen: Option<Arc<Overlay>>,
    pub(super) base: Arc<BaseSnapshot>,
    /// Frames to write with the next sync, oldest first; more than one where the segment changed.
    pub(super) pending: VecDeque<Pending>,
    /// How many commits `pending` holds, and how many the group before it held.
    pub(super) pending_commits: usize,
    pub(super) previous_commits: usize,
    /// The number of the group that `pending` is.
    pub(super) group: u64,
    /// The number of the group that the newest commit is in.
    pub(super) group_of_newest: u64,
    /// Whether the overlay is to be frozen for a checkpoint when the next group is taken.
    pub(super) freeze_wanted: bool,
    /// How often the overlay was frozen.
    pub(super) freezes: u64,
    /// What was logged since then. Overwriting the same keys lets the log grow and the overlay not.
    pub(super) logged_bytes: usize,
    /// The segment that the last commit went to, or that the log begins with. No later commit lies before it.
    pub(super) log_from: u64,
    /// Whether that segment exists.
    pub(super) log_goes_on: bool,
}

/// A frame in the making.
pub(super) struct Pending {
    pub(super) segment: Arc<Segment>,
    pub(super) frame: Vec<u8>,
    pub(super) first_ts: u64,
    pub(super) last_ts: u64,
}

/// A transaction's right to commit: while it is held, nobody else writes.
pub(crate) struct WritersPlace<'a> {
    store: &'a Store,
    writer: MutexGuard<'a, Writer>,
}

/// A commit that was applied: what to wait for until it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) ts: u64,
    pub(super) group: u64,
}

impl Store {
    /// Waits for the writer's place, and for a checkpoint where the overlay is over its limit.
    ///
    /// # Errors
    ///
    /// `Closed`; `Poisoned` after a storage failure.
    pub(crate) fn begin(&self) -> Result<WritersPlace<'_>, StorageError> {
        let writer = self.writer.lock();
        self.check_takes_writes()?;
        self.wait_for_room()?;
        Ok(WritersPlace { store: self, writer })
    }

    pub(super) fn check_takes_writes(&self) -> Result<(), StorageError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StorageError::Closed);
        }
        match &self.durable.lock().poisoned {
            Some(reason) => Err(StorageError::Poisoned { reason: Arc::clone(reason) }),
            None => Ok(()),
        }
    }

    /// Waits for a checkpoint while the changes outside the base take more memory than they may.
    fn wait_for_room(&self) -> Result<(), StorageError> {
        loop {
            let seen = self.checkpoint.lock().ended;
            let (size_bytes, is_due) = {
                let head = self.head.lock();
                (head.memory_bytes(), head.waiting_bytes() >= self.options.checkpoint_bytes)
            };
            let is_over = size_bytes > self.options.overlay_limit_bytes;
            match self.options.background {
                Background::Manual if is_over || is_due => self.run_checkpoint()?,
                Background::Threads if is_over => {
                    tracing::info!(target: "tropism", size_bytes, "a writer waits for the checkpoint");
                    self.wait_for_checkpoint(seen);
                    self.check_takes_writes()?;
                }
                Background::Manual | Background::Threads => return Ok(()),
            }
        }
    }

    /// Shows a commit to readers if it need not be durable first, and sees to what it made due.
    fn make_visible(&self, applied: Applied, durability: Durability) {
        let (is_due, flush_early) = {
            let head = self.head.lock();
            // A relaxed call on a durable database shows itself, and what was committed before it.
            if durability == Durability::Relaxed && self.options.durability == Durability::Durable {
                self.publish(head.snapshot());
            }
            (
                head.waiting_bytes() >= self.options.checkpoint_bytes && head.frozen.is_none(),
                head.pending_bytes() >= FLUSH_EARLY_BYTES,
            )
        };
        if durability == Durability::Relaxed || self.options.durability == Durability::Relaxed {
            self.announce(applied.ts);
        }
        if durability == Durability::Relaxed {
            self.want_flush(flush_early);
        }
        if is_due {
            self.want_checkpoint();
        }
    }
}

impl WritersPlace<'_> {
    /// The newest state: everything that was committed before, durable or not.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.store.head.lock().snapshot()
    }

    /// Commits the changes (at most one per key, in key order) and gives up the place.
    ///
    /// The caller's snapshot should be gone by now: while it is alive, applying copies what it shares.
    ///
    /// # Errors
    ///
    /// `DiskFull` if the log cannot grow; nothing was applied then. `Poisoned` after a storage failure.
    pub(crate) fn commit(
        mut self,
        changes: Vec<(Key, Change)>,
        durability: Durability,
    ) -> Result<Applied, StorageError> {
        let store = self.store;
        if changes.is_empty() {
            let head = store.head.lock();
            return Ok(Applied { ts: head.ts, group: head.group_of_newest });
        }
        let ts = store.head.lock().ts + 1;
        let commit = Arc::new(Commit::new(ts, store.clock.now(), changes));
        self.writer.record.clear();
        commit.encode(&mut self.writer.record);
        let segment = self.writer.reserve(store)?;
        let applied = self.apply(&commit, &segment);
        store.make_visible(applied, durability);
        Ok(applied)
    }

    fn apply(&self, commit: &Arc<Commit>, segment: &Arc<Segment>) -> Applied {
        let store = self.store;
        let aside = (commit.len() >= APPLY_ASIDE_CHANGES).then(|| {
            let (mut overlay, freezes) = {
                let head = store.head.lock();
                (head.overlay.clone(), head.freezes)
            };
            overlay.apply(commit);
            (overlay, freezes)
        });
        let mut head = store.head.lock();
        match aside {
            // A checkpoint that froze the overlay in the meantime made the copy useless.
            Some((overlay, freezes)) if freezes == head.freezes => head.overlay = overlay,
            _ => head.overlay.apply(commit),
        }
        head.ts = commit.ts;
        head.append(segment, &self.writer.record, commit.ts);
        if store.options.durability == Durability::Relaxed {
            store.visible_ts.store(commit.ts, Ordering::Release);
        }
        store.unannounced.lock().push_back(Arc::clone(commit));
        Applied { ts: commit.ts, group: head.group }
    }
}

impl Writer {
    pub(super) fn new(segment: Option<Arc<Segment>>) -> Self {
        let room_bytes = segment.as_ref().map_or(0, |segment| segment.room_bytes());
        Self { segment, room_bytes, record: Vec::new() }
    }

    /// Promises room in the log to the record at hand, so that nothing is applied that could not be written.
    fn reserve(&mut self, store: &Store) -> Result<Arc<Segment>, StorageError> {
        // The record might become a frame of its own.
        let needed_bytes = (FRAME_HEADER_BYTES + self.record.len()) as u64 + FRAME_ALIGNMENT;
        if let Some(segment) = self.segment.as_ref().filter(|_| self.room_bytes >= needed_bytes) {
            self.room_bytes -= needed_bytes;
            return Ok(Arc::clone(segment));
        }
        let segment = store.log.next_segment(needed_bytes).map_err(|error| {
            if error.is_disk_full() {
                return StorageError::DiskFull { reason: error.to_string().into() };
            }
            // Whatever of the new segment reached the disk, nothing may be written over it.
            store.poison(&mut store.durable.lock(), &error);
            error
        })?;
        store.want_spare();
        self.room_bytes = segment.room_bytes() - needed_bytes;
        Ok(Arc::clone(self.segment.insert(segment)))
    }
}

impl Head {
    pub(super) fn new(ts: u64, overlay: Overlay, base: Arc<BaseSnapshot>, log_from: u64, log_goes_on: bool) -> Self {
        Self {
            ts,
            overlay,
            frozen: None,
            base,
            pending: VecDeque::new(),
            pending_commits: 0,
            previous_commits: 0,
            group: 0,
            group_of_newest: 0,
            freeze_wanted: false,
            freezes: 0,
            logged_bytes: 0,
            log_from,
            log_goes_on,
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            ts: self.ts,
            overlay: self.overlay.clone(),
            frozen: self.frozen.clone(),
            base: Arc::clone(&self.base),
        }
    }

    /// Memory that the changes outside the base take, and frames that are not written yet: overwriting the same keys
    /// makes the overlay no larger.
    fn memory_bytes(&self) -> usize {
        let frozen_bytes = self.frozen.as_ref().map_or(0, |frozen| frozen.size_bytes());
        let frame_bytes: usize = self.pending.iter().map(|pending| pending.frame.len()).sum();
        self.overlay.size_bytes() + frozen_bytes + frame_bytes
    }

    /// What a checkpoint would take off the overlay or off the log, whichever is more.
    fn waiting_bytes(&self) -> usize {
        self.overlay.size_bytes().max(self.logged_bytes)
    }

    fn pending_bytes(&self) -> usize {
        self.pending.back().map_or(0, |pending| pending.frame.len())
    }

    fn append(&mut self, segment: &Arc<Segment>, record: &[u8], ts: u64) {
        self.group_of_newest = self.group;
        self.logged_bytes += record.len();
        self.pending_commits += 1;
        let fits = self.pending.back().is_some_and(|pending| pending.segment.number == segment.number);
        if !fits {
            let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + record.len());
            frame.resize(FRAME_HEADER_BYTES, 0);
            self.pending.push_back(Pending { segment: Arc::clone(segment), frame, first_ts: ts, last_ts: ts });
            self.log_from = segment.number;
            self.log_goes_on = true;
        }
        if let Some(pending) = self.pending.back_mut() {
            pending.frame.extend_from_slice(record);
            pending.last_ts = ts;
        }
    }
}
