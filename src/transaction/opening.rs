//! Brings what is stored to what is declared, while the database opens.
//!
//! The comparison itself is `schema::evolution`, which only computes. Here its result is carried out, so that a crash
//! or a refusal at any point leaves the stored schema as it was:
//! 1. The keyspaces of new indexes are noted as dropped, and then filled. Only when all of them are whole does one
//!    commit make the new catalog the catalog, with them in it.
//! 2. Rows whose fields changed their type are rewritten.
//! 3. What is noted as dropped is removed.
//!
//! Each of these takes time in proportion to the rows and entries that it concerns, in batches of bounded size.
//!
//! - `stored`: where things are in the store; `open_table`: a table with what the catalog says of it.
//! - `progress`: what is reported; `bulk`: walking a keyspace in batches.
//! - `removal`, `rewrite` and `index_build`: the three kinds of work.

mod stored;
mod open_table;
mod progress;
mod bulk;
mod removal;
mod rewrite;
mod index_build;
#[cfg(test)]
mod tests;

pub use self::progress::{BuildProgress, BuildWork};
use self::{
    bulk::Bulk,
    index_build::build_indexes,
    open_table::open_tables,
    removal::remove_dropped,
    rewrite::{check_rewrites, rewrite_tables},
    stored::{is_used, stored_catalog},
};
use super::tables::OpenTables;
use crate::{
    error::OpenError,
    schema::{TableOps, evolution},
    storage::Store,
};

/// When new indexes are built.
#[derive(Debug, Clone, Copy)]
pub(crate) enum IndexBuilding<'a> {
    /// Before the database is open.
    AtOpen,
    /// While it is open, but for those of these tables.
    WhileRunning {
        /// Tables that the engine itself needs at once.
        except: &'a [&'a str],
    },
}

impl IndexBuilding<'_> {
    /// Whether the new indexes of this table are built before the database is open.
    fn is_at_open(self, table: &str) -> bool {
        match self {
            Self::AtOpen => true,
            Self::WhileRunning { except } => except.contains(&table),
        }
    }
}

/// Compares the declared tables with the stored ones, does what is to be done, and opens them.
pub(crate) fn bring_up_to_date(
    store: &Store,
    declared: Vec<TableOps>,
    dropped: &[String],
    building: IndexBuilding<'_>,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<OpenTables, OpenError> {
    let mut bulk = Bulk::new(store, stored_catalog(store)?, progress);
    let definitions: Vec<_> = declared.iter().map(|ops| ops.definition).collect();
    let mut evolved = evolution::evolve(bulk.catalog(), &definitions, dropped, &mut |keyspace| {
        Ok(is_used(&store.snapshot()?, keyspace)?)
    })?;
    if evolved != *bulk.catalog() {
        // The evolved catalog was made from one that still lists them.
        let removed = bulk.catalog().dropping.clone();
        remove_dropped(&mut bulk)?;
        evolved.dropping.retain(|dropped| !removed.contains(dropped));
        build_indexes(&mut bulk, &mut evolved, &declared, building)?;
        check_rewrites(&bulk, &evolved, &declared)?;
        bulk.save(evolved)?;
    }
    rewrite_tables(&mut bulk, &declared)?;
    remove_dropped(&mut bulk)?;
    store.flush()?;
    Ok(OpenTables::new(open_tables(bulk.catalog(), declared), bulk.catalog().clone()))
}

/// Opens what is stored, and declares nothing.
pub(crate) fn open_as_stored(store: &Store) -> Result<OpenTables, OpenError> {
    Ok(OpenTables::new(Vec::new(), stored_catalog(store)?))
}
