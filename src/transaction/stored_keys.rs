//! The index keys of stored rows, also of rows that do not decode.

use std::sync::Arc;

use super::{
    entry_changes::IndexKey,
    read::{ReadTx, with_row},
    tables::OpenTable,
};
use crate::{
    encoding::{Key, prefix_end},
    error::{Error, RowError},
    schema::{IndexKeys, RawKeys, RawRow},
    storage::Order,
};

/// The index keys of a stored row.
pub(super) struct StoredKeys {
    pub(super) keys: Vec<IndexKey>,
    /// The positions of the indexes whose keys are not among them: the row does not decode, and these are over fields
    /// that cannot be read.
    pub(super) unknown: Vec<usize>,
    /// Why the row does not decode, if it does not.
    pub(super) error: Option<RowError>,
}

impl StoredKeys {
    /// Those of this row. It is decoded; if that fails, its fields are read one by one.
    pub(super) fn of_row(table: &OpenTable, id: u64, row: &[u8]) -> Self {
        let mut keys = IndexKeys::new(&table.index_keyspaces, id);
        let Err(error) = (table.ops.index_keys)(row, &table.layouts, &mut keys) else {
            return Self { keys: keys.finish(), unknown: Vec::new(), error: None };
        };
        let error = with_row(error, || table.id_text(id));
        let raw = RawRow::read(table.ops.definition, row, &table.layouts);
        let RawKeys { keys, unknown } = match raw {
            Ok(raw) => raw.index_keys(&table.index_keyspaces, id),
            Err(_) => RawKeys { keys: Vec::new(), unknown: (0..table.index_keyspaces.len()).collect() },
        };
        Self { keys, unknown, error: Some(error) }
    }
}

impl ReadTx {
    /// Every index key of a row; `None` if there is no such row.
    ///
    /// Where a row does not decode, and an index is over a field that cannot be read or does not hold what the row says,
    /// the whole index is searched for its entries.
    pub(super) fn keys_of_row(&self, table: &OpenTable, id: u64) -> Result<Option<Vec<IndexKey>>, Error> {
        let Some(stored) = self.read_row(table, id, |row| StoredKeys::of_row(table, id, row))? else { return Ok(None) };
        let StoredKeys { mut keys, mut unknown, error } = stored;
        let Some(error) = error else { return Ok(Some(keys)) };
        for (position, key) in &keys {
            if !unknown.contains(position) && self.read_value(key, |_| ())?.is_none() {
                unknown.push(*position);
            }
        }
        keys.retain(|(position, _)| !unknown.contains(position));
        if !unknown.is_empty() {
            tracing::warn!(target: "tropism", %error, "indexes are searched for the entries of a row that does not decode");
        }
        for position in unknown {
            self.find_entries(table, position, id, &mut keys)?;
        }
        keys.sort_unstable();
        Ok(Some(keys))
    }

    /// The keys of a row in one index, in order; `None` if there is no such row.
    pub(super) fn keys_of_row_in(
        &self,
        table: &OpenTable,
        id: u64,
        position: usize,
    ) -> Result<Option<Vec<Key>>, Error> {
        let decoded = self.read_row(table, id, |row| {
            let mut keys = IndexKeys::of_one(&table.index_keyspaces, id, position);
            (table.ops.index_keys)(row, &table.layouts, &mut keys).map(|()| keys.finish())
        })?;
        let keys = match decoded {
            Some(Ok(keys)) => Some(keys),
            Some(Err(_)) => self.keys_of_row(table, id)?,
            None => None,
        };
        Ok(keys.map(|keys| keys.into_iter().filter(|(at, _)| *at == position).map(|(_, key)| key).collect()))
    }

    /// Looks through an index for the entries of one row.
    fn find_entries(&self, table: &OpenTable, position: usize, id: u64, keys: &mut Vec<IndexKey>) -> Result<(), Error> {
        let start = table.index_keyspaces[position].to_be_bytes();
        let Some(end) = prefix_end(&start) else { return Ok(()) };
        let mut scan = self.scan(&start, &end, Order::Ascending)?;
        while scan.advance()? {
            if scan.key().ends_with(&id.to_be_bytes()) {
                keys.push((position, Key::from_slice(&[&start, scan.key()].concat())));
            }
        }
        Ok(())
    }
}

/// The row in the current layout, with the reference of one index null; field by field where it does not decode.
///
/// # Errors
///
/// A row of which a field cannot even be copied.
pub(super) fn with_cleared_reference(table: &OpenTable, row: &[u8], index: usize) -> Result<Arc<[u8]>, RowError> {
    (table.ops.clear_reference)(row, &table.layouts, index).or_else(|error| {
        let raw = RawRow::read(table.ops.definition, row, &table.layouts).map_err(|_| error)?;
        raw.rewritten(table.layouts.current, Some(index))
    })
}

#[cfg(test)]
mod tests;
