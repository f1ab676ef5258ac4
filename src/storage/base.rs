//! The durable base: redb, named nowhere else.
//!
//! One redb table per keyspace, bytes to bytes, and one table of figures about the database itself: its format, the
//! timestamp that the base stands at, and the log segment that continues it. All of them change in one redb
//! transaction, so the base is always exactly the state at one timestamp.

mod backend;

use std::{
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parking_lot::Mutex;
use redb::{
    AccessGuard, Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, TableHandle,
};

use self::backend::Backend;
use super::{
    disk::{Disk, DiskFile},
    order::Order,
};
use crate::{
    encoding::{INDEX_KEYSPACE, Key, KeyspaceKind, kind_of},
    error::{OpenError, StorageError},
};

/// The file in the database directory.
pub(super) const BASE_FILE: &str = "base.redb";
/// What the file is called until its first commit is durable: a crash before that leaves nothing to repair.
pub(super) const BASE_FILE_NEW: &str = "base.new";
/// The newest format of the base that this release reads and the one that it writes.
const BASE_FORMAT: u64 = 1;

const FIGURES: TableDefinition<'static, &'static str, u64> = TableDefinition::new("tropism");
const FORMAT: &str = "format";
const TS: &str = "ts";
const LOG_FROM: &str = "log_from";
const LOG_GOES_ON: &str = "log_goes_on";

type Bytes = &'static [u8];

/// The redb database of one tropism database. The lock is held while a checkpoint is written; reads go through
/// snapshots and never meet it. `None` when it is closed.
pub(super) struct Base {
    database: Mutex<Option<Database>>,
}

/// What the base knows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Figures {
    /// The commit that the base stands at: everything up to it is in, nothing after it.
    pub(super) ts: u64,
    /// The first log segment that may hold commits after `ts`; earlier ones are obsolete.
    pub(super) log_from: u64,
    /// Whether that segment existed at the checkpoint, and so must exist now. Not so after a clean close.
    pub(super) log_goes_on: bool,
}

impl Base {
    /// Opens the base of a database, or makes an empty one.
    pub(super) fn open(disk: &dyn Disk, cache_bytes: usize) -> Result<(Self, Figures), OpenError> {
        let files = disk.list().map_err(|error| StorageError::io("list", &disk.describe(), error))?;
        if files.iter().any(|file| file == BASE_FILE) {
            return Self::open_existing(disk, cache_bytes);
        }
        Ok(Self::create(disk, cache_bytes, &files)?)
    }

    fn create(disk: &dyn Disk, cache_bytes: usize, files: &[String]) -> Result<(Self, Figures), StorageError> {
        if files.iter().any(|file| file == BASE_FILE_NEW) {
            disk.remove(BASE_FILE_NEW).map_err(|error| StorageError::io("remove", BASE_FILE_NEW, error))?;
        }
        let file = disk.create(BASE_FILE_NEW).map_err(|error| StorageError::io("create", BASE_FILE_NEW, error))?;
        let base = Self::new(redb_over(file, cache_bytes).map_err(failed)?);
        let figures = Figures { ts: 0, log_from: 0, log_goes_on: false };
        base.apply(&mut std::iter::empty(), figures, &|_| {})?;
        disk.rename(BASE_FILE_NEW, BASE_FILE).map_err(|error| StorageError::io("rename", BASE_FILE_NEW, error))?;
        disk.sync_directory().map_err(|error| StorageError::io("sync", &disk.describe(), error))?;
        Ok((base, figures))
    }

    fn open_existing(disk: &dyn Disk, cache_bytes: usize) -> Result<(Self, Figures), OpenError> {
        let file = disk.open(BASE_FILE).map_err(|error| StorageError::io("open", BASE_FILE, error))?;
        if file.len().map_err(|error| StorageError::io("read", BASE_FILE, error))? == 0 {
            return Err(damaged("the file is empty").into());
        }
        guarded(|| {
            let base = Self::new(redb_over(file, cache_bytes).map_err(|error| damaged(&error.to_string()))?);
            let figures = base.figures()?;
            Ok((base, figures))
        })
    }

    fn new(database: Database) -> Self {
        Self { database: Mutex::new(Some(database)) }
    }

    /// Gives up the file. Snapshots that are still alive answer `Closed` from now on.
    pub(super) fn close(&self) -> Result<(), StorageError> {
        self.database.lock().take().map_or(Ok(()), |database| database.close().map_err(failed))
    }

    fn figures(&self) -> Result<Figures, OpenError> {
        let database = self.database.lock();
        let read = database.as_ref().ok_or(StorageError::Closed)?.begin_read().map_err(failed)?;
        let table = read.open_table(FIGURES).map_err(|error| damaged(&error.to_string()))?;
        let figure = |name: &str| -> Result<Option<u64>, StorageError> {
            Ok(table.get(name).map_err(failed)?.map(|value| value.value()))
        };
        let format = figure(FORMAT)?.ok_or_else(|| damaged("it has no format number"))?;
        if format > BASE_FORMAT {
            return Err(OpenError::NewerFormat {
                file: BASE_FILE.to_owned(),
                found: u32::try_from(format).unwrap_or(u32::MAX),
                supported: BASE_FORMAT as u32,
            });
        }
        let ts = figure(TS)?.ok_or_else(|| damaged("it has no timestamp"))?;
        let log_from = figure(LOG_FROM)?.ok_or_else(|| damaged("it does not say where the log goes on"))?;
        Ok(Figures { ts, log_from, log_goes_on: figure(LOG_GOES_ON)? == Some(1) })
    }

    /// Writes the overlay and the figures in one durable transaction; all or nothing.
    ///
    /// Sorted input costs about a microsecond per entry. Quick repair is on, so that opening after a crash does not
    /// walk the file.
    pub(super) fn apply<'a>(
        &self,
        entries: &mut (dyn Iterator<Item = (&'a Key, Option<&'a [u8]>)> + 'a),
        figures: Figures,
        pace: &dyn Fn(usize),
    ) -> Result<(), StorageError> {
        pace(0);
        guarded(|| self.apply_unguarded(entries, figures))
    }

    fn apply_unguarded<'a>(
        &self,
        entries: &mut (dyn Iterator<Item = (&'a Key, Option<&'a [u8]>)> + 'a),
        figures: Figures,
    ) -> Result<(), StorageError> {
        let database = self.database.lock();
        let mut transaction = database.as_ref().ok_or(StorageError::Closed)?.begin_write().map_err(failed)?;
        transaction.set_durability(Durability::Immediate).map_err(failed)?;
        transaction.set_quick_repair(true);
        let mut entries = entries.peekable();
        while let Some((key, _)) = entries.peek() {
            let keyspace = key.keyspace();
            match kind_of(keyspace) {
                KeyspaceKind::Rows => write_keyspace::<Rows, _>(&transaction, keyspace, &mut entries)?,
                KeyspaceKind::Entries => write_keyspace::<Entries, _>(&transaction, keyspace, &mut entries)?,
                KeyspaceKind::System => write_keyspace::<System, _>(&transaction, keyspace, &mut entries)?,
            }
        }
        let mut table = transaction.open_table(FIGURES).map_err(failed)?;
        table.insert(FORMAT, BASE_FORMAT).map_err(failed)?;
        table.insert(TS, figures.ts).map_err(failed)?;
        table.insert(LOG_FROM, figures.log_from).map_err(failed)?;
        table.insert(LOG_GOES_ON, u64::from(figures.log_goes_on)).map_err(failed)?;
        drop(table);
        transaction.commit().map_err(failed)
    }

    /// The base as it stands now, with every table opened: shared until the next checkpoint, since opening costs more
    /// than a point read.
    pub(super) fn snapshot(&self) -> Result<BaseSnapshot, StorageError> {
        guarded(|| self.snapshot_unguarded())
    }

    fn snapshot_unguarded(&self) -> Result<BaseSnapshot, StorageError> {
        let database = self.database.lock();
        let read = database.as_ref().ok_or(StorageError::Closed)?.begin_read().map_err(failed)?;
        let mut tables = Vec::new();
        for handle in read.list_tables().map_err(failed)? {
            let Some(keyspace) = keyspace_of(handle.name()) else { continue };
            let table = open_for_reading(&read, keyspace, handle.name()).map_err(failed)?;
            if tables.len() <= position(keyspace) {
                tables.resize_with(position(keyspace) + 1, || None);
            }
            tables[position(keyspace)] = Some(table);
        }
        Ok(BaseSnapshot { tables })
    }
}

/// What a keyspace holds, which decides the types of its redb table: fixed-width keys and empty values are faster to
/// search and smaller.
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

enum ReadTable {
    Rows(ReadOnlyTable<u64, Bytes>),
    Entries(ReadOnlyTable<Bytes, ()>),
    System(ReadOnlyTable<Bytes, Bytes>),
}

/// Writes the entries of one keyspace, which come first in `entries`, in key order.
///
/// Keys past the table's last one, as new rows are, go through a cursor at the right edge, without a descent each.
fn write_keyspace<'a, K: Kind, I>(
    transaction: &redb::WriteTransaction,
    keyspace: u32,
    entries: &mut std::iter::Peekable<I>,
) -> Result<(), StorageError>
where
    I: Iterator<Item = (&'a Key, Option<&'a [u8]>)>,
{
    let name = table_name(keyspace);
    let mut table = transaction.open_table(TableDefinition::<K::Key, K::Value>::new(&name)).map_err(failed)?;
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
    cursor.close().map_err(failed)
}

/// Every table of the base at one timestamp.
pub(crate) struct BaseSnapshot {
    /// By the keyspace's number without its kind, which is dense.
    tables: Vec<Option<ReadTable>>,
}

impl BaseSnapshot {
    fn table(&self, keyspace: u32) -> Option<&ReadTable> {
        self.tables.get(position(keyspace))?.as_ref()
    }

    /// Reads the value of a key within its keyspace, in place.
    pub(super) fn get<R>(
        &self,
        keyspace: u32,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        Ok(match self.table(keyspace) {
            None => None,
            Some(ReadTable::Rows(_)) => return self.get_row(keyspace, Rows::key(key), read),
            Some(ReadTable::Entries(table)) => guarded(|| table.get(key).map_err(failed))?.map(|_| read(&[])),
            Some(ReadTable::System(table)) => {
                guarded(|| table.get(key).map_err(failed))?.map(|value| read(value.value()))
            }
        })
    }

    /// Reads a row in place.
    pub(super) fn get_row<R>(
        &self,
        keyspace: u32,
        id: u64,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        let Some(ReadTable::Rows(table)) = self.table(keyspace) else { return Ok(None) };
        Ok(guarded(|| table.get(id).map_err(failed))?.map(|value| read(value.value())))
    }

    /// The entries within one keyspace from a key on, up to, not with, another; without one, to the end.
    pub(super) fn range(
        &self,
        keyspace: u32,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<BaseRange>, StorageError> {
        guarded(|| self.range_unguarded(keyspace, start, end))
    }

    fn range_unguarded(
        &self,
        keyspace: u32,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<BaseRange>, StorageError> {
        let bytes = (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded));
        Ok(match self.table(keyspace) {
            None => None,
            Some(ReadTable::Rows(table)) => {
                let Some(start) = first_id_from(start) else { return Ok(None) };
                let end = end.and_then(first_id_from).map_or(Bound::Unbounded, Bound::Excluded);
                let range = table.range::<u64>((Bound::Included(start), end)).map_err(failed)?;
                Some(BaseRange::Rows(range))
            }
            Some(ReadTable::Entries(table)) => Some(BaseRange::Entries(table.range::<&[u8]>(bytes).map_err(failed)?)),
            Some(ReadTable::System(table)) => Some(BaseRange::System(table.range::<&[u8]>(bytes).map_err(failed)?)),
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

/// Entries of one keyspace of the base, from either end.
pub(super) enum BaseRange {
    Rows(redb::Range<'static, u64, Bytes>),
    Entries(redb::Range<'static, Bytes, ()>),
    System(redb::Range<'static, Bytes, Bytes>),
}

/// One entry of the base, as long as it is held.
pub(super) enum BaseEntry {
    Row([u8; 8], AccessGuard<'static, Bytes>),
    Entry(AccessGuard<'static, Bytes>),
    System(AccessGuard<'static, Bytes>, AccessGuard<'static, Bytes>),
}

impl BaseRange {
    /// The next entry from that end.
    pub(super) fn next(&mut self, order: Order) -> Result<Option<BaseEntry>, StorageError> {
        fn step<K: redb::Key, V: redb::Value>(range: &mut redb::Range<'static, K, V>, order: Order) -> Step<K, V> {
            let mut next = || match order {
                Order::Ascending => range.next(),
                Order::Descending => range.next_back(),
            };
            guarded(|| next().transpose().map_err(failed))
        }
        Ok(match self {
            Self::Rows(range) => step(range, order)?.map(|(id, row)| BaseEntry::Row(id.value().to_be_bytes(), row)),
            Self::Entries(range) => step(range, order)?.map(|(key, _)| BaseEntry::Entry(key)),
            Self::System(range) => step(range, order)?.map(|(key, value)| BaseEntry::System(key, value)),
        })
    }
}

type Step<K, V> = Result<Option<(AccessGuard<'static, K>, AccessGuard<'static, V>)>, StorageError>;

impl BaseEntry {
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Row(id, _) => id,
            Self::Entry(key) | Self::System(key, _) => key.value(),
        }
    }

    pub(super) fn value(&self) -> &[u8] {
        match self {
            Self::Row(_, value) | Self::System(_, value) => value.value(),
            Self::Entry(_) => &[],
        }
    }
}

/// redb asserts where a page does not hold what it must; here a damaged file is an error like any other. Nothing that
/// the closure leaves behind is used again: what panics is a read, or a transaction that is given up.
fn guarded<R, E: From<StorageError>>(work: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(damaged("a page does not hold what it must").into()))
}

fn redb_over(file: Arc<dyn DiskFile>, cache_bytes: usize) -> Result<Database, redb::DatabaseError> {
    Database::builder().set_cache_size(cache_bytes).create_with_backend(Backend(file))
}

fn table_name(keyspace: u32) -> String {
    format!("keyspace-{keyspace}")
}

fn keyspace_of(table: &str) -> Option<u32> {
    table.strip_prefix("keyspace-")?.parse().ok()
}

/// The keyspace's number without its kind.
fn position(keyspace: u32) -> usize {
    (keyspace & !INDEX_KEYSPACE) as usize
}

fn open_for_reading(read: &redb::ReadTransaction, keyspace: u32, name: &str) -> Result<ReadTable, redb::TableError> {
    Ok(match kind_of(keyspace) {
        KeyspaceKind::Rows => ReadTable::Rows(read.open_table(TableDefinition::new(name))?),
        KeyspaceKind::Entries => ReadTable::Entries(read.open_table(TableDefinition::new(name))?),
        KeyspaceKind::System => ReadTable::System(read.open_table(TableDefinition::new(name))?),
    })
}

pub(super) fn failed(error: impl Into<redb::Error>) -> StorageError {
    match error.into() {
        redb::Error::DatabaseClosed => StorageError::Closed,
        error => StorageError::Base { reason: error.to_string().into() },
    }
}

fn damaged(reason: &str) -> StorageError {
    StorageError::Corrupt { file: BASE_FILE.to_owned(), offset: 0, reason: reason.to_owned() }
}
