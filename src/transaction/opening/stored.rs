//! Where things are in the store: the catalog, the next ids, rows and keyspaces.

use crate::{
    encoding::{Key, KeyWriter},
    error::{OpenError, StorageError},
    schema::catalog::Catalog,
    storage::{Changes, Order, Snapshot, Store},
    transaction::tables::{CATALOG_KEYSPACE, NEXT_ID_KEYSPACE},
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
pub(super) fn ids_given(store: &Store, keyspace: u32) -> Result<u64, StorageError> {
    let next_id = store.snapshot()?.get(&next_id_key(keyspace), |value| value.first_chunk::<8>().copied())?;
    Ok(next_id.flatten().map_or(0, |next| u64::from_le_bytes(next).saturating_sub(1)))
}

/// Where a keyspace begins, and where the next one does.
pub(super) fn bounds(keyspace: u32) -> ([u8; 4], [u8; 4]) {
    (keyspace.to_be_bytes(), keyspace.saturating_add(1).to_be_bytes())
}

pub(super) fn catalog_key() -> Key {
    KeyWriter::new(CATALOG_KEYSPACE).finish()
}

pub(super) fn next_id_key(keyspace: u32) -> Key {
    let mut key = KeyWriter::new(NEXT_ID_KEYSPACE);
    key.push(&keyspace.to_be_bytes());
    key.finish()
}

pub(super) fn row_key(keyspace: u32, id: u64) -> Key {
    let mut key = KeyWriter::new(keyspace);
    key.id(id);
    key.finish()
}
