//! One sync for many commits, and what becomes visible when.
//!
//! Whoever waits for its commit and finds nobody syncing takes its turn: it writes out everything that waits, syncs
//! once, and tells all whose commits were in it. Meanwhile others commit, and wait for the next turn.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
};

use parking_lot::MutexGuard;

use super::{
    commit::{Applied, Pending},
    overlay::Overlay,
    snapshot::Snapshot,
    store::{Durability, Store},
};
use crate::error::StorageError;

/// How often whoever takes the turn lets others run first. Each time takes less than a microsecond where none want to.
const GATHER_ROUNDS: usize = 16;

/// What is durable, and whose turn it is.
pub(super) struct Durable {
    pub(super) ts: u64,
    /// Whether somebody is syncing (or must not be disturbed by one who would).
    pub(super) is_taken: bool,
    /// Why the database takes no more writes.
    pub(super) poisoned: Option<Arc<str>>,
    /// An overlay that is durable in the log as a whole and waits for its checkpoint.
    pub(super) frozen: Option<Frozen>,
}

/// An overlay that takes no more changes, ready to be written into the base.
pub(super) struct Frozen {
    pub(super) overlay: Arc<Overlay>,
    pub(super) ts: u64,
    /// The log segment that goes on after it.
    pub(super) log_from: u64,
    pub(super) log_goes_on: bool,
}

/// Commits that become durable together.
struct Group {
    number: u64,
    frames: Vec<Pending>,
    /// The state with all of them.
    snapshot: Snapshot,
    frozen: Option<Frozen>,
}

impl Durable {
    pub(super) fn new(ts: u64) -> Self {
        Self { ts, is_taken: false, poisoned: None, frozen: None }
    }
}

impl Store {
    /// Waits until the commit is durable, syncing itself if nobody else does.
    ///
    /// # Errors
    ///
    /// `OutcomeUnknown` if its group could not be written.
    pub(crate) fn wait_durable(&self, commit: Applied) -> Result<(), StorageError> {
        let mut durable = self.durable.lock();
        while durable.ts < commit.ts {
            if let Some(reason) = &durable.poisoned {
                return Err(StorageError::OutcomeUnknown { reason: Arc::clone(reason) });
            }
            if durable.is_taken {
                self.group_done[group_slot(commit.group)].wait(&mut durable);
            } else {
                self.take_turn(&mut durable);
            }
        }
        Ok(())
    }

    /// Makes everything durable that was committed before the call.
    ///
    /// # Errors
    ///
    /// `Closed`; `OutcomeUnknown` if it could not be written.
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StorageError::Closed);
        }
        self.flush_committed()
    }

    /// Like `flush`, also for `close` itself.
    pub(super) fn flush_committed(&self) -> Result<(), StorageError> {
        let newest = {
            let head = self.head.lock();
            Applied { ts: head.ts, group: head.group_of_newest }
        };
        self.wait_durable(newest)
    }

    /// Writes and syncs what waits. The turn must be free, and is free again afterwards.
    pub(super) fn take_turn(&self, durable: &mut MutexGuard<'_, Durable>) {
        durable.is_taken = true;
        let group = MutexGuard::unlocked(durable, || {
            // A disk of the host's own may panic; the turn must be given up all the same.
            let panicked = |_| Err(StorageError::io("write", "the log", io::Error::other("the disk panicked")));
            catch_unwind(AssertUnwindSafe(|| self.write_group())).unwrap_or_else(panicked)
        });
        durable.is_taken = false;
        match group {
            Ok(done) => {
                durable.ts = done.ts;
                durable.frozen = done.frozen.or(durable.frozen.take());
                self.group_done[group_slot(done.number)].notify_all();
                // One of those who wait for the group after this one takes the next turn.
                self.group_done[group_slot(done.number + 1)].notify_one();
                self.turn.notify_all();
            }
            Err(error) => self.poison(durable, &error),
        }
    }

    fn write_group(&self) -> Result<Done, StorageError> {
        self.gather();
        let mut group = self.take_group();
        let mut frames = group.frames.iter_mut();
        frames.try_for_each(|frame| frame.segment.append(&mut frame.frame, frame.first_ts, frame.last_ts))?;
        Ok(self.finish(group))
    }

    /// Refuses every further write: what is on disk is not known any more.
    pub(super) fn poison(&self, durable: &mut MutexGuard<'_, Durable>, error: &StorageError) {
        tracing::error!(target: "tropism", %error, "the database takes no more writes");
        durable.poisoned.get_or_insert_with(|| error.to_string().into());
        self.is_poisoned.store(true, Ordering::Release);
        for group_done in &self.group_done {
            group_done.notify_all();
        }
        self.turn.notify_all();
        self.wake_all();
    }

    /// Lets those come in who were in the group before: they have just been woken and are about to commit again, and
    /// whoever misses this sync waits for two. Where nobody else commits, it does nothing.
    fn gather(&self) {
        for _ in 0..GATHER_ROUNDS {
            let is_complete = {
                let head = self.head.lock();
                head.pending_commits >= head.previous_commits
            };
            if is_complete {
                return;
            }
            std::thread::yield_now();
        }
    }

    fn take_group(&self) -> Group {
        let mut head = self.head.lock();
        head.previous_commits = std::mem::take(&mut head.pending_commits);
        let number = head.group;
        head.group += 1;
        let frames = std::mem::take(&mut head.pending).into();
        let mut frozen = None;
        if head.freeze_wanted && head.frozen.is_none() {
            let overlay = Arc::new(std::mem::take(&mut head.overlay));
            head.frozen = Some(Arc::clone(&overlay));
            head.freezes += 1;
            head.logged_bytes = 0;
            head.freeze_wanted = false;
            frozen = Some(Frozen { overlay, ts: head.ts, log_from: head.log_from, log_goes_on: head.log_goes_on });
        }
        Group { number, frames, snapshot: head.snapshot(), frozen }
    }

    /// Shows the durable group to readers and observers, before anybody hears that it is durable: who hears of its
    /// own commit finds it.
    fn finish(&self, group: Group) -> Done {
        let Group { number, snapshot, frozen, .. } = group;
        let ts = snapshot.ts;
        if self.options.durability == Durability::Durable {
            self.publish(snapshot);
            self.announce(ts);
        }
        Done { number, ts, frozen }
    }

    /// What readers see from now on, unless they see something newer already.
    pub(super) fn publish(&self, snapshot: Snapshot) {
        let ts = snapshot.ts;
        let mut visible = self.visible.write();
        if visible.ts <= ts {
            let replaced = std::mem::replace(&mut *visible, Arc::new(snapshot));
            self.visible_ts.fetch_max(ts, Ordering::AcqRel);
            drop(visible);
            // Freeing what only the old snapshot held takes a while; readers need not wait for it.
            drop(replaced);
        }
    }

    /// Tells the observer of every commit up to `ts` that it has not heard of, in order.
    pub(super) fn announce(&self, ts: u64) {
        let mut unannounced = self.unannounced.lock();
        while unannounced.front().is_some_and(|commit| commit.ts <= ts) {
            if let Some(commit) = unannounced.pop_front() {
                self.observers.read().iter().for_each(|observer| observer.committed(&commit));
            }
        }
    }

    /// What readers see where it is the newest state and nobody has looked since the last commit.
    pub(super) fn snapshot_of_head(&self) -> Arc<Snapshot> {
        let head = self.head.lock();
        let snapshot = Arc::new(head.snapshot());
        let mut visible = self.visible.write();
        if visible.ts <= snapshot.ts {
            *visible = Arc::clone(&snapshot);
        }
        snapshot
    }
}

/// A group that is durable and visible.
struct Done {
    number: u64,
    ts: u64,
    frozen: Option<Frozen>,
}

/// At most two groups have waiters: the one being synced and the one after it.
fn group_slot(group: u64) -> usize {
    (group % 2) as usize
}
