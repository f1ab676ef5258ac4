//! [`WriteTx`]: a private buffer of changes over the newest state.

use std::{ops::Deref, sync::Arc};

use super::{
    buffer::{WriteBuffer, most_bytes},
    entry_changes::{EntryChange, EntryChanges, IndexKey},
    id_sequence::Showing,
    limits::{MAX_KEY_BYTES, MAX_ROW_BYTES},
    read::ReadTx,
    tables::OpenTable,
};
use crate::{
    encoding::{KEYSPACE_BYTES, Key, created_at_of, prefix_end},
    error::{Error, RowError, TransactionError},
    schema::{Doc, Id, IndexKeys, IndexKind, Table, encode_row, referenced},
    storage::{Change, Order},
    time::Timestamp,
};

/// What the next id of a table takes in a commit.
const NEXT_ID_BYTES: usize = 64;

/// A transaction that reads and writes. It sees the newest state and its own changes; nobody sees those before the
/// commit, and nobody ever does if the closure fails.
///
/// It reads like a [`ReadTx`], which it dereferences to.
///
/// What it would commit is limited to [`Config::overlay_limit_bytes`](crate::Config::overlay_limit_bytes). Only the
/// outcome counts: a row that is changed a million times is one change, and one that is inserted and deleted is none.
/// A call that would go past the limit is refused and changes nothing.
pub struct WriteTx {
    read: ReadTx,
    /// When the transaction began: the creation time of what it inserts.
    now: Timestamp,
    limit_bytes: usize,
    /// The size that was refused last, if anything was: a host that goes on all the same must not commit a part.
    refused_bytes: Option<usize>,
    /// How many rows were inserted, changed or deleted, for whoever measures.
    documents_written: u64,
    /// The first id of each table that was inserted into, by the table's position. A rollback leaves them.
    first_ids: Vec<(usize, u64)>,
}

/// What a transaction commits.
pub(super) struct WrittenChanges {
    /// In key order, at most one per key.
    pub(super) changes: Vec<(Key, Change)>,
    /// The tables whose ids are stored with them, by position, each with the first id.
    pub(super) first_ids: Vec<(usize, u64)>,
    /// Whether nobody may see them before they are durable.
    pub(super) must_be_durable: bool,
}

impl Deref for WriteTx {
    type Target = ReadTx;

    fn deref(&self) -> &ReadTx {
        &self.read
    }
}

impl WriteTx {
    pub(super) fn new(read: ReadTx, now: Timestamp, limit_bytes: usize) -> Self {
        Self { read, now, limit_bytes, refused_bytes: None, documents_written: 0, first_ids: Vec::new() }
    }

    /// When the transaction began, by the clock of the database: the creation time of what it inserts.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How many rows this transaction has inserted, changed or deleted.
    pub(crate) fn documents_written(&self) -> u64 {
        self.documents_written
    }

    /// Adds a row and returns its id, which no row of the table ever had and, if this transaction commits, none other will
    /// have: not after a rollback of a nested part, nor after the table was dropped and declared again.
    ///
    /// # Errors
    ///
    /// A unique index that has the key, a reference to nothing, a key or row over its limit, or a transaction over its
    /// limit. Nothing is changed then.
    pub fn insert<T: Table>(&mut self, value: T) -> Result<Id<T>, Error> {
        let position = self.read.tables.position::<T>()?;
        let table = self.read.tables.at(position);
        let id = table.ids.next(&self.read.snapshot)?.ok_or(TransactionError::IdsExhausted { table: table.name() })?;
        let row = encode(&value, table, self.now)?;
        self.check_references(&value, table, None)?;
        let keys = index_keys(&value, table, id);
        for (index, key) in &keys {
            self.check_entry(table, *index, key, id)?;
        }
        let row_key = table.row_key(id);
        let most_bytes =
            keys.iter().fold(NEXT_ID_BYTES + most_bytes(&row_key, row.len()), |sum, (_, key)| sum + most_bytes(key, 0));
        self.within_limit(most_bytes, |buffer| {
            buffer.put(row_key, row);
            keys.into_iter().for_each(|(_, key)| buffer.add_entry(key));
        })?;
        self.give_id(position, id);
        Ok(Id::from_raw(id))
    }

    /// Changes a row in place: reads it, lets `change` work on it, and writes it if it became different.
    ///
    /// # Errors
    ///
    /// `NotFound`, and what [`insert`](Self::insert) answers. Nothing is changed then.
    pub fn patch<T: Table>(&mut self, id: Id<T>, change: impl FnOnce(&mut T)) -> Result<(), Error> {
        let old = self.existing(id)?;
        let mut new = T::clone(&old);
        change(&mut new);
        self.update(&old, new)
    }

    /// Puts another value in the place of a row; id and creation time stay. This mends a row that does not decode.
    ///
    /// # Errors
    ///
    /// `NotFound`, and what [`insert`](Self::insert) answers. Nothing is changed then.
    pub fn replace<T: Table>(&mut self, id: Id<T>, value: T) -> Result<(), Error> {
        match self.existing(id) {
            Ok(old) => self.update(&old, value),
            Err(Error::Row(RowError::Decode { .. })) => self.replace_unreadable(id.as_u64(), &value),
            Err(error) => Err(error),
        }
    }

    /// Runs a part of the transaction that is rolled back alone if it fails: on `Err`, and on a panic that is caught
    /// further up, everything it did is undone, and nothing that was done before it.
    pub fn nested<R, E>(&mut self, part: impl FnOnce(&mut Self) -> Result<R, E>) -> Result<R, E> {
        let mut nested = Nested::begin(self);
        let result = part(nested.tx);
        nested.is_kept = result.is_ok();
        result
    }

    /// The changes, with what is stored of the ids that were given out. A transaction without changes stores nothing.
    pub(super) fn into_changes(mut self, showing: Showing) -> Result<WrittenChanges, Error> {
        if let Some(size_bytes) = self.refused_bytes {
            return Err(self.too_large(size_bytes));
        }
        let mut must_be_durable = false;
        if self.read.buffer.changes().is_empty() {
            self.first_ids.clear();
        }
        for (position, _) in &self.first_ids {
            let Some(record) = self.read.tables.at(*position).ids.record(showing) else { continue };
            must_be_durable |= record.must_be_durable;
            self.read.buffer.put(record.next.0, record.next.1);
            if let Some((key, end)) = record.reserved {
                self.read.buffer.put(key, end);
            }
        }
        let changes = self.read.buffer.into_changes().into_vec();
        Ok(WrittenChanges { changes, first_ids: self.first_ids, must_be_durable })
    }

    fn update<T: Table>(&mut self, old: &Doc<T>, new: T) -> Result<(), Error> {
        if old.is_same(&new) {
            return Ok(());
        }
        let table = self.read.tables.of::<T>()?;
        let id = old.id().as_u64();
        let row = encode(&new, table, old.created_at())?;
        self.check_references(&new, table, Some(old))?;
        let (old_keys, new_keys) = (index_keys::<T>(old, table, id), index_keys(&new, table, id));
        let entries = self.checked_entries(table, id, old_keys, new_keys)?;
        self.put_row(table.row_key(id), row, entries)
    }

    /// Puts a value in the place of a row that does not decode.
    fn replace_unreadable<T: Table>(&mut self, id: u64, value: &T) -> Result<(), Error> {
        let table = self.read.tables.of::<T>()?;
        let Some(old_keys) = self.read.keys_of_row(table, id)? else { return Ok(()) };
        let created_at = self.read.read_row(table, id, created_at_of)?.flatten().unwrap_or(self.now);
        let row = encode(value, table, created_at)?;
        self.check_references(value, table, None)?;
        let entries = self.checked_entries(table, id, old_keys, index_keys(value, table, id))?;
        self.put_row(table.row_key(id), row, entries)
    }

    /// What becomes of the index entries of a row that changes, if its new ones may be added.
    pub(super) fn checked_entries(
        &self,
        table: &OpenTable,
        id: u64,
        old: Vec<IndexKey>,
        new: Vec<IndexKey>,
    ) -> Result<Vec<(Key, EntryChange)>, Error> {
        EntryChanges::between(old, new)
            .map(|((index, key), change)| {
                if change == EntryChange::Add {
                    self.check_entry(table, index, &key, id)?;
                }
                Ok((key, change))
            })
            .collect()
    }

    /// Puts a row in the place of an earlier one.
    pub(super) fn put_row(&mut self, key: Key, row: Arc<[u8]>, entries: Vec<(Key, EntryChange)>) -> Result<(), Error> {
        let most_bytes = entries.iter().fold(most_bytes(&key, row.len()), |sum, (key, _)| sum + most_bytes(key, 0));
        self.within_limit(most_bytes, |buffer| {
            buffer.put(key, row);
            for (key, change) in entries {
                match change {
                    EntryChange::Add => buffer.add_entry(key),
                    EntryChange::Touch => buffer.touch_entry(key),
                    EntryChange::Remove => buffer.remove_entry(key),
                }
            }
        })
    }

    /// Removes index entries, and leaves their row.
    pub(super) fn remove_entries(&mut self, keys: Vec<Key>) -> Result<(), Error> {
        let most_bytes = keys.iter().map(|key| most_bytes(key, 0)).sum();
        self.within_limit(most_bytes, |buffer| keys.into_iter().for_each(|key| buffer.remove_entry(key)))
    }

    /// Deletes a row that is there and its index entries, and nothing else.
    pub(super) fn remove_row(&mut self, position: usize, id: u64, keys: Vec<IndexKey>) -> Result<(), Error> {
        let row_key = self.read.tables.at(position).row_key(id);
        let is_stored = !self.first_ids.iter().any(|(table, first)| *table == position && *first <= id);
        let most_bytes = keys.iter().fold(most_bytes(&row_key, 0), |sum, (_, key)| sum + most_bytes(key, 0));
        self.within_limit(most_bytes, |buffer| {
            buffer.delete_row(row_key, is_stored);
            keys.into_iter().for_each(|(_, key)| buffer.remove_entry(key));
        })
    }

    /// Every reference that is new must point to a row.
    fn check_references<T: Table>(&self, value: &T, table: &OpenTable, old: Option<&T>) -> Result<(), Error> {
        for reference in &table.references {
            let Some(target) = referenced(value, reference.index) else { continue };
            if old.is_some_and(|old| referenced(old, reference.index) == Some(target)) {
                continue;
            }
            let target_table = self.read.tables.at(reference.target);
            if self.read.read_row(target_table, target, |_| ())?.is_none() {
                let field = table.ops.definition.indexes[reference.index].fields[0];
                let target = target_table.id_text(target);
                return Err(TransactionError::MissingReference { table: table.name(), field, target }.into());
            }
        }
        Ok(())
    }

    /// A new entry must fit the limit, and one of a unique index must be the only one with its key.
    fn check_entry(&self, table: &OpenTable, index: usize, key: &Key, id: u64) -> Result<(), Error> {
        let definition = &table.ops.definition.indexes[index];
        let size_bytes = key.len() - KEYSPACE_BYTES;
        if size_bytes > MAX_KEY_BYTES {
            let (table, index) = (table.name(), definition.name);
            return Err(TransactionError::KeyTooLong { table, index, size_bytes, limit_bytes: MAX_KEY_BYTES }.into());
        }
        if definition.kind == IndexKind::Unique
            && let Some(holder) = self.holder_of(key, id)?
        {
            let (holder, index) = (table.id_text(holder), definition.name);
            return Err(TransactionError::UniqueViolation { table: table.name(), index, holder }.into());
        }
        Ok(())
    }

    /// The id of another row with the same index key.
    fn holder_of(&self, key: &Key, id: u64) -> Result<Option<u64>, Error> {
        let prefix = &key[..key.len() - size_of::<u64>()];
        let Some(end) = prefix_end(prefix) else { return Ok(None) };
        let mut scan = self.read.scan(prefix, &end, Order::Ascending)?;
        while scan.advance()? {
            let holder = scan.key().last_chunk::<8>().map(|id| u64::from_be_bytes(*id));
            if holder.is_some_and(|holder| holder != id) {
                return Ok(holder);
            }
        }
        Ok(None)
    }

    fn give_id(&mut self, position: usize, id: u64) {
        self.read.tables.at(position).ids.give(id);
        if !self.first_ids.iter().any(|(table, _)| *table == position) {
            self.first_ids.push((position, id));
        }
    }

    /// Changes one row with its entries, which adds at most `most_bytes`: as a whole, or not at all where it is too much.
    fn within_limit(&mut self, most_bytes: usize, change: impl FnOnce(&mut WriteBuffer)) -> Result<(), Error> {
        let Self { read: ReadTx { buffer, .. }, .. } = self;
        let ids_bytes = self.first_ids.len() * NEXT_ID_BYTES;
        if buffer.size_bytes() + ids_bytes + most_bytes <= self.limit_bytes {
            change(buffer);
        } else {
            buffer.set_mark();
            change(buffer);
            let size_bytes = buffer.size_bytes() + ids_bytes;
            if size_bytes > self.limit_bytes {
                buffer.roll_back();
                self.refused_bytes = Some(size_bytes);
                return Err(self.too_large(size_bytes));
            }
            buffer.keep();
        }
        self.documents_written += 1;
        Ok(())
    }

    fn too_large(&self, size_bytes: usize) -> Error {
        TransactionError::TransactionTooLarge { size_bytes, limit_bytes: self.limit_bytes }.into()
    }
}

/// A part of a transaction that is undone when it is dropped, unless it is to be kept.
struct Nested<'a> {
    tx: &'a mut WriteTx,
    refused_bytes: Option<usize>,
    is_kept: bool,
}

impl<'a> Nested<'a> {
    fn begin(tx: &'a mut WriteTx) -> Self {
        tx.read.buffer.set_mark();
        let refused_bytes = tx.refused_bytes;
        Self { tx, refused_bytes, is_kept: false }
    }
}

impl Drop for Nested<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            self.tx.read.buffer.keep();
            return;
        }
        self.tx.read.buffer.roll_back();
        self.tx.refused_bytes = self.refused_bytes;
    }
}

fn encode<T: Table>(value: &T, table: &OpenTable, created_at: Timestamp) -> Result<Arc<[u8]>, Error> {
    let row = encode_row(value, table.layouts.current, created_at)?;
    if row.len() > MAX_ROW_BYTES {
        let (table, size_bytes) = (table.name(), row.len());
        return Err(TransactionError::RowTooLarge { table, size_bytes, limit_bytes: MAX_ROW_BYTES }.into());
    }
    Ok(row)
}

fn index_keys<T: Table>(value: &T, table: &OpenTable, id: u64) -> Vec<IndexKey> {
    let mut keys = IndexKeys::new(&table.index_keyspaces, id);
    keys.add_row(value);
    keys.finish()
}
