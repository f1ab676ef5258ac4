//! Deletes, and what they do to the rows that refer to the deleted one.
//!
//! Cascades go first, to the end, breadth first; a `restrict` holds if a referring row is still there after them. So
//! the order in which references are declared does not matter.

use std::{collections::VecDeque, sync::Arc};

use super::{
    stored_keys::{StoredKeys, with_cleared_reference},
    tables::{OpenTables, Referrer},
    write::WriteTx,
};
use crate::{
    encoding::{KEYSPACE_BYTES, KeyWriter, prefix_end},
    error::{Error, TransactionError},
    schema::{Id, OnDelete, Table},
    storage::Order,
};

/// How many referring rows are looked up at a time.
const CHUNK_ROWS: usize = 1_000;

/// A row, without its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    table: usize,
    id: u64,
}

impl WriteTx {
    /// Deletes a row, and does to the rows that refer to it what their references say: all of it, or nothing.
    ///
    /// Each row that goes or changes counts towards the limit of the transaction.
    ///
    /// A row that does not decode is deleted like others, and so is one that refers to the deleted row.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Restricted` where a reference forbids it; `TransactionTooLarge`. Nothing is changed then.
    pub fn delete<T: Table>(&mut self, id: Id<T>) -> Result<(), Error> {
        let row = Row { table: self.tables.position::<T>()?, id: id.as_u64() };
        if self.tables.at(row.table).referrers.is_empty() {
            return self.delete_existing(row);
        }
        self.nested(|tx| tx.delete_with_referrers(row))
    }

    /// Deletes the row, then those that refer to it with `cascade`; clears references with `set null`.
    fn delete_with_referrers(&mut self, row: Row) -> Result<(), Error> {
        let tables = Arc::clone(&self.tables);
        let mut waiting = VecDeque::from([row]);
        let mut restricted: Vec<(Row, Referrer)> = Vec::new();
        self.delete_existing(row)?;
        while let Some(row) = waiting.pop_front() {
            for referrer in &tables.at(row.table).referrers {
                self.check_ready(tables.at(referrer.table), Some(referrer.index))?;
                if referrer.on_delete == OnDelete::Restrict {
                    restricted.push((row, *referrer));
                    continue;
                }
                let has_referrers = !tables.at(referrer.table).referrers.is_empty();
                let mut referring = ReferringRows::new(&tables, row, *referrer);
                while let Some(ids) = referring.next_ids(self, CHUNK_ROWS)? {
                    for id in ids {
                        let referring = Row { table: referrer.table, id };
                        match referrer.on_delete {
                            OnDelete::Cascade if self.delete_row(referring)? && has_referrers => {
                                waiting.push_back(referring);
                            }
                            OnDelete::SetNull => self.clear_reference(&tables, referring, referrer.index)?,
                            OnDelete::Cascade | OnDelete::Restrict => {}
                        }
                    }
                }
            }
        }
        restricted.into_iter().try_for_each(|(row, referrer)| self.check_unreferenced(&tables, row, referrer))
    }

    fn check_unreferenced(&self, tables: &OpenTables, row: Row, referrer: Referrer) -> Result<(), Error> {
        let first = ReferringRows::new(tables, row, referrer).next_ids(self, 1)?;
        let Some(holder) = first.and_then(|ids| ids.first().copied()) else { return Ok(()) };
        let referring = tables.at(referrer.table);
        Err(TransactionError::Restricted {
            id: tables.at(row.table).id_text(row.id),
            holder: referring.id_text(holder),
            table: referring.name(),
            index: referring.ops.definition.indexes[referrer.index].name,
        }
        .into())
    }

    fn delete_existing(&mut self, row: Row) -> Result<(), Error> {
        if self.delete_row(row)? {
            return Ok(());
        }
        Err(TransactionError::NotFound { id: self.tables.at(row.table).id_text(row.id) }.into())
    }

    /// Deletes a row and its index entries; `false` if it is not there (any more).
    fn delete_row(&mut self, row: Row) -> Result<bool, Error> {
        let Some(keys) = self.keys_of_row(self.tables.at(row.table), row.id)? else { return Ok(false) };
        self.remove_row(row.table, row.id, keys)?;
        Ok(true)
    }

    fn clear_reference(&mut self, tables: &OpenTables, row: Row, index: usize) -> Result<(), Error> {
        let table = tables.at(row.table);
        let Some(old_keys) = self.keys_of_row(table, row.id)? else { return Ok(()) };
        let cleared = self.read_row(table, row.id, |bytes| with_cleared_reference(table, bytes, index))?;
        let cleared = match cleared {
            Some(Ok(cleared)) => cleared,
            // Nothing of such a row can be written anew. It stays as it is, and nothing leads from the parent to it.
            Some(Err(_)) => {
                let gone = old_keys.into_iter().filter(|(position, _)| *position == index);
                return self.remove_entries(gone.map(|(_, key)| key).collect());
            }
            None => return Ok(()),
        };
        let StoredKeys { keys: mut new_keys, unknown, .. } = StoredKeys::of_row(table, row.id, &cleared);
        // The fields of these did not change.
        new_keys.extend(old_keys.iter().filter(|(position, _)| unknown.contains(position)).cloned());
        new_keys.sort_unstable();
        let entries = self.checked_entries(table, row.id, old_keys, new_keys)?;
        self.put_row(table.row_key(row.id), cleared, entries)
    }
}

/// The rows whose reference points to one row: those under the index keys that begin with its id.
///
/// They are looked up some at a time, each time after the last one found, so that memory stays bounded and entries
/// that were removed meanwhile are not walked over.
struct ReferringRows {
    start: Vec<u8>,
    /// `None` once all of them were found.
    end: Option<Vec<u8>>,
}

impl ReferringRows {
    fn new(tables: &OpenTables, row: Row, referrer: Referrer) -> Self {
        let mut prefix = KeyWriter::new(tables.at(referrer.table).index_keyspaces[referrer.index]);
        match referrer.is_optional {
            true => prefix.part(&Some(row.id)),
            false => prefix.part(&row.id),
        }
        let start = prefix.finish().to_vec();
        Self { end: prefix_end(&start), start }
    }

    /// At most so many of the next ids; `None` if there are none left.
    fn next_ids(&mut self, tx: &WriteTx, most: usize) -> Result<Option<Vec<u64>>, Error> {
        let Some(end) = &self.end else { return Ok(None) };
        let mut ids = Vec::new();
        let mut scan = tx.scan(&self.start, end, Order::Ascending)?;
        while ids.len() < most {
            if !scan.advance()? {
                self.end = None;
                return Ok(Some(ids).filter(|ids| !ids.is_empty()));
            }
            ids.extend(scan.key().last_chunk::<8>().map(|id| u64::from_be_bytes(*id)));
        }
        self.start.truncate(KEYSPACE_BYTES);
        self.start.extend_from_slice(scan.key());
        self.start.push(0);
        Ok(Some(ids))
    }
}
