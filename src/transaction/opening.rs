//! Brings what is stored to what is declared, while the database opens.
//!
//! The comparison itself is `schema::evolution`, which only computes. Here its result is carried out, so that a crash
//! or a refusal at any point leaves the stored schema as it was:
//! 1. The keyspaces of new indexes are noted as garbage, and then filled in batches. Only when all of them are whole
//!    does one commit make the new catalog the catalog, with them in it.
//! 2. Rows whose fields changed their type are rewritten in batches. Each row says which layout it is in, so half of
//!    them may be old.
//! 3. What is noted as garbage is removed in batches.

use std::sync::Arc;

use super::tables::{CATALOG_KEYSPACE, NEXT_ID_KEYSPACE, OpenTable, OpenTables};
use crate::{
    encoding::{INDEX_KEYSPACE, Key, KeyWriter, Layouts, layout_of, prefix_end},
    error::{OpenError, RowError, SchemaError, StorageError},
    schema::{
        IndexKeys, IndexKind, TableOps,
        catalog::{Catalog, CatalogTable, IndexState},
        evolution, id_text,
    },
    storage::{Change, Changes, Durability, Order, Snapshot, Store},
};

/// Rows that are read and changed in one commit.
const BATCH_ROWS: usize = 1_000;

/// How far the opening of a database has come in something that takes as long as a table is large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildProgress {
    /// The table.
    pub table: String,
    /// The indexes that are being built; none while rows are being rewritten for a field that changed its type.
    pub indexes: Vec<String>,
    /// Rows done so far.
    pub rows_done: u64,
    /// Ids ever given out in the table, so at least as many as there are rows.
    pub rows_at_most: u64,
}

/// Compares the declared tables with the stored ones, does what is to be done, and opens them.
pub(crate) fn bring_up_to_date(
    store: &Store,
    declared: Vec<TableOps>,
    dropped: &[String],
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<OpenTables, OpenError> {
    let mut opening = Opening { store, catalog: stored_catalog(store)?, progress };
    let definitions: Vec<_> = declared.iter().map(|ops| ops.definition).collect();
    let mut evolved = evolution::evolve(&opening.catalog, &definitions, dropped, &mut |keyspace| {
        Ok(is_used(&store.snapshot()?, keyspace)?)
    })?;
    if evolved != opening.catalog {
        opening.remove_garbage()?;
        opening.build_indexes(&mut evolved, &declared)?;
        opening.check_rewrites(&evolved, &declared)?;
        opening.save(evolved)?;
    }
    opening.rewrite_tables(&declared)?;
    opening.remove_garbage()?;
    store.flush()?;
    Ok(OpenTables::new(open_tables(&opening.catalog, declared)))
}

/// The tables with what the catalog says of them, in the order in which they were declared.
fn open_tables(catalog: &Catalog, declared: Vec<TableOps>) -> Vec<OpenTable> {
    declared.into_iter().filter_map(|ops| Some(open_table(catalog.table(ops.definition.name)?, ops))).collect()
}

fn open_table(table: &CatalogTable, ops: TableOps) -> OpenTable {
    let indexes = ops.definition.indexes.iter().filter_map(|index| table.index(index.name));
    let index_keyspaces = indexes.map(|index| index.keyspace | INDEX_KEYSPACE).collect();
    OpenTable {
        keyspace: table.keyspace,
        index_keyspaces,
        layouts: evolution::layouts(table, ops.definition),
        ops,
        references: Vec::new(),
        referrers: Vec::new(),
    }
}

struct Opening<'a> {
    store: &'a Store,
    /// As it is stored.
    catalog: Catalog,
    progress: &'a mut dyn FnMut(BuildProgress),
}

impl Opening<'_> {
    fn save(&mut self, catalog: Catalog) -> Result<(), OpenError> {
        let value: Arc<[u8]> = catalog.encode().into();
        self.commit(vec![(catalog_key(), Change::Put(value))])?;
        self.catalog = catalog;
        Ok(())
    }

    /// Commits without waiting for the disk; the whole opening is made durable at its end.
    fn commit(&self, changes: Vec<(Key, Change)>) -> Result<(), StorageError> {
        self.store.begin()?.commit(changes, Durability::Relaxed).map(drop)
    }

    /// Fills every index that is not ready, and marks it as ready.
    fn build_indexes(&mut self, evolved: &mut Catalog, declared: &[TableOps]) -> Result<(), OpenError> {
        let building: Vec<u32> = evolved
            .tables
            .iter()
            .flat_map(|table| &table.indexes)
            .filter(|index| index.state != IndexState::Ready)
            .map(|index| index.keyspace)
            .collect();
        if building.is_empty() {
            return Ok(());
        }
        // Until the new catalog is saved, what stands in the new keyspaces is garbage.
        let mut interim = self.catalog.clone();
        interim.next_keyspace = evolved.next_keyspace;
        interim.dropping.extend(&building);
        self.save(interim)?;
        for ops in declared {
            let Some(table) = evolved.table(ops.definition.name) else { continue };
            if table.indexes.iter().any(|index| building.contains(&index.keyspace)) {
                Build::new(evolved, table, ops, &building).run(self)?;
            }
        }
        for index in evolved.tables.iter_mut().flat_map(|table| &mut table.indexes) {
            index.state = IndexState::Ready;
        }
        Ok(())
    }

    /// Rewrites every row that is going to be rewritten, to see that it can be: once the new catalog is saved, there is
    /// no way back.
    fn check_rewrites(&self, evolved: &Catalog, declared: &[TableOps]) -> Result<(), OpenError> {
        for ops in declared {
            let Some(table) = evolved.table(ops.definition.name).filter(|table| table.is_rewriting) else { continue };
            let layouts = evolution::layouts(table, ops.definition);
            let mut batches = Batches::new(self.store, table.keyspace)?;
            while let Some(rows) = batches.next()? {
                for (id, row) in &rows {
                    rewritten(ops, row, &layouts, *id)?;
                }
            }
        }
        Ok(())
    }

    /// Rewrites the rows of every table in which a field changed its type.
    fn rewrite_tables(&mut self, declared: &[TableOps]) -> Result<(), OpenError> {
        for ops in declared {
            let table = self.catalog.table(ops.definition.name);
            let Some(table) = table.filter(|table| table.is_rewriting) else { continue };
            let (keyspace, name) = (table.keyspace, table.name.clone());
            let layouts = evolution::layouts(table, ops.definition);
            let mut batches = Batches::new(self.store, keyspace)?;
            while let Some(rows) = batches.next()? {
                let mut changes = Vec::new();
                for (id, row) in rows.iter().filter(|(_, row)| layout_of(row) != Some(layouts.current)) {
                    changes.push((row_key(keyspace, *id), Change::Put(rewritten(ops, row, &layouts, *id)?)));
                }
                self.commit(changes)?;
                let (rows_done, rows_at_most) = (batches.rows_done, batches.rows_at_most);
                (self.progress)(BuildProgress { table: name.clone(), indexes: Vec::new(), rows_done, rows_at_most });
            }
            let mut catalog = self.catalog.clone();
            catalog.tables.iter_mut().filter(|table| table.name == name).for_each(finish_rewriting);
            self.save(catalog)?;
        }
        Ok(())
    }

    /// Empties the keyspaces that nothing refers to any more.
    fn remove_garbage(&mut self) -> Result<(), OpenError> {
        for keyspace in self.catalog.dropping.clone() {
            // The catalog does not say any more whether it held rows or index entries.
            for keyspace in [keyspace, keyspace | INDEX_KEYSPACE] {
                while let Some(changes) = self.some_keys(keyspace)? {
                    self.commit(changes)?;
                }
            }
            let mut catalog = self.catalog.clone();
            catalog.dropping.retain(|other| *other != keyspace);
            self.commit(vec![(next_id_key(keyspace), Change::Delete)])?;
            self.save(catalog)?;
        }
        Ok(())
    }

    fn some_keys(&self, keyspace: u32) -> Result<Option<Vec<(Key, Change)>>, StorageError> {
        let snapshot = self.store.snapshot()?;
        let (start, end) = bounds(keyspace);
        let changes = Changes::new();
        let mut scan = snapshot.scan(&changes, &start, &end, Order::Ascending)?;
        let mut deletes = Vec::new();
        while deletes.len() < BATCH_ROWS && scan.advance()? {
            deletes.push((Key::from_slice(&[&start, scan.key()].concat()), Change::Delete));
        }
        Ok(Some(deletes).filter(|deletes| !deletes.is_empty()))
    }
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

    fn run(&self, opening: &mut Opening<'_>) -> Result<(), OpenError> {
        let definitions = self.ops.definition.indexes.iter().zip(&self.is_new);
        let indexes: Vec<String> =
            definitions.filter(|(_, is_new)| **is_new).map(|(index, _)| index.name.to_owned()).collect();
        let mut batches = Batches::new(opening.store, self.table.keyspace)?;
        while let Some(rows) = batches.next()? {
            let snapshot = opening.store.snapshot()?;
            // Sorted, and each key once: what a commit takes.
            let mut entries = Changes::new();
            for (id, row) in &rows {
                self.check_references(&snapshot, *id, row)?;
                for (index, key) in self.keys(*id, row)? {
                    self.check_unique(&snapshot, &entries, index, &key, *id)?;
                    entries.insert(key, Change::Put(Arc::default()));
                }
            }
            opening.commit(entries.into_iter().collect())?;
            let (table, indexes) = (self.table.name().to_owned(), indexes.clone());
            let (rows_done, rows_at_most) = (batches.rows_done, batches.rows_at_most);
            (opening.progress)(BuildProgress { table, indexes, rows_done, rows_at_most });
        }
        Ok(())
    }

    /// The row's keys in the new indexes.
    fn keys(&self, id: u64, row: &[u8]) -> Result<Vec<(usize, Key)>, OpenError> {
        let mut keys = IndexKeys::new(&self.table.index_keyspaces, id);
        (self.ops.index_keys)(row, &self.table.layouts, &mut keys)
            .map_err(|error| super::read::with_row(error, || self.table.id_text(id)))?;
        Ok(keys.finish().into_iter().filter(|(index, _)| self.is_new[*index]).collect())
    }

    fn check_unique(
        &self,
        snapshot: &Snapshot,
        entries: &Changes,
        index: usize,
        key: &Key,
        id: u64,
    ) -> Result<(), OpenError> {
        let definition = &self.ops.definition.indexes[index];
        if definition.kind != IndexKind::Unique {
            return Ok(());
        }
        let prefix = &key[..key.len() - size_of::<u64>()];
        let Some(end) = prefix_end(prefix) else { return Ok(()) };
        let mut scan = snapshot.scan(entries, prefix, &end, Order::Ascending)?;
        if !scan.advance()? {
            return Ok(());
        }
        let holder = scan.key().last_chunk::<8>().map_or(0, |id| u64::from_be_bytes(*id));
        let (table, index) = (self.table.name().to_owned(), definition.name.to_owned());
        let (first, second) = (self.table.id_text(holder), self.table.id_text(id));
        Err(SchemaError::DuplicateKey { table, index, first, second }.into())
    }

    fn check_references(&self, snapshot: &Snapshot, id: u64, row: &[u8]) -> Result<(), OpenError> {
        let references = (self.ops.references)(row, &self.table.layouts)
            .map_err(|error| super::read::with_row(error, || self.table.id_text(id)))?;
        for (index, target_id) in references.into_iter().filter(|(index, _)| self.is_new[*index]) {
            let definition = &self.ops.definition.indexes[index];
            let Some(reference) = &definition.reference else { continue };
            let target = (reference.target)();
            let keyspace = self.evolved.table(target).map(|table| table.keyspace);
            let is_there = match keyspace {
                Some(keyspace) => snapshot.get(&row_key(keyspace, target_id), |_| ())?.is_some(),
                None => false,
            };
            if !is_there {
                let (table, index) = (self.table.name().to_owned(), definition.name.to_owned());
                let (id, missing) = (self.table.id_text(id), id_text(target, target_id));
                return Err(SchemaError::DanglingReference { table, index, id, missing }.into());
            }
        }
        Ok(())
    }
}

/// The rows of a table, some at a time, each time from a new snapshot.
struct Batches<'a> {
    store: &'a Store,
    keyspace: u32,
    next_id: u64,
    rows_done: u64,
    rows_at_most: u64,
}

type Rows = Vec<(u64, Vec<u8>)>;

impl<'a> Batches<'a> {
    fn new(store: &'a Store, keyspace: u32) -> Result<Self, StorageError> {
        let next_id = store.snapshot()?.get(&next_id_key(keyspace), |value| value.first_chunk::<8>().copied())?;
        let rows_at_most = next_id.flatten().map_or(0, |next| u64::from_le_bytes(next).saturating_sub(1));
        Ok(Self { store, keyspace, next_id: 0, rows_done: 0, rows_at_most })
    }

    fn next(&mut self) -> Result<Option<Rows>, StorageError> {
        let snapshot = self.store.snapshot()?;
        let start = row_key(self.keyspace, self.next_id);
        let (_, end) = bounds(self.keyspace);
        let changes = Changes::new();
        let mut scan = snapshot.scan(&changes, &start, &end, Order::Ascending)?;
        let mut rows = Vec::new();
        while rows.len() < BATCH_ROWS && scan.advance()? {
            let id = scan.key().first_chunk::<8>().map_or(0, |id| u64::from_be_bytes(*id));
            rows.push((id, scan.value().to_vec()));
            self.next_id = id + 1;
        }
        self.rows_done += rows.len() as u64;
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }
}

/// The row in the current layout.
fn rewritten(ops: &TableOps, row: &[u8], layouts: &Layouts, id: u64) -> Result<Arc<[u8]>, RowError> {
    (ops.rewrite)(row, layouts).map_err(|error| super::read::with_row(error, || id_text(ops.definition.name, id)))
}

/// No row is in an earlier layout any more, so conversions from them are not needed again.
fn finish_rewriting(table: &mut CatalogTable) {
    table.is_rewriting = false;
    let current = table.layouts.len() - 1;
    table.layouts[..current].iter_mut().for_each(|layout| layout.is_live = false);
}

fn stored_catalog(store: &Store) -> Result<Catalog, OpenError> {
    let bytes = store.snapshot()?.get(&catalog_key(), <[u8]>::to_vec)?;
    bytes.map_or_else(|| Ok(Catalog::default()), |bytes| Catalog::decode(&bytes))
}

fn is_used(snapshot: &Snapshot, keyspace: u32) -> Result<bool, StorageError> {
    let (start, end) = bounds(keyspace);
    snapshot.scan(&Changes::new(), &start, &end, Order::Ascending)?.advance()
}

/// Where a keyspace begins, and where the next one does.
fn bounds(keyspace: u32) -> ([u8; 4], [u8; 4]) {
    (keyspace.to_be_bytes(), keyspace.saturating_add(1).to_be_bytes())
}

fn catalog_key() -> Key {
    KeyWriter::new(CATALOG_KEYSPACE).finish()
}

fn next_id_key(keyspace: u32) -> Key {
    let mut key = KeyWriter::new(NEXT_ID_KEYSPACE);
    key.push(&keyspace.to_be_bytes());
    key.finish()
}

fn row_key(keyspace: u32, id: u64) -> Key {
    let mut key = KeyWriter::new(keyspace);
    key.id(id);
    key.finish()
}
