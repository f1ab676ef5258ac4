//! [`GroupCommit`]: one sync for many commits.
//!
//! Whoever waits for its commit and finds nobody syncing takes the turn: it writes out everything that waits, syncs
//! once, shows it to readers, and wakes those whose commits were in it. Meanwhile others commit, and one of them takes
//! the next turn.
//!
//! A write that fails leaves the outcome known: nothing of it counts until a sync, and it is tried again, now and when
//! somebody next needs it. A sync that fails leaves the outcome unknown: from then on writes are refused.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    log::{FRAME_HEADER_BYTES, Segment},
    publisher::Publisher,
    record::Commit,
};
use crate::error::StorageError;

/// How often whoever takes the turn lets others run first. Each time takes less than a microsecond where none want to.
const GATHER_ROUNDS: usize = 16;
/// How often a failed write is tried again at once.
const WRITE_ATTEMPTS: usize = 3;

/// Who syncs and who waits.
///
/// | state | guard | held |
/// |---|---|---|
/// | frames that wait to be written | `queue` | while a record is appended, and to take them |
/// | whose turn it is, who waits, why nothing works | `turn` | briefly; never during a write or sync |
pub(super) struct GroupCommit {
    queue: Mutex<Queue>,
    turn: Mutex<Turn>,
    durable_ts: AtomicU64,
    /// Whether `turn` says why writes are refused, or why the last attempt failed: so that it need not be locked to see
    /// that all is well.
    is_troubled: AtomicBool,
    publisher: Arc<Publisher>,
}

#[derive(Default)]
struct Queue {
    /// Oldest first; more than one where the segment changed, or after a failure.
    frames: VecDeque<PendingFrame>,
    size_bytes: usize,
    newest_ts: u64,
    /// How many commits wait, and how many the group before had.
    commits: usize,
    previous_commits: usize,
    /// A buffer of a written frame, to be used again.
    buffer: Vec<u8>,
}

/// A frame in the making.
struct PendingFrame {
    segment: Arc<Segment>,
    bytes: Vec<u8>,
    first_ts: u64,
    last_ts: u64,
}

#[derive(Default)]
struct Turn {
    is_taken: bool,
    waiters: Vec<Arc<Waiter>>,
    trouble: Option<Trouble>,
}

/// Why commits do not become durable.
#[derive(Clone)]
enum Trouble {
    /// The last attempt to write failed. The frames are kept, and are written by the next attempt.
    Write(StorageError),
    /// A sync failed. What is durable shows when the database is opened again.
    Sync(Arc<str>),
}

/// Somebody who waits for a commit, on a lock of its own: those who are woken do not queue for a common one.
struct Waiter {
    ts: u64,
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Waiter {
    fn wait(&self) {
        let mut is_woken = self.is_woken.lock();
        while !*is_woken {
            self.woken.wait(&mut is_woken);
        }
    }

    fn wake(&self) {
        *self.is_woken.lock() = true;
        self.woken.notify_one();
    }
}

impl GroupCommit {
    pub(super) fn new(durable_ts: u64, publisher: Arc<Publisher>) -> Self {
        Self {
            queue: Mutex::new(Queue { newest_ts: durable_ts, ..Queue::default() }),
            turn: Mutex::default(),
            durable_ts: AtomicU64::new(durable_ts),
            is_troubled: AtomicBool::new(false),
            publisher,
        }
    }

    /// Puts a commit's record into the next group; returns how many bytes wait.
    pub(super) fn enqueue(&self, segment: &Arc<Segment>, record: &[u8], ts: u64) -> usize {
        let mut queue = self.queue.lock();
        let queue = &mut *queue;
        queue.newest_ts = ts;
        queue.commits += 1;
        queue.size_bytes += record.len();
        match queue.frames.back_mut().filter(|frame| frame.segment.number == segment.number) {
            Some(frame) => {
                frame.bytes.extend_from_slice(record);
                frame.last_ts = ts;
            }
            None => {
                let mut bytes = std::mem::take(&mut queue.buffer);
                bytes.reserve(FRAME_HEADER_BYTES + record.len());
                bytes.resize(FRAME_HEADER_BYTES, 0);
                bytes.extend_from_slice(record);
                queue.frames.push_back(PendingFrame { segment: Arc::clone(segment), bytes, first_ts: ts, last_ts: ts });
            }
        }
        queue.size_bytes
    }

    /// Bytes of records that wait to be written.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.queue.lock().size_bytes
    }

    /// The newest commit that is durable.
    pub(super) fn durable_ts(&self) -> u64 {
        self.durable_ts.load(Ordering::Acquire)
    }

    /// Waits until the commit is durable, and syncs itself if nobody else does.
    ///
    /// # Errors
    ///
    /// `OutcomeUnknown` after a failed sync; `NotDurable` if the log could not be written.
    pub(super) fn wait_durable(&self, ts: u64) -> Result<(), StorageError> {
        if self.durable_ts() >= ts {
            return Ok(());
        }
        let mut turn = self.turn.lock();
        let mut has_tried = false;
        loop {
            if self.durable_ts() >= ts {
                return Ok(());
            }
            match &turn.trouble {
                Some(Trouble::Sync(reason)) => return Err(StorageError::OutcomeUnknown { reason: Arc::clone(reason) }),
                Some(Trouble::Write(error)) if has_tried => {
                    return Err(StorageError::NotDurable { reason: error.to_string().into(), kind: error.kind() });
                }
                Some(Trouble::Write(_)) | None => {}
            }
            has_tried = true;
            if !turn.is_taken {
                self.take_turn(&mut turn);
                continue;
            }
            let waiter = Arc::new(Waiter { ts, is_woken: Mutex::new(false), woken: Condvar::new() });
            turn.waiters.push(Arc::clone(&waiter));
            drop(turn);
            waiter.wait();
            if self.durable_ts() >= ts {
                return Ok(());
            }
            turn = self.turn.lock();
        }
    }

    /// Makes everything durable that was committed before the call.
    ///
    /// # Errors
    ///
    /// Those of [`wait_durable`](Self::wait_durable).
    pub(super) fn flush(&self) -> Result<(), StorageError> {
        let newest_ts = self.queue.lock().newest_ts;
        self.wait_durable(newest_ts)
    }

    /// Whether commits can become durable. After a failed write, tries again.
    ///
    /// # Errors
    ///
    /// `Poisoned` after a failed sync; `NotDurable` if the log cannot be written now either.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        if !self.is_troubled.load(Ordering::Acquire) {
            return Ok(());
        }
        let trouble = self.turn.lock().trouble.clone();
        match trouble {
            None => Ok(()),
            Some(Trouble::Sync(reason)) => Err(StorageError::Poisoned { reason }),
            Some(Trouble::Write(_)) => self.flush(),
        }
    }

    /// Why commits do not become durable, if they do not.
    pub(super) fn trouble(&self) -> Option<StorageError> {
        match self.turn.lock().trouble.clone()? {
            Trouble::Sync(reason) => Some(StorageError::Poisoned { reason }),
            Trouble::Write(error) => Some(error),
        }
    }

    /// Writes and syncs what waits. The turn must be free, and is free again afterwards.
    fn take_turn(&self, turn: &mut MutexGuard<'_, Turn>) {
        turn.is_taken = true;
        let mut large = Vec::new();
        let written = MutexGuard::unlocked(turn, || {
            self.gather();
            self.write_group(&mut large)
        });
        turn.is_taken = false;
        let was_troubled = turn.trouble.is_some();
        turn.trouble = written.err();
        self.is_troubled.store(turn.trouble.is_some(), Ordering::Release);
        match &turn.trouble {
            Some(Trouble::Sync(reason)) => {
                tracing::error!(target: "tropism", %reason, "the database takes no more writes until it is opened again");
            }
            Some(Trouble::Write(error)) => tracing::warn!(target: "tropism", %error, "the log could not be written"),
            None if was_troubled => tracing::info!(target: "tropism", "the log can be written again"),
            None => {}
        }
        let durable_ts = match turn.trouble {
            // Everybody hears of it.
            Some(_) => u64::MAX,
            None => self.durable_ts(),
        };
        let (done, mut waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut turn.waiters).into_iter().partition(|waiter| waiter.ts <= durable_ts);
        // One of those who wait for the next group takes the next turn.
        let next = waiting.pop();
        turn.waiters = waiting;
        MutexGuard::unlocked(turn, || {
            done.iter().chain(&next).for_each(|waiter| waiter.wake());
            drop(large);
        });
    }

    /// Lets those come in who were in the group before: they have just been woken and are about to commit again, and
    /// whoever misses this sync waits for two. Where nobody else commits, it does nothing.
    fn gather(&self) {
        for _ in 0..GATHER_ROUNDS {
            let is_complete = {
                let queue = self.queue.lock();
                queue.commits >= queue.previous_commits
            };
            if is_complete {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Puts the large commits of the group into `large`, to be freed when everybody has been woken.
    fn write_group(&self, large: &mut Vec<Arc<Commit>>) -> Result<(), Trouble> {
        let (mut frames, newest_ts) = {
            let mut queue = self.queue.lock();
            queue.previous_commits = std::mem::take(&mut queue.commits);
            queue.size_bytes = 0;
            (std::mem::take(&mut queue.frames), queue.newest_ts)
        };
        while let Some(frame) = frames.front_mut() {
            if let Err(trouble) = write_frame(frame) {
                self.put_back(frames);
                return Err(trouble);
            }
            frame.segment.advance(frame.bytes.len());
            let last_ts = frame.last_ts;
            if let Some(frame) = frames.pop_front()
                && frames.is_empty()
            {
                self.keep_buffer(frame.bytes);
            }
            // Shown before anybody hears that it is durable: who hears of its own commit finds it.
            large.append(&mut self.publisher.publish(last_ts));
            self.durable_ts.store(last_ts, Ordering::Release);
        }
        debug_assert!(self.durable_ts() >= newest_ts);
        Ok(())
    }

    /// Keeps frames that could not be written, before those that have come meanwhile.
    fn put_back(&self, mut frames: VecDeque<PendingFrame>) {
        let mut queue = self.queue.lock();
        queue.size_bytes += frames.iter().map(|frame| frame.bytes.len()).sum::<usize>();
        frames.append(&mut queue.frames);
        queue.frames = frames;
    }

    fn keep_buffer(&self, mut buffer: Vec<u8>) {
        /// Larger buffers are not kept.
        const LARGEST_KEPT_BYTES: usize = 1 << 20;
        if buffer.capacity() <= LARGEST_KEPT_BYTES {
            buffer.clear();
            self.queue.lock().buffer = buffer;
        }
    }
}

/// Writes a frame and makes it durable.
fn write_frame(frame: &mut PendingFrame) -> Result<(), Trouble> {
    let mut failures = 0;
    while let Err(error) = frame.segment.write(&mut frame.bytes, frame.first_ts, frame.last_ts) {
        failures += 1;
        if failures == WRITE_ATTEMPTS {
            return Err(Trouble::Write(error));
        }
    }
    frame.segment.sync().map_err(|error| Trouble::Sync(error.to_string().into()))
}
