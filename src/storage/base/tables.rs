//! One table of redb for each keyspace. What the keyspace holds decides the types of its table: fixed-width keys and
//! empty values are faster to search and smaller.

use std::{iter::Peekable, ops::Bound};

use redb::{
    AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};

use super::failure::{Failure, failed};
use crate::{
    encoding::{Key, KeyspaceKind, kind_of},
    storage::order::Order,
};

type Bytes = &'static [u8];
/// The next entry of a range, if there is one.
type Step<K, V> = Result<Option<(AccessGuard<'static, K>, AccessGuard<'static, V>)>, Failure>;

trait Kind {
    type Key: redb::Key + 'static;
    type Value: redb::Value + 'static;

    fn key(local: &[u8]) -> <Self::Key as redb::Value>::SelfType<'_>;
    fn value(value: &[u8]) -> <Self::Value as redb::Value>::SelfType<'_>;
}

/// Rows by their ids.
struct Rows;
/// Index entries, which are all key.
struct Entries;
/// What the engine keeps about the database.
struct System;

impl Kind for Rows {
    type Key = u64;
    type Value = Bytes;

    fn key(local: &[u8]) -> u64 {
        local.first_chunk::<8>().map_or(0, |id| u64::from_be_bytes(*id))
    }

    fn value(value: &[u8]) -> &[u8] {
        value
    }
}

impl Kind for Entries {
    type Key = Bytes;
    type Value = ();

    fn key(local: &[u8]) -> &[u8] {
        local
    }

    fn value(_: &[u8]) {}
}

impl Kind for System {
    type Key = Bytes;
    type Value = Bytes;

    fn key(local: &[u8]) -> &[u8] {
        local
    }

    fn value(value: &[u8]) -> &[u8] {
        value
    }
}

/// Writes entries in key order, of any keyspaces. A table that holds nothing afterwards is dropped.
pub(super) fn write_entries<'a>(
    transaction: &WriteTransaction,
    entries: impl Iterator<Item = (&'a Key, Option<&'a [u8]>)>,
) -> Result<(), Failure> {
    let mut entries = entries.peekable();
    while let Some((key, _)) = entries.peek() {
        let keyspace = key.keyspace();
        match kind_of(keyspace) {
            KeyspaceKind::Rows => write_keyspace::<Rows, _>(transaction, keyspace, &mut entries)?,
            KeyspaceKind::Entries => write_keyspace::<Entries, _>(transaction, keyspace, &mut entries)?,
            KeyspaceKind::System => write_keyspace::<System, _>(transaction, keyspace, &mut entries)?,
        }
    }
    Ok(())
}

/// Writes the entries of one keyspace, which come first in `entries`.
///
/// Keys past the table's last one, as new rows are, go through a cursor at the right edge, without a descent each.
fn write_keyspace<'a, K: Kind, I>(
    transaction: &WriteTransaction,
    keyspace: u32,
    entries: &mut Peekable<I>,
) -> Result<(), Failure>
where
    I: Iterator<Item = (&'a Key, Option<&'a [u8]>)>,
{
    let name = table_name(keyspace);
    let definition = TableDefinition::<K::Key, K::Value>::new(&name);
    let mut table = transaction.open_table(definition).map_err(failed)?;
    let last =
        table.last().map_err(failed)?.map(|(key, _)| <K::Key as redb::Value>::as_bytes(&key.value()).as_ref().to_vec());
    let is_past_the_end = |key: &[u8]| {
        let key = K::key(key);
        let bytes = <K::Key as redb::Value>::as_bytes(&key);
        last.as_ref().is_none_or(|last| <K::Key as redb::Key>::compare(bytes.as_ref(), last).is_gt())
    };
    while let Some((key, value)) =
        entries.next_if(|(key, _)| key.keyspace() == keyspace && !is_past_the_end(key.local()))
    {
        match value {
            Some(value) => drop(table.insert(K::key(key.local()), K::value(value)).map_err(failed)?),
            None => drop(table.remove(K::key(key.local())).map_err(failed)?),
        }
    }
    let mut cursor =
        table.upper_bound_mut(Bound::<<K::Key as redb::Value>::SelfType<'_>>::Unbounded).map_err(failed)?;
    while let Some((key, value)) = entries.next_if(|(key, _)| key.keyspace() == keyspace) {
        if let Some(value) = value {
            cursor.insert_before(K::key(key.local()), K::value(value)).map_err(failed)?;
        }
    }
    cursor.close().map_err(failed)?;
    let is_empty = table.is_empty().map_err(failed)?;
    drop(table);
    if is_empty {
        transaction.delete_table(definition).map_err(failed)?;
    }
    Ok(())
}

/// The name of a keyspace's table.
fn table_name(keyspace: u32) -> String {
    format!("keyspace-{keyspace}")
}

/// The keyspace whose table has this name.
pub(super) fn keyspace_of(table: &str) -> Option<u32> {
    table.strip_prefix("keyspace-")?.parse().ok()
}

/// A table, opened for reading.
pub(super) enum ReadTable {
    Rows(ReadOnlyTable<u64, Bytes>),
    Entries(ReadOnlyTable<Bytes, ()>),
    System(ReadOnlyTable<Bytes, Bytes>),
}

impl ReadTable {
    pub(super) fn open(read: &ReadTransaction, keyspace: u32) -> Result<Self, Failure> {
        let name = table_name(keyspace);
        Ok(match kind_of(keyspace) {
            KeyspaceKind::Rows => Self::Rows(read.open_table(TableDefinition::new(&name)).map_err(failed)?),
            KeyspaceKind::Entries => Self::Entries(read.open_table(TableDefinition::new(&name)).map_err(failed)?),
            KeyspaceKind::System => Self::System(read.open_table(TableDefinition::new(&name)).map_err(failed)?),
        })
    }

    /// The value of a key within the keyspace.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<BaseValue>, Failure> {
        Ok(match self {
            Self::Rows(_) => return self.get_row(Rows::key(key)),
            Self::Entries(table) => table.get(key).map_err(failed)?.map(|_| BaseValue::Empty),
            Self::System(table) => table.get(key).map_err(failed)?.map(BaseValue::Bytes),
        })
    }

    /// A row; `None` where the keyspace holds no rows.
    pub(super) fn get_row(&self, id: u64) -> Result<Option<BaseValue>, Failure> {
        let Self::Rows(table) = self else { return Ok(None) };
        Ok(table.get(id).map_err(failed)?.map(BaseValue::Bytes))
    }

    /// The entries between two keys.
    pub(super) fn range(&self, low: Bound<&[u8]>, high: Option<&[u8]>) -> Result<Option<TableRange>, Failure> {
        let bounds = (low, high.map_or(Bound::Unbounded, Bound::Excluded));
        Ok(match self {
            Self::Rows(table) => {
                let first = match low {
                    Bound::Included(low) => first_id_from(low),
                    Bound::Excluded(low) => Rows::key(low).checked_add(1),
                    Bound::Unbounded => Some(0),
                };
                let Some(first) = first else { return Ok(None) };
                let end = high.and_then(first_id_from);
                if end.is_some_and(|end| end <= first) {
                    return Ok(None);
                }
                let bounds = (Bound::Included(first), end.map_or(Bound::Unbounded, Bound::Excluded));
                Some(TableRange::Rows(table.range::<u64>(bounds).map_err(failed)?))
            }
            Self::Entries(table) => Some(TableRange::Entries(table.range::<&[u8]>(bounds).map_err(failed)?)),
            Self::System(table) => Some(TableRange::System(table.range::<&[u8]>(bounds).map_err(failed)?)),
        })
    }
}

/// The smallest id whose eight bytes are not less than `bytes`; `None` if all are.
fn first_id_from(bytes: &[u8]) -> Option<u64> {
    let mut id = [0; 8];
    let given = bytes.len().min(id.len());
    id[..given].copy_from_slice(&bytes[..given]);
    let is_longer = bytes.len() > id.len();
    u64::from_be_bytes(id).checked_add(u64::from(is_longer))
}

/// A value of the base, as long as it is held.
pub(super) enum BaseValue {
    Bytes(AccessGuard<'static, Bytes>),
    Empty,
}

impl BaseValue {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Bytes(value) => value.value(),
            Self::Empty => &[],
        }
    }
}

/// Entries of one table, from either end.
pub(super) enum TableRange {
    Rows(redb::Range<'static, u64, Bytes>),
    Entries(redb::Range<'static, Bytes, ()>),
    System(redb::Range<'static, Bytes, Bytes>),
}

impl TableRange {
    /// The next entry from that end.
    pub(super) fn next(&mut self, order: Order) -> Result<Option<BaseEntry>, Failure> {
        fn step<K: redb::Key, V: redb::Value>(range: &mut redb::Range<'static, K, V>, order: Order) -> Step<K, V> {
            match order {
                Order::Ascending => range.next(),
                Order::Descending => range.next_back(),
            }
            .transpose()
            .map_err(failed)
        }
        Ok(match self {
            Self::Rows(range) => step(range, order)?.map(|(id, row)| BaseEntry::Row(id.value().to_be_bytes(), row)),
            Self::Entries(range) => step(range, order)?.map(|(key, _)| BaseEntry::Entry(key)),
            Self::System(range) => step(range, order)?.map(|(key, value)| BaseEntry::System(key, value)),
        })
    }
}

/// One entry of the base, as long as it is held.
pub(in crate::storage) enum BaseEntry {
    Row([u8; 8], AccessGuard<'static, Bytes>),
    Entry(AccessGuard<'static, Bytes>),
    System(AccessGuard<'static, Bytes>, AccessGuard<'static, Bytes>),
}

impl BaseEntry {
    pub(in crate::storage) fn key(&self) -> &[u8] {
        match self {
            Self::Row(id, _) => id,
            Self::Entry(key) | Self::System(key, _) => key.value(),
        }
    }

    pub(in crate::storage) fn value(&self) -> &[u8] {
        match self {
            Self::Row(_, value) | Self::System(_, value) => value.value(),
            Self::Entry(_) => &[],
        }
    }
}
