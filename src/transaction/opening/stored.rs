//! Where things are in the store: the catalog, rows and keyspaces; and how many ids were given out.

use crate::{
    encoding::{Key, KeyWriter},
    error::{OpenError, StorageError},
    schema::catalog::Catalog,
    storage::{Changes, Order, Snapshot, Store},
    transaction::{id_sequence, tables::catalog_key},
};

/// The catalog, which is empty in a new database.
pub(super) fn stored_catalog(store: &Store) -> Result<Catalog, OpenError> {
    let bytes = store.snapshot()?.get(&catalog_key(), <[u8]>::to_vec)?;
    bytes.map_or_else(|| Ok(Catalog::default()), |bytes| Catalog::decode(&bytes))
}

/// Whether a keyspace holds anything.
pub(super) fn is_used(snapshot: &Snapshot, keyspace: u32) -> Result<bool, StorageError> {
    let (start, end) = bounds(keyspace);
    snapshot.scan(&Changes::new(), &start, &end, Order::Ascending)?.advance()
}

/// How many ids were ever given out in a table.
pub(super) fn ids_given(store: &Store, table: &str) -> Result<u64, StorageError> {
    let given = store.snapshot()?.get(&id_sequence::id_sequence_key(table), id_sequence::ids_given)?;
    Ok(given.unwrap_or(0))
}

/// Where a keyspace begins, and where the next one does.
pub(super) fn bounds(keyspace: u32) -> ([u8; 4], [u8; 4]) {
    (keyspace.to_be_bytes(), keyspace.saturating_add(1).to_be_bytes())
}

pub(super) fn row_key(keyspace: u32, id: u64) -> Key {
    let mut key = KeyWriter::new(keyspace);
    key.id(id);
    key.finish()
}
