//! [`WriteLock`]: the right to commit, and what a commit under it does.

use std::sync::{Arc, atomic::Ordering};

use parking_lot::MutexGuard;

use super::{Committer, Writer};
use crate::{
    encoding::Key,
    error::StorageError,
    storage::{
        options::Durability,
        record::{Change, Commit},
        snapshot::Snapshot,
    },
};

/// Relaxed commits are written out early when this much of them waits.
const FLUSH_EARLY_BYTES: usize = 1 << 20;
/// A transaction's right to commit: while it is held, nobody else writes.
pub(crate) struct WriteLock<'a> {
    pub(super) committer: &'a Committer,
    pub(super) writer: MutexGuard<'a, Writer>,
    /// Whether nobody may see the commit before it is durable.
    pub(super) is_held: bool,
}

/// A commit that was applied: what to wait for until it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) ts: u64,
    /// Whether readers see it already.
    pub(crate) is_shown: bool,
}

impl WriteLock<'_> {
    /// The newest state: everything that was committed before, durable or not.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { ts: self.committer.head.lock().ts, layers: self.committer.publisher.layers() }
    }

    /// Lets those write first who wait for the lock.
    pub(crate) fn let_others_first(&mut self) {
        MutexGuard::bump(&mut self.writer);
    }

    /// Has the commit shown only when it is durable, also where relaxed commits are shown at once; those after it wait
    /// for it.
    pub(crate) fn show_when_durable(&mut self) {
        self.is_held = true;
    }

    /// Commits the changes (at most one per key, in key order) and gives up the lock.
    ///
    /// # Errors
    ///
    /// `DiskFull` or `Io` if the log cannot grow; nothing was applied then.
    pub(crate) fn commit(self, changes: Vec<(Key, Change)>, durability: Durability) -> Result<Applied, StorageError> {
        self.commit_noted(changes, durability, |_| {})
    }

    /// The same; `note` is told of the commit before the lock is given up.
    ///
    /// # Errors
    ///
    /// As for [`commit`](Self::commit).
    pub(crate) fn commit_noted(
        mut self,
        changes: Vec<(Key, Change)>,
        durability: Durability,
        note: impl FnOnce(u64),
    ) -> Result<Applied, StorageError> {
        let committer = self.committer;
        if changes.is_empty() {
            let ts = committer.head.lock().ts;
            drop(self);
            // What a relaxed call has seen, others see.
            let is_shown = durability == Durability::Relaxed && committer.show(ts);
            return Ok(Applied { ts, is_shown });
        }
        let writer = &mut *self.writer;
        let ts = committer.head.lock().ts + 1;
        let commit = Arc::new(Commit::new(ts, committer.clock.now(), changes));
        writer.record.clear();
        commit.encode(&mut writer.record);
        let reserved = writer.reserve(&committer.log, &committer.background);
        let segment = match reserved {
            Ok(segment) => segment,
            Err(error) => {
                writer.shrink_record();
                committer.note_log_failure(writer, &error);
                return Err(error);
            }
        };
        let waiting_bytes = committer.apply(writer, commit, &segment);
        writer.shrink_record();
        note(ts);
        if self.is_held {
            committer.held_ts.store(ts, Ordering::Release);
        }
        drop(self);
        if durability == Durability::Relaxed {
            committer.background.want_flush(waiting_bytes >= FLUSH_EARLY_BYTES);
        }
        let is_early = durability == Durability::Relaxed || committer.options.durability == Durability::Relaxed;
        Ok(Applied { ts, is_shown: is_early && committer.show(ts) })
    }
}
