//! [`Committer`]: who may write, and how a commit enters the newest state.
//!
//! One transaction at a time holds the [`WriteLock`], so executions are serial. It gives the lock up before its commit
//! is durable: the next one runs on the newest state while the group before it is being synced.

mod write_lock;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

pub(crate) use self::write_lock::{Applied, WriteLock};
use super::{
    background::Background,
    base::Figures,
    checkpointer::Checkpointer,
    group_commit::GroupCommit,
    log::{Log, Segment},
    options::{BackgroundWork, StoreOptions},
    publisher::Publisher,
    record::{Change, Commit},
    throttle::Throttle,
    writer::Writer,
};
use crate::{error::StorageError, time::Clock};

/// How long a writer that must have room waits for one attempt of a checkpoint before it looks again.
const ROOM_WAIT: Duration = Duration::from_secs(1);
/// Writers are slowed down when more than this part of the limit is in use.
const SLOW_FROM_SHARE: usize = 4;

/// Takes commits in: into the log's queue, the overlay and the hands of the publisher.
///
/// | state | guard | held |
/// |---|---|---|
/// | the right to commit, the log's current segment | `writer` | for a whole write transaction |
/// | the newest commit | `head` | while a commit is applied; to freeze |
/// | why there was no room in the log | `log_failure` | to set or copy it |
///
/// `logged_bytes` is written by the holder of `head` and read by anybody. Nothing that a checkpoint, a sync or a reader
/// needs is behind `writer`, and nothing that `health` shows is behind `writer` or `head`.
pub(super) struct Committer {
    options: StoreOptions,
    clock: Arc<dyn Clock>,
    log: Arc<Log>,
    group: Arc<GroupCommit>,
    publisher: Arc<Publisher>,
    checkpointer: Arc<Checkpointer>,
    background: Arc<Background>,
    writer: Mutex<Writer>,
    head: Mutex<Head>,
    /// What was logged since the overlay was frozen, or replayed.
    logged_bytes: AtomicUsize,
    /// Why the last commit found no room in the log.
    log_failure: Mutex<Option<StorageError>>,
    /// Set before the lock is waited for to close: whoever waits for room under it gives up.
    is_closing: AtomicBool,
    throttle: Throttle,
    /// The newest commit that nobody may see before it is durable.
    held_ts: AtomicU64,
}

/// The newest commit, and how much has been logged.
struct Head {
    /// The newest commit, durable or not.
    ts: u64,
    /// The segment that it is in, if it is in the log.
    segment: Option<u64>,
    is_closed: bool,
}

/// The parts that a committer works with.
pub(super) struct Parts {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log: Arc<Log>,
    pub(super) group: Arc<GroupCommit>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) checkpointer: Arc<Checkpointer>,
    pub(super) background: Arc<Background>,
}

impl Committer {
    /// Goes on after commit `ts`, in `segment`, with so much in the log that the base lacks.
    pub(super) fn new(
        options: StoreOptions,
        parts: Parts,
        ts: u64,
        segment: Option<Arc<Segment>>,
        logged_bytes: u64,
    ) -> Self {
        let Parts { clock, log, group, publisher, checkpointer, background } = parts;
        let logged_bytes = usize::try_from(logged_bytes).unwrap_or(usize::MAX);
        let number = segment.as_ref().map(|segment| segment.number);
        let head = Head { ts, segment: number, is_closed: false };
        let writer = Writer::new(segment);
        Self {
            options,
            clock,
            log,
            group,
            publisher,
            checkpointer,
            background,
            writer: Mutex::new(writer),
            head: Mutex::new(head),
            logged_bytes: AtomicUsize::new(logged_bytes),
            log_failure: Mutex::default(),
            is_closing: AtomicBool::new(false),
            throttle: Throttle::default(),
            held_ts: AtomicU64::new(0),
        }
    }

    /// Waits for the write lock, and for a checkpoint where the overlay is over its limit.
    ///
    /// # Errors
    ///
    /// `Closed`; `Poisoned` after a failed sync of the log; `NotDurable` while the log cannot be written; what keeps the
    /// checkpoint from making room.
    pub(super) fn begin(&self) -> Result<WriteLock<'_>, StorageError> {
        self.slow_down();
        let mut writer = self.writer.lock();
        if writer.is_closed {
            return Err(StorageError::Closed);
        }
        self.group.check()?;
        self.wait_for_room(&mut writer)?;
        Ok(WriteLock { committer: self, writer, is_held: false })
    }

    /// Takes no more commits. Waits for the transaction that is running.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
        self.checkpointer.wake_all();
        let mut writer = self.writer.lock();
        writer.is_closed = true;
        self.head.lock().is_closed = true;
    }

    /// Shows readers everything up to a commit, durable or not. `false` if something in it may be shown only when it is
    /// durable; the group that makes it so shows it then.
    pub(super) fn show(&self, ts: u64) -> bool {
        let is_free = self.held_ts.load(Ordering::Acquire) <= self.group.durable_ts();
        if is_free {
            drop(self.publisher.publish(ts));
        }
        is_free
    }

    /// Freezes everything that was committed; the answer is whether there was something.
    ///
    /// # Errors
    ///
    /// `Closed`: the last checkpoint is for whoever closes to make.
    pub(super) fn freeze(&self) -> Result<bool, StorageError> {
        let head = self.head.lock();
        match head.is_closed {
            true => Err(StorageError::Closed),
            false => Ok(self.freeze_at(&head)),
        }
    }

    /// Freezes everything after the last commit, such that the base needs no log any more.
    pub(super) fn freeze_last(&self) -> bool {
        let head = self.head.lock();
        if self.is_base_all(&head) {
            return false;
        }
        self.logged_bytes.store(0, Ordering::Relaxed);
        let figures = Figures { ts: head.ts, log_from: self.log.next_number(), log_goes_on: false };
        self.checkpointer.freeze(figures)
    }

    /// What the log holds that the base lacks, in bytes.
    pub(super) fn logged_bytes(&self) -> usize {
        self.logged_bytes.load(Ordering::Relaxed)
    }

    /// Why the last commit found no room in the log, if it found none.
    pub(super) fn log_failure(&self) -> Option<StorageError> {
        self.log_failure.lock().clone()
    }

    #[cold]
    fn note_log_failure(&self, writer: &mut Writer, error: &StorageError) {
        *self.log_failure.lock() = Some(error.clone());
        if !std::mem::replace(&mut writer.has_log_failed, true) {
            tracing::warn!(target: "tropism", %error, "there is no room in the log for commits");
        }
    }

    #[cold]
    fn forget_log_failure(&self, writer: &mut Writer) {
        writer.has_log_failed = false;
        *self.log_failure.lock() = None;
        tracing::info!(target: "tropism", "there is room in the log again");
    }

    /// Whether there is nothing outside the base.
    fn is_base_all(&self, head: &Head) -> bool {
        head.segment.is_none() && self.publisher.layers().active.is_empty()
    }

    fn freeze_at(&self, head: &Head) -> bool {
        if self.is_base_all(head) {
            return false;
        }
        let log_from = head.segment.unwrap_or_else(|| self.log.next_number());
        let figures = Figures { ts: head.ts, log_from, log_goes_on: head.segment.is_some() };
        let has_frozen = self.checkpointer.freeze(figures);
        if has_frozen {
            self.logged_bytes.store(0, Ordering::Relaxed);
        }
        has_frozen
    }

    /// Waits while the changes outside the base take more memory than they may.
    fn wait_for_room(&self, writer: &mut Writer) -> Result<(), StorageError> {
        let mut has_waited = false;
        while writer.is_pressed {
            let seen = self.checkpointer.ended();
            let layers = self.publisher.layers();
            let size_bytes = layers.memory_bytes() + self.group.waiting_bytes();
            let is_over = size_bytes > self.options.overlay_limit_bytes;
            let is_due = layers.active.size_bytes().max(self.logged_bytes()) >= self.options.checkpoint_bytes;
            drop(layers);
            if !is_over && !is_due {
                writer.is_pressed = false;
                if has_waited {
                    tracing::info!(target: "tropism", "writers go on");
                }
                return Ok(());
            }
            self.freeze()?;
            if self.options.background == BackgroundWork::ByHand {
                match self.checkpointer.write() {
                    Ok(()) if is_over => continue,
                    Err(error) if is_over => return Err(error),
                    // There is room all the same, and the next write tries again.
                    Ok(()) | Err(_) => return Ok(()),
                }
            }
            // One that failed is tried again after a pause, unless writers cannot go on without it.
            if is_over || !self.checkpointer.has_failed() {
                self.background.want_checkpoint();
            }
            if !is_over {
                return Ok(());
            }
            if !std::mem::replace(&mut has_waited, true) {
                tracing::info!(target: "tropism", size_bytes, "writers wait for the checkpoint");
            }
            let failure = self.checkpointer.wait_after(seen, ROOM_WAIT);
            if self.is_closing.load(Ordering::Acquire) {
                return Err(StorageError::Closed);
            }
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Delays a writer a little where the overlay fills faster than checkpoints empty it, so that later ones need not be
    /// stopped.
    fn slow_down(&self) {
        let Some(delay) = self.throttle.delay(Instant::now()) else { return };
        let seen = self.checkpointer.ended();
        if self.checkpointer.running().is_none() {
            return self.throttle.clear();
        }
        self.checkpointer.wait_after(seen, delay);
    }

    /// Slows the next writers down after a commit that took some of the room that a running checkpoint will free.
    ///
    /// What comes meanwhile is to take half of the limit, so that the next checkpoint has the other half beside it.
    fn note_pressure(&self, taken_bytes: usize, active_bytes: usize, memory_bytes: usize) {
        let limit_bytes = self.options.overlay_limit_bytes;
        if memory_bytes > limit_bytes / SLOW_FROM_SHARE
            && self.options.background == BackgroundWork::Threads
            && let Some(running) = self.checkpointer.running()
        {
            let room_bytes = limit_bytes.saturating_sub(memory_bytes);
            let share_bytes = (limit_bytes / 2).saturating_sub(active_bytes);
            self.throttle.note(Instant::now(), taken_bytes, share_bytes.clamp(room_bytes / 4, room_bytes), running);
        }
    }
}

impl Committer {
    /// Takes a commit into the overlay, the log's queue and the publisher's hands; returns how many bytes wait to be
    /// written.
    fn apply(&self, writer: &mut Writer, commit: Arc<Commit>, segment: &Arc<Segment>) -> usize {
        let ts = commit.ts;
        let mut head = self.head.lock();
        let layers = self.publisher.layers();
        let memory_bytes_before = layers.memory_bytes();
        let puts = commit.changes().filter(|(_, change)| matches!(change, Change::Put(_))).map(|(key, _)| key);
        layers.empty.begin_commit(ts, puts);
        layers.active.apply(&commit);
        self.publisher.take(commit);
        let waiting_bytes = self.group.enqueue(segment, &writer.record, ts);
        if writer.has_log_failed {
            self.forget_log_failure(writer);
        }
        head.ts = ts;
        head.segment = Some(segment.number);
        let logged_bytes = self.logged_bytes() + writer.record.len();
        self.logged_bytes.store(logged_bytes, Ordering::Relaxed);
        let memory_bytes = layers.memory_bytes();
        let active_bytes = layers.active.size_bytes();
        let is_due = active_bytes.max(logged_bytes) >= self.options.checkpoint_bytes;
        drop(layers);
        writer.is_pressed |= is_due || memory_bytes + waiting_bytes > self.options.overlay_limit_bytes;
        if is_due && self.options.background == BackgroundWork::Threads && self.freeze_at(&head) {
            self.background.want_checkpoint();
        }
        drop(head);
        self.note_pressure(memory_bytes - memory_bytes_before, active_bytes, memory_bytes);
        waiting_bytes
    }
}
