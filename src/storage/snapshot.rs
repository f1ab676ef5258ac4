//! Overlay and base as one ordered view at a timestamp.
//!
//! Up to four layers, the newest first: a transaction's own changes, the overlay, the overlay that a checkpoint is
//! writing into the base at the moment, and the base. The value of a key is that of the newest layer that knows the key.

use std::sync::Arc;

use super::{
    changes::Changes,
    layers::Layers,
    order::Order,
    scan::{Scan, split},
};
use crate::{
    encoding::{Key, KeyWriter},
    error::StorageError,
};

/// The database at one commit. Never changes; cheap to share; holds no lock.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) ts: u64,
    pub(super) layers: Arc<Layers>,
}

impl Snapshot {
    /// Reads one key's value. A point read of the base and at most two of the overlay.
    pub(crate) fn get<R>(&self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, StorageError> {
        if let Some(known) = self.layers.active.get(key, self.ts) {
            return Ok(known.as_deref().map(read));
        }
        if let Some(known) = self.layers.frozen.as_ref().and_then(|frozen| frozen.get(key, self.ts)) {
            return Ok(known.as_deref().map(read));
        }
        let (keyspace, local) = split(key);
        self.layers.base.get(keyspace, local, read)
    }

    /// Reads one row: [`get`](Self::get) without making the key where nothing but the base can have it.
    pub(crate) fn get_row<R>(
        &self,
        keyspace: u32,
        id: u64,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        if self.layers.active.is_empty() && self.layers.frozen.is_none() {
            return self.layers.base.get_row(keyspace, id, read);
        }
        let mut key = KeyWriter::new(keyspace);
        key.id(id);
        self.get(&key.finish(), read)
    }

    /// The entries from one composite key up to, not with, another, with `changes` laid over them. Both lie in one
    /// keyspace, or `end` is where the next one begins.
    pub(crate) fn scan<'a>(
        &'a self,
        changes: &'a Changes,
        start: &[u8],
        end: &[u8],
        order: Order,
    ) -> Result<Scan<'a>, StorageError> {
        Scan::new(&self.layers, self.ts, changes, start, end, order)
    }
}
