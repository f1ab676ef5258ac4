//! Empties the keyspaces that nothing refers to any more.
//!
//! The catalog lists them until they are empty, so a removal that is cut short is taken up by the next opening. What
//! was removed before is gone from the base by then, but for the last batches.

use super::{
    bulk::{Bulk, Walk},
    progress::{BuildProgress, BuildWork},
    stored::ids_given,
};
use crate::{
    encoding::{INDEX_KEYSPACE, Key},
    error::OpenError,
    schema::catalog::Dropped,
    storage::{Change, Changes},
    transaction::index_readiness::index_progress_key,
};

/// Empties every keyspace that the catalog lists as dropped, and takes each off the list when it is empty.
pub(super) fn remove_dropped(bulk: &mut Bulk<'_>) -> Result<(), OpenError> {
    for dropped in bulk.catalog().dropping.clone() {
        empty(bulk, &dropped)?;
        let mut catalog = bulk.catalog().clone();
        catalog.dropping.retain(|other| other.keyspace != dropped.keyspace);
        let progress = match &dropped.index {
            Some(_) => Changes::from([(index_progress_key(dropped.keyspace), Change::Delete)]),
            None => Changes::new(),
        };
        bulk.save_with(catalog, progress)?;
    }
    Ok(())
}

fn empty(bulk: &mut Bulk<'_>, dropped: &Dropped) -> Result<(), OpenError> {
    let (keyspace, work) = match &dropped.index {
        None => (dropped.keyspace, BuildWork::RemoveRows),
        Some(index) => (dropped.keyspace | INDEX_KEYSPACE, BuildWork::RemoveIndex { index: index.clone() }),
    };
    let ids_given = ids_given(bulk.store, &dropped.table)?;
    let mut walk = Walk::new(bulk.store, keyspace);
    let prefix = keyspace.to_be_bytes();
    loop {
        let snapshot = bulk.store.snapshot()?;
        let deletes = walk.next_batch(&snapshot, |key, _, batch| {
            batch.change(Key::from_slice(&[&prefix, key].concat()), Change::Delete);
            Ok(())
        })?;
        drop(snapshot);
        let Some(deletes) = deletes else { return Ok(()) };
        bulk.commit(deletes)?;
        let rows_done = walk.entries_done();
        bulk.report(BuildProgress {
            table: dropped.table.clone(),
            work: work.clone(),
            indexes: Vec::new(),
            rows_done,
            rows_at_most: ids_given.max(rows_done),
        });
    }
}
