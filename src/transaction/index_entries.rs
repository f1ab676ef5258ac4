//! The entries of rows that are there already, in indexes that are new.

use super::{stored_keys::StoredKeys, tables::OpenTable};
use crate::{
    encoding::{Key, KeyWriter, prefix_end},
    error::{OpenError, SchemaError},
    schema::{IndexKind, id_text},
    storage::{Changes, Order, Snapshot},
};

/// New indexes of one table.
pub(super) struct NewIndexes<'a> {
    pub(super) table: &'a OpenTable,
    /// By position in the definition: whether the index is new.
    pub(super) is_new: &'a [bool],
    /// The keyspace of the table with this name.
    pub(super) keyspace_of: &'a dyn Fn(&str) -> Option<u32>,
}

impl NewIndexes<'_> {
    /// The row's entries. `added` are those that are not in the snapshot yet.
    ///
    /// # Errors
    ///
    /// A row that does not decode, if it is by a field that an index is over; a second row with the key of a unique
    /// index; a reference to nothing.
    pub(super) fn entries_of(
        &self,
        snapshot: &Snapshot,
        added: &Changes,
        id: u64,
        row: &[u8],
    ) -> Result<Vec<Key>, OpenError> {
        let StoredKeys { keys, unknown, error } = StoredKeys::of_row(self.table, id, row);
        if let Some(error) = error.filter(|_| unknown.iter().any(|index| self.is_new[*index])) {
            return Err(error.into());
        }
        let mut entries = Vec::new();
        for (index, key) in keys.into_iter().filter(|(index, _)| self.is_new[*index]) {
            self.check_reference(snapshot, index, &key, id)?;
            self.check_unique(snapshot, added, index, &key, id)?;
            entries.push(key);
        }
        Ok(entries)
    }

    fn check_unique(
        &self,
        snapshot: &Snapshot,
        added: &Changes,
        index: usize,
        key: &Key,
        id: u64,
    ) -> Result<(), OpenError> {
        let definition = &self.table.ops.definition.indexes[index];
        if definition.kind != IndexKind::Unique {
            return Ok(());
        }
        let prefix = &key[..key.len() - size_of::<u64>()];
        let Some(end) = prefix_end(prefix) else { return Ok(()) };
        let mut scan = snapshot.scan(added, prefix, &end, Order::Ascending)?;
        while scan.advance()? {
            let holder = scan.key().last_chunk::<8>().map_or(0, |id| u64::from_be_bytes(*id));
            if holder != id {
                let (table, index) = (self.table.name().to_owned(), definition.name.to_owned());
                let (first, second) = (self.table.id_text(holder.min(id)), self.table.id_text(holder.max(id)));
                return Err(SchemaError::DuplicateKey { table, index, first, second }.into());
            }
        }
        Ok(())
    }

    fn check_reference(&self, snapshot: &Snapshot, index: usize, key: &Key, id: u64) -> Result<(), OpenError> {
        let definition = &self.table.ops.definition.indexes[index];
        let Some(reference) = &definition.reference else { return Ok(()) };
        let Some(target_id) = self.table.referenced_in(index, key) else { return Ok(()) };
        let target = (reference.target)();
        let is_there = match (self.keyspace_of)(target) {
            Some(keyspace) => {
                let mut row = KeyWriter::new(keyspace);
                row.id(target_id);
                snapshot.get(&row.finish(), |_| ())?.is_some()
            }
            None => false,
        };
        if is_there {
            return Ok(());
        }
        let (table, index) = (self.table.name().to_owned(), definition.name.to_owned());
        let (id, missing) = (self.table.id_text(id), id_text(target, target_id));
        Err(SchemaError::DanglingReference { table, index, id, missing }.into())
    }
}
