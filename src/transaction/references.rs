//! What a delete does to the rows that refer to the deleted one.
//!
//! Cascades go first, to the end, breadth first; a `restrict` holds if a referring row is still there after them. So
//! the order in which references are declared does not matter.

use std::{collections::VecDeque, sync::Arc};

use super::{
    WriteTx,
    read::with_row,
    tables::{OpenTable, OpenTables, Referrer},
};
use crate::{
    encoding::{Key, KeyWriter, prefix_end},
    error::{Error, TransactionError},
    schema::{IndexKeys, OnDelete},
    storage::{Change, Order},
};

/// A row, without its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    table: usize,
    id: u64,
}

impl WriteTx {
    /// Deletes the row, then those that refer to it with `cascade`; clears references with `set null`.
    pub(super) fn delete_with_referrers(&mut self, table: usize, id: u64) -> Result<(), Error> {
        let tables = Arc::clone(&self.tables);
        let mut waiting = VecDeque::from([Row { table, id }]);
        let mut restricted: Vec<(Row, Referrer)> = Vec::new();
        if !self.delete_row(&tables, Row { table, id })? {
            return Err(TransactionError::NotFound { id: tables.at(table).id_text(id) }.into());
        }
        while let Some(row) = waiting.pop_front() {
            for referrer in &tables.at(row.table).referrers {
                if referrer.on_delete == OnDelete::Restrict {
                    restricted.push((row, *referrer));
                    continue;
                }
                for id in self.referring_rows(&tables, row, *referrer)? {
                    let referring = Row { table: referrer.table, id };
                    match referrer.on_delete {
                        OnDelete::Cascade if self.delete_row(&tables, referring)? => waiting.push_back(referring),
                        OnDelete::SetNull => self.clear_reference(&tables, referring, referrer.index)?,
                        OnDelete::Cascade | OnDelete::Restrict => {}
                    }
                }
            }
        }
        restricted.into_iter().try_for_each(|(row, referrer)| self.check_unreferenced(&tables, row, referrer))
    }

    fn check_unreferenced(&self, tables: &OpenTables, row: Row, referrer: Referrer) -> Result<(), Error> {
        let Some(holder) = self.referring_rows(tables, row, referrer)?.first().copied() else { return Ok(()) };
        let referring = tables.at(referrer.table);
        Err(TransactionError::Restricted {
            id: tables.at(row.table).id_text(row.id),
            holder: referring.id_text(holder),
            table: referring.name(),
            index: referring.ops.definition.indexes[referrer.index].name,
        }
        .into())
    }

    /// The ids of the rows whose reference points to `row`: those under the index keys that begin with its id.
    fn referring_rows(&self, tables: &OpenTables, row: Row, referrer: Referrer) -> Result<Vec<u64>, Error> {
        let table = tables.at(referrer.table);
        let mut prefix = KeyWriter::new(table.index_keyspaces[referrer.index]);
        match referrer.is_optional {
            true => prefix.part(&Some(row.id)),
            false => prefix.part(&row.id),
        }
        let prefix = prefix.finish();
        let Some(end) = prefix_end(&prefix) else { return Ok(Vec::new()) };
        let mut scan = self.scan(&prefix, &end, Order::Ascending)?;
        let mut ids = Vec::new();
        while scan.advance()? {
            ids.extend(scan.key().last_chunk::<8>().map(|id| u64::from_be_bytes(*id)));
        }
        Ok(ids)
    }

    /// Deletes a row and its index entries; `false` if it is not there (any more).
    fn delete_row(&mut self, tables: &OpenTables, row: Row) -> Result<bool, Error> {
        let table = tables.at(row.table);
        let key = table.row_key(row.id);
        let Some(keys) = self.read_value(&key, |bytes| stored_keys(table, row.id, bytes))? else { return Ok(false) };
        self.documents_written += 1;
        self.change(key, Change::Delete)?;
        for (_, key) in keys? {
            self.change(key, Change::Delete)?;
        }
        Ok(true)
    }

    fn clear_reference(&mut self, tables: &OpenTables, row: Row, index: usize) -> Result<(), Error> {
        let table = tables.at(row.table);
        let key = table.row_key(row.id);
        let cleared = self.read_value(&key, |bytes| -> Result<_, Error> {
            let old_keys = stored_keys(table, row.id, bytes)?;
            let cleared = (table.ops.clear_reference)(bytes, &table.layouts, index)
                .map_err(|error| with_row(error, || table.id_text(row.id)))?;
            Ok((old_keys, cleared))
        })?;
        let Some(cleared) = cleared else { return Ok(()) };
        let (old_keys, cleared) = cleared?;
        let new_keys = stored_keys(table, row.id, &cleared)?;
        self.check_keys(table, &new_keys, &old_keys, row.id)?;
        self.documents_written += 1;
        self.change(key, Change::Put(cleared))?;
        self.replace_keys(old_keys, new_keys)
    }
}

fn stored_keys(table: &OpenTable, id: u64, row: &[u8]) -> Result<Vec<(usize, Key)>, Error> {
    let mut keys = IndexKeys::new(&table.index_keyspaces, id);
    (table.ops.index_keys)(row, &table.layouts, &mut keys).map_err(|error| with_row(error, || table.id_text(id)))?;
    Ok(keys.finish())
}
