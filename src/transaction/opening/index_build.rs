//! Builds new indexes over the rows that are there.
//!
//! An index that is to be built while the database is open is left out here; `IndexBuilder` does that.
//!
//! The stored catalog lists the keyspaces of new indexes as dropped until all of them are whole, so a build that is cut
//! short is removed by the next opening, and begun again.

use super::{
    IndexBuilding,
    bulk::{Batch, Bulk, Walk, id_of},
    open_table::open_table,
    progress::{BuildProgress, BuildWork},
    stored::ids_given,
};
use crate::{
    encoding::INDEX_KEYSPACE,
    error::OpenError,
    schema::{
        TableOps,
        catalog::{Catalog, CatalogTable, IndexState},
    },
    storage::{Change, Snapshot},
    transaction::{index_entries::NewIndexes, tables::OpenTable},
};

/// Fills every new index that is not left to be built while the database is open, and marks it as ready.
pub(super) fn build_indexes(
    bulk: &mut Bulk<'_>,
    evolved: &mut Catalog,
    declared: &[TableOps],
    building_mode: IndexBuilding<'_>,
) -> Result<(), OpenError> {
    let mut interim = bulk.catalog().clone();
    let mut building = Vec::new();
    // One that is stored was left to be built by an earlier opening, and has entries already.
    let is_stored = |keyspace: u32| {
        let mut stored = bulk.catalog().tables.iter().flat_map(|table| &table.indexes);
        stored.any(|index| index.keyspace == keyspace)
    };
    for table in evolved.tables.iter().filter(|table| building_mode.is_at_open(&table.name)) {
        let new = table.indexes.iter().filter(|index| index.state != IndexState::Ready && !is_stored(index.keyspace));
        for index in new {
            building.push(index.keyspace);
            interim.dropping.push(table.dropped_index(index));
        }
    }
    if building.is_empty() {
        return Ok(());
    }
    interim.next_keyspace = evolved.next_keyspace;
    bulk.save(interim)?;
    for ops in declared {
        let Some(table) = evolved.table(ops.definition.name) else { continue };
        if table.indexes.iter().any(|index| building.contains(&index.keyspace)) {
            Build::new(evolved, table, ops, &building).run(bulk)?;
        }
    }
    let indexes = evolved.tables.iter_mut().flat_map(|table| &mut table.indexes);
    for index in indexes.filter(|index| building.contains(&index.keyspace)) {
        index.state = IndexState::Ready;
    }
    Ok(())
}

/// The building of one table's new indexes.
struct Build<'a> {
    evolved: &'a Catalog,
    ops: &'a TableOps,
    table: OpenTable,
    /// By position in the definition: whether the index is new.
    is_new: Vec<bool>,
}

impl<'a> Build<'a> {
    fn new(evolved: &'a Catalog, table: &CatalogTable, ops: &'a TableOps, building: &[u32]) -> Self {
        let table = open_table(table, *ops);
        let is_new = |keyspace: &u32| building.contains(&(keyspace & !INDEX_KEYSPACE));
        let is_new = table.index_keyspaces.iter().map(is_new).collect();
        Self { evolved, ops, table, is_new }
    }

    fn run(&self, bulk: &mut Bulk<'_>) -> Result<(), OpenError> {
        let definitions = self.ops.definition.indexes.iter().zip(&self.is_new);
        let indexes: Vec<String> =
            definitions.filter(|(_, is_new)| **is_new).map(|(index, _)| index.name.to_owned()).collect();
        let rows_at_most = ids_given(bulk.store, self.table.name())?;
        let mut walk = Walk::new(bulk.store, self.table.keyspace);
        loop {
            let snapshot = bulk.store.snapshot()?;
            let entries = walk.next_batch(&snapshot, |key, row, batch| self.add(&snapshot, id_of(key), row, batch))?;
            drop(snapshot);
            let Some(entries) = entries else { return Ok(()) };
            bulk.commit(entries)?;
            bulk.report(BuildProgress {
                table: self.table.name().to_owned(),
                work: BuildWork::BuildIndexes,
                indexes: indexes.clone(),
                rows_done: walk.entries_done(),
                rows_at_most,
            });
        }
    }

    /// Adds the row's entries in the new indexes.
    fn add(&self, snapshot: &Snapshot, id: u64, row: &[u8], batch: &mut Batch) -> Result<(), OpenError> {
        let keyspace_of = |target: &str| self.evolved.table(target).map(|table| table.keyspace);
        let indexes = NewIndexes { table: &self.table, is_new: &self.is_new, keyspace_of: &keyspace_of };
        for key in indexes.entries_of(snapshot, &batch.changes, id, row)? {
            batch.change(key, Change::Put(Default::default()));
        }
        Ok(())
    }
}
