//! A declared table with what the catalog says of it.

use crate::{
    encoding::INDEX_KEYSPACE,
    schema::{
        TableOps,
        catalog::{Catalog, CatalogIndex, CatalogTable, IndexState},
        evolution,
    },
    transaction::{id_sequence::IdSequence, index_readiness::IndexReadiness, tables::OpenTable},
};

/// The tables that the catalog has, in the order in which they were declared.
pub(super) fn open_tables(catalog: &Catalog, declared: Vec<TableOps>) -> Vec<OpenTable> {
    declared.into_iter().filter_map(|ops| Some(open_table(catalog.table(ops.definition.name)?, ops))).collect()
}

pub(super) fn open_table(table: &CatalogTable, ops: TableOps) -> OpenTable {
    let indexes = ops.definition.indexes.iter().filter_map(|index| table.index(index.name));
    let index_keyspaces = indexes.clone().map(|index| index.keyspace | INDEX_KEYSPACE).collect();
    let readiness = |index: &CatalogIndex| match index.state {
        IndexState::Ready => IndexReadiness::ready(),
        IndexState::Building { .. } => IndexReadiness::building(),
    };
    OpenTable {
        keyspace: table.keyspace,
        ids: IdSequence::of_table(&table.name),
        index_keyspaces,
        readiness: indexes.map(readiness).collect(),
        layouts: evolution::layouts(table, ops.definition),
        ops,
        references: Vec::new(),
        referrers: Vec::new(),
    }
}
