//! What all work on whole tables has in common: it goes through a keyspace in batches, and each batch is a commit.
//!
//! A batch is bounded by its bytes, of what is read and of what is written, so memory and log records stay small
//! whatever rows weigh. Between two batches no snapshot is held, and each commit waits for the checkpoint where the
//! overlay is full.

use super::{progress::BuildProgress, stored::bounds};
use crate::{
    encoding::{KEYSPACE_BYTES, Key},
    error::{OpenError, StorageError},
    schema::catalog::Catalog,
    storage::{Change, Changes, Durability, Order, Snapshot, Store},
    transaction::tables::catalog_key,
};

/// The most entries that are read for one batch.
const BATCH_ENTRIES: u64 = 1_000;
/// The most bytes that are read and written for one batch, unless one entry has more.
const BATCH_BYTES: usize = 1 << 20;
/// A batch takes at most this part of what a transaction may have.
const BATCHES_PER_TRANSACTION: usize = 8;

/// The store whose tables are worked on, and its catalog.
pub(super) struct Bulk<'a> {
    pub(super) store: &'a Store,
    catalog: Catalog,
    progress: &'a mut dyn FnMut(BuildProgress),
}

impl<'a> Bulk<'a> {
    /// `catalog` is the stored one.
    pub(super) fn new(store: &'a Store, catalog: Catalog, progress: &'a mut dyn FnMut(BuildProgress)) -> Self {
        Self { store, catalog, progress }
    }

    /// The catalog, as it is stored.
    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Stores another catalog.
    pub(super) fn save(&mut self, catalog: Catalog) -> Result<(), OpenError> {
        self.save_with(catalog, Changes::new())
    }

    /// Stores another catalog, in one commit with other changes.
    pub(super) fn save_with(&mut self, catalog: Catalog, mut changes: Changes) -> Result<(), OpenError> {
        changes.insert(catalog_key(), Change::Put(catalog.encode().into()));
        self.commit(changes)?;
        self.catalog = catalog;
        Ok(())
    }

    /// Commits without waiting for the disk; the whole opening is made durable at its end.
    pub(super) fn commit(&self, changes: Changes) -> Result<(), StorageError> {
        self.store.begin()?.commit(changes.into_vec(), Durability::Relaxed).map(drop)
    }

    pub(super) fn report(&mut self, progress: BuildProgress) {
        (self.progress)(progress);
    }
}

/// A walk through all entries of a keyspace, batch by batch.
pub(super) struct Walk {
    /// Where the next batch begins; `None` once the end was reached.
    start: Option<Vec<u8>>,
    end: [u8; 4],
    limit_bytes: usize,
    entries_done: u64,
}

/// The changes that come of one batch of entries.
pub(super) struct Batch {
    pub(super) changes: Changes,
    size_bytes: usize,
}

impl Walk {
    pub(super) fn new(store: &Store, keyspace: u32) -> Self {
        let (start, end) = bounds(keyspace);
        let limit_bytes = BATCH_BYTES.min(store.transaction_limit_bytes() / BATCHES_PER_TRANSACTION);
        Self { start: Some(start.to_vec()), end, limit_bytes, entries_done: 0 }
    }

    /// How many entries were walked over.
    pub(super) fn entries_done(&self) -> u64 {
        self.entries_done
    }

    /// Shows `each` the key (within the keyspace) and value of the next entries, one batch of them, and returns the
    /// changes that it made of them. `None` if no entries are left.
    pub(super) fn next_batch(
        &mut self,
        snapshot: &Snapshot,
        mut each: impl FnMut(&[u8], &[u8], &mut Batch) -> Result<(), OpenError>,
    ) -> Result<Option<Changes>, OpenError> {
        let Some(start) = &mut self.start else { return Ok(None) };
        let no_changes = Changes::new();
        let mut scan = snapshot.scan(&no_changes, start, &self.end, Order::Ascending)?;
        let mut batch = Batch { changes: Changes::new(), size_bytes: 0 };
        for entries in 0..BATCH_ENTRIES {
            if batch.size_bytes >= self.limit_bytes {
                break;
            }
            if !scan.advance()? {
                self.start = None;
                return Ok((entries > 0).then_some(batch.changes));
            }
            batch.size_bytes += scan.key().len() + scan.value().len();
            each(scan.key(), scan.value(), &mut batch)?;
            self.entries_done += 1;
        }
        start.truncate(KEYSPACE_BYTES);
        start.extend_from_slice(scan.key());
        start.push(0);
        Ok(Some(batch.changes))
    }
}

impl Batch {
    pub(super) fn change(&mut self, key: Key, change: Change) {
        let value_bytes = match &change {
            Change::Put(value) => value.len(),
            Change::Delete | Change::Touch => 0,
        };
        self.size_bytes += key.len() + value_bytes;
        self.changes.insert(key, change);
    }
}

/// The id of a row that a walk came to.
pub(super) fn id_of(key: &[u8]) -> u64 {
    key.first_chunk::<8>().map_or(0, |id| u64::from_be_bytes(*id))
}
