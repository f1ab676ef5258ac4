//! Rewrites the rows of tables in which a field changed its type.
//!
//! Each row says which layout it is in, so half of them may be old: what a rewrite that is cut short has done stays
//! done.

use std::sync::Arc;

use super::{
    bulk::{Bulk, Walk, id_of},
    progress::{BuildProgress, BuildWork},
    stored::{ids_given, row_key},
};
use crate::{
    encoding::{Layouts, layout_of},
    error::{OpenError, RowError},
    schema::{
        RawRow, TableOps,
        catalog::{Catalog, CatalogTable},
        evolution, id_text,
    },
    storage::Change,
    transaction::read::with_row,
};

/// Rewrites every row that is going to be rewritten, to see that it can be: once the new catalog is saved, there is
/// no way back.
pub(super) fn check_rewrites(bulk: &Bulk<'_>, evolved: &Catalog, declared: &[TableOps]) -> Result<(), OpenError> {
    for (ops, table) in to_rewrite(evolved, declared) {
        let layouts = evolution::layouts(table, ops.definition);
        let mut walk = Walk::new(bulk.store, table.keyspace);
        let check = |key: &[u8], row: &[u8]| rewritten(ops, row, &layouts, id_of(key)).map(drop);
        while walk.next_batch(&bulk.store.snapshot()?, |key, row, _| Ok(check(key, row)?))?.is_some() {}
    }
    Ok(())
}

/// Rewrites the rows of every table that the stored catalog says so of.
pub(super) fn rewrite_tables(bulk: &mut Bulk<'_>, declared: &[TableOps]) -> Result<(), OpenError> {
    let catalog = bulk.catalog().clone();
    for (ops, table) in to_rewrite(&catalog, declared) {
        rewrite_rows(bulk, ops, table)?;
        let mut catalog = bulk.catalog().clone();
        catalog.tables.iter_mut().filter(|other| other.name == table.name).for_each(finish_rewriting);
        bulk.save(catalog)?;
    }
    Ok(())
}

fn to_rewrite<'a>(
    catalog: &'a Catalog,
    declared: &'a [TableOps],
) -> impl Iterator<Item = (&'a TableOps, &'a CatalogTable)> {
    let with_table = |ops: &'a TableOps| Some((ops, catalog.table(ops.definition.name)?));
    declared.iter().filter_map(with_table).filter(|(_, table)| table.is_rewriting)
}

fn rewrite_rows(bulk: &mut Bulk<'_>, ops: &TableOps, table: &CatalogTable) -> Result<(), OpenError> {
    let layouts = evolution::layouts(table, ops.definition);
    let rows_at_most = ids_given(bulk.store, &table.name)?;
    let mut walk = Walk::new(bulk.store, table.keyspace);
    loop {
        let snapshot = bulk.store.snapshot()?;
        let rows = walk.next_batch(&snapshot, |key, row, batch| {
            if layout_of(row) != Some(layouts.current) {
                let id = id_of(key);
                batch.change(row_key(table.keyspace, id), Change::Put(rewritten(ops, row, &layouts, id)?));
            }
            Ok(())
        })?;
        drop(snapshot);
        let Some(rows) = rows else { return Ok(()) };
        bulk.commit(rows)?;
        bulk.report(BuildProgress {
            table: table.name.clone(),
            work: BuildWork::RewriteRows,
            indexes: Vec::new(),
            rows_done: walk.entries_done(),
            rows_at_most,
        });
    }
}

/// The row in the current layout.
fn rewritten(ops: &TableOps, row: &[u8], layouts: &Layouts, id: u64) -> Result<Arc<[u8]>, RowError> {
    (ops.rewrite)(row, layouts).or_else(|error| {
        // A field that does not decode, and need not be converted, stays as it is.
        let raw = RawRow::read(ops.definition, row, layouts).and_then(|raw| raw.rewritten(layouts.current, None));
        raw.map_err(|_| with_row(error, || id_text(ops.definition.name, id)))
    })
}

/// No row is in an earlier layout any more, so conversions from them are not needed again.
fn finish_rewriting(table: &mut CatalogTable) {
    table.is_rewriting = false;
    let current = table.layouts.len() - 1;
    table.layouts[..current].iter_mut().for_each(|layout| layout.is_live = false);
}
