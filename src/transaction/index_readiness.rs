//! [`IndexReadiness`]: whether an index covers every row, and how far it is if it does not.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use crate::encoding::{Key, KeyWriter};

/// Reserved keyspace: how far indexes are that are being built while the database is open.
const INDEX_PROGRESS_KEYSPACE: u32 = 2;
/// For an index that is ready at no commit.
const NEVER: u64 = u64::MAX;

/// How far one index is.
///
/// Rows that are written meanwhile have their entries, whatever their ids. So what is left to do are rows from
/// `next_id` on that nobody writes.
pub(super) struct IndexReadiness {
    /// The first commit at which it covers every row.
    ready_ts: AtomicU64,
    /// The rows below this id have entries.
    next_id: AtomicU64,
    /// The row with this id is the last that was there when the database was opened.
    last_id: AtomicU64,
    /// Why the building has stopped.
    failure: Mutex<Option<Arc<str>>>,
}

impl IndexReadiness {
    /// An index that covers every row.
    pub(super) fn ready() -> Self {
        Self {
            ready_ts: AtomicU64::new(0),
            next_id: AtomicU64::new(0),
            last_id: AtomicU64::new(0),
            failure: Mutex::default(),
        }
    }

    /// An index that is yet to be built.
    pub(super) fn building() -> Self {
        Self { ready_ts: AtomicU64::new(NEVER), ..Self::ready() }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready_ts.load(Ordering::Acquire) != NEVER
    }

    /// Whether it covers every row at a commit.
    pub(super) fn is_ready_at(&self, ts: u64) -> bool {
        self.ready_ts.load(Ordering::Acquire) <= ts
    }

    /// Covers every row from this commit on.
    pub(super) fn become_ready(&self, ts: u64) {
        self.ready_ts.store(ts, Ordering::Release);
    }

    /// Where to go on, and which row is the last.
    pub(super) fn set_range(&self, next_id: u64, last_id: u64) {
        self.next_id.store(next_id, Ordering::Release);
        self.last_id.store(last_id, Ordering::Release);
    }

    pub(super) fn set_next_id(&self, next_id: u64) {
        self.next_id.store(next_id, Ordering::Release);
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_id.load(Ordering::Acquire)
    }

    pub(super) fn last_id(&self) -> u64 {
        self.last_id.load(Ordering::Acquire)
    }

    /// Why the building has stopped.
    pub(super) fn failure(&self) -> Option<Arc<str>> {
        self.failure.lock().clone()
    }

    pub(super) fn set_failure(&self, failure: Option<Arc<str>>) {
        *self.failure.lock() = failure;
    }

    /// How many ids have been looked at, of how many.
    pub(super) fn progress(&self) -> (u64, u64) {
        let last_id = self.last_id();
        (self.next_id().saturating_sub(1).min(last_id), last_id)
    }
}

/// Where it is stored how far an index is; `keyspace` as the catalog has it.
pub(super) fn index_progress_key(keyspace: u32) -> Key {
    let mut key = KeyWriter::new(INDEX_PROGRESS_KEYSPACE);
    key.push(&keyspace.to_be_bytes());
    key.finish()
}
