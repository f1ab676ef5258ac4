//! [`WriteTx`]: a private buffer of changes over the newest state.

use std::{ops::Deref, sync::Arc};

use super::{
    MAX_KEY_BYTES, MAX_ROW_BYTES, ReadTx,
    tables::{NEXT_ID_KEYSPACE, OpenTable},
};
use crate::{
    encoding::{KEYSPACE_BYTES, Key, KeyWriter, prefix_end},
    error::{Error, TransactionError},
    schema::{Doc, Id, IndexKeys, IndexKind, Table, encode_row},
    storage::{Change, Order},
    time::Timestamp,
};

/// What a change costs in memory beside its key and value.
const CHANGE_OVERHEAD_BYTES: usize = 96;

/// A transaction that reads and writes. It sees the newest state and its own changes; nobody sees those before the
/// commit, and nobody ever does if the closure fails.
///
/// It reads like a [`ReadTx`], which it dereferences to.
pub struct WriteTx {
    read: ReadTx,
    /// When the transaction began: the creation time of what it inserts.
    now: Timestamp,
    limit_bytes: usize,
    size_bytes: usize,
    /// How many rows were inserted, changed or deleted, for whoever measures.
    pub(super) documents_written: u64,
    /// Next free id of each table that was inserted into.
    next_ids: Vec<(usize, u64)>,
    /// How many `nested` calls are running.
    depth: usize,
    /// What each change replaced in the buffer, kept while a nested transaction may be rolled back: a rollback goes
    /// back to a mark in it.
    undo: Vec<(Key, Option<Change>)>,
}

impl Deref for WriteTx {
    type Target = ReadTx;

    fn deref(&self) -> &ReadTx {
        &self.read
    }
}

impl WriteTx {
    pub(super) fn new(read: ReadTx, now: Timestamp, limit_bytes: usize) -> Self {
        Self {
            read,
            now,
            limit_bytes,
            size_bytes: 0,
            documents_written: 0,
            next_ids: Vec::new(),
            depth: 0,
            undo: Vec::new(),
        }
    }

    /// When the transaction began, by the clock of the database: the creation time of what it inserts.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How many rows this transaction has inserted, changed or deleted.
    pub(crate) fn documents_written(&self) -> u64 {
        self.documents_written
    }

    /// Adds a row and returns its id, which no row of the table ever had.
    ///
    /// # Errors
    ///
    /// A unique index that has the key, a reference to nothing, a key or row over its limit. Nothing is changed then.
    pub fn insert<T: Table>(&mut self, value: T) -> Result<Id<T>, Error> {
        let tables = Arc::clone(&self.read.tables);
        let table = tables.of::<T>()?;
        let position = tables.position::<T>()?;
        let id = self.next_id(position, table)?;
        let row = self.encode(&value, table, self.now)?;
        self.check_references(&value, table, None)?;
        let keys = index_keys(&value, table, id);
        self.check_keys(table, &keys, &[], id)?;
        self.documents_written += 1;
        self.set_next_id(position, id + 1);
        self.change(table.row_key(id), Change::Put(row))?;
        for (_, key) in keys {
            self.change(key, Change::Put(Arc::default()))?;
        }
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

    /// Puts another value in the place of a row; id and creation time stay.
    ///
    /// # Errors
    ///
    /// `NotFound`, and what [`insert`](Self::insert) answers. Nothing is changed then.
    pub fn replace<T: Table>(&mut self, id: Id<T>, value: T) -> Result<(), Error> {
        let old = self.existing(id)?;
        self.update(&old, value)
    }

    /// Deletes a row, and does to the rows that refer to it what their references say.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Restricted` where a reference forbids it. Nothing is changed then.
    pub fn delete<T: Table>(&mut self, id: Id<T>) -> Result<(), Error> {
        let position = self.read.tables.position::<T>()?;
        self.nested(|tx| tx.delete_with_referrers(position, id.as_u64()))
    }

    /// Runs a part of the transaction that is rolled back alone if it fails: on `Err`, and on a panic that is caught
    /// further up, everything it did is undone, and nothing that was done before it.
    pub fn nested<R, E>(&mut self, part: impl FnOnce(&mut Self) -> Result<R, E>) -> Result<R, E> {
        let mut mark = Mark::set(self);
        let result = part(mark.tx);
        mark.is_kept = result.is_ok();
        result
    }

    /// The changes, in key order, at most one per key.
    pub(super) fn into_changes(mut self) -> Result<Vec<(Key, Change)>, Error> {
        let tables = Arc::clone(&self.read.tables);
        for (position, next) in std::mem::take(&mut self.next_ids) {
            let key = next_id_key(tables.at(position));
            self.change(key, Change::Put(Arc::from(next.to_le_bytes())))?;
        }
        // Also where the host went on after the error: the change that was too much was not made.
        self.check_size()?;
        Ok(self.read.changes.into_iter().collect())
    }

    fn update<T: Table>(&mut self, old: &Doc<T>, new: T) -> Result<(), Error> {
        if **old == new {
            return Ok(());
        }
        let tables = Arc::clone(&self.read.tables);
        let table = tables.of::<T>()?;
        let id = old.id().as_u64();
        let row = self.encode(&new, table, old.created_at())?;
        self.check_references(&new, table, Some(old))?;
        let old_keys = index_keys::<T>(old, table, id);
        let new_keys = index_keys(&new, table, id);
        self.check_keys(table, &new_keys, &old_keys, id)?;
        self.documents_written += 1;
        self.change(table.row_key(id), Change::Put(row))?;
        self.replace_keys(old_keys, new_keys)
    }

    /// Takes a row from its old index keys to its new ones; those that stay are touched.
    pub(super) fn replace_keys(&mut self, old: Vec<(usize, Key)>, new: Vec<(usize, Key)>) -> Result<(), Error> {
        for (_, key) in &new {
            let stays = old.iter().any(|(_, other)| other == key);
            self.change(key.clone(), if stays { Change::Touch } else { Change::Put(Arc::default()) })?;
        }
        for (_, key) in old {
            if !new.iter().any(|(_, other)| *other == key) {
                self.change(key, Change::Delete)?;
            }
        }
        Ok(())
    }

    fn encode<T: Table>(&self, value: &T, table: &OpenTable, created_at: Timestamp) -> Result<Arc<[u8]>, Error> {
        let row = encode_row(value, table.layouts.current, created_at)?;
        if row.len() > MAX_ROW_BYTES {
            let (table, size_bytes) = (table.name(), row.len());
            return Err(TransactionError::RowTooLarge { table, size_bytes, limit_bytes: MAX_ROW_BYTES }.into());
        }
        Ok(row)
    }

    /// Every reference that is new must point to a row.
    fn check_references<T: Table>(&self, value: &T, table: &OpenTable, old: Option<&T>) -> Result<(), Error> {
        for reference in &table.references {
            let Some(target) = value.reference(reference.index) else { continue };
            if old.is_some_and(|old| old.reference(reference.index) == Some(target)) {
                continue;
            }
            let target_table = self.read.tables.at(reference.target);
            if self.read.read_value(&target_table.row_key(target), |_| ())?.is_none() {
                let field = table.ops.definition.indexes[reference.index].fields[0];
                let target = target_table.id_text(target);
                return Err(TransactionError::MissingReference { table: table.name(), field, target }.into());
            }
        }
        Ok(())
    }

    /// Keys must fit the limit, and those of a unique index must be free, unless the row has them already.
    pub(super) fn check_keys(
        &self,
        table: &OpenTable,
        keys: &[(usize, Key)],
        own: &[(usize, Key)],
        id: u64,
    ) -> Result<(), Error> {
        for (index, key) in keys {
            let definition = &table.ops.definition.indexes[*index];
            let size_bytes = key.len() - KEYSPACE_BYTES;
            if size_bytes > MAX_KEY_BYTES {
                let (table, index) = (table.name(), definition.name);
                return Err(
                    TransactionError::KeyTooLong { table, index, size_bytes, limit_bytes: MAX_KEY_BYTES }.into()
                );
            }
            let is_new = !own.iter().any(|(_, other)| other == key);
            if definition.kind == IndexKind::Unique
                && is_new
                && let Some(holder) = self.holder_of(key, id)?
            {
                let (holder, index) = (table.id_text(holder), definition.name);
                return Err(TransactionError::UniqueViolation { table: table.name(), index, holder }.into());
            }
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

    fn next_id(&self, position: usize, table: &OpenTable) -> Result<u64, Error> {
        if let Some((_, next)) = self.next_ids.iter().find(|(at, _)| *at == position) {
            return Ok(*next);
        }
        let stored = self.read.read_value(&next_id_key(table), |value| value.first_chunk::<8>().copied())?;
        match stored {
            None => Ok(1),
            Some(Some(next)) if next != [0xff; 8] => Ok(u64::from_le_bytes(next)),
            Some(_) => Err(TransactionError::IdsExhausted { table: table.name() }.into()),
        }
    }

    fn set_next_id(&mut self, position: usize, next: u64) {
        match self.next_ids.iter_mut().find(|(at, _)| *at == position) {
            Some(entry) => entry.1 = next,
            None => self.next_ids.push((position, next)),
        }
    }

    /// Puts one change into the buffer.
    pub(super) fn change(&mut self, key: Key, change: Change) -> Result<(), Error> {
        self.size_bytes += CHANGE_OVERHEAD_BYTES + key.len() + size_of_change(&change);
        self.check_size()?;
        let is_undoable = self.depth > 0;
        if change == Change::Touch && self.read.changes.get(&key).is_some() {
            return Ok(());
        }
        let undo_key = is_undoable.then(|| key.clone());
        let replaced = self.read.changes.insert(key, change);
        let key = undo_key;
        if let Some(key) = key {
            self.undo.push((key, replaced));
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), TransactionError> {
        let (size_bytes, limit_bytes) = (self.size_bytes, self.limit_bytes);
        if size_bytes > limit_bytes {
            return Err(TransactionError::TransactionTooLarge { size_bytes, limit_bytes });
        }
        Ok(())
    }
}

/// Everything a nested transaction goes back to if it is not kept.
struct Mark<'a> {
    tx: &'a mut WriteTx,
    undo_len: usize,
    size_bytes: usize,
    next_ids: Vec<(usize, u64)>,
    is_kept: bool,
}

impl<'a> Mark<'a> {
    fn set(tx: &'a mut WriteTx) -> Self {
        tx.depth += 1;
        let (undo_len, size_bytes, next_ids) = (tx.undo.len(), tx.size_bytes, tx.next_ids.clone());
        Self { tx, undo_len, size_bytes, next_ids, is_kept: false }
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.tx.depth -= 1;
        if self.is_kept {
            if self.tx.depth == 0 {
                self.tx.undo.clear();
            }
            return;
        }
        self.tx.size_bytes = self.size_bytes;
        self.tx.next_ids = std::mem::take(&mut self.next_ids);
        for (key, replaced) in self.tx.undo.drain(self.undo_len..).rev() {
            match replaced {
                Some(change) => self.tx.read.changes.insert(key, change),
                None => self.tx.read.changes.remove(&key),
            };
        }
    }
}

fn size_of_change(change: &Change) -> usize {
    match change {
        Change::Put(value) => value.len(),
        Change::Delete | Change::Touch => 0,
    }
}

fn index_keys<T: Table>(value: &T, table: &OpenTable, id: u64) -> Vec<(usize, Key)> {
    let mut keys = IndexKeys::new(&table.index_keyspaces, id);
    value.write_index_keys(&mut keys);
    keys.finish()
}

fn next_id_key(table: &OpenTable) -> Key {
    let mut key = KeyWriter::new(NEXT_ID_KEYSPACE);
    key.push(&table.keyspace.to_be_bytes());
    key.finish()
}
