//! The durable base: redb, named nowhere else.
//!
//! One redb table per keyspace, bytes to bytes, and one table of figures about the database itself: its format, the
//! timestamp that the base stands at, and the log segment that continues it. All of them change in one redb
//! transaction, so the base is always exactly the state at one timestamp.

use std::{fmt, io, ops::Bound, sync::Arc};

use parking_lot::Mutex;
use redb::{
    AccessGuard, Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableHandle,
};

use super::{
    disk::{Disk, DiskFile},
    overlay::Overlay,
};
use crate::{
    encoding::Key,
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
type ReadTable = ReadOnlyTable<Bytes, Bytes>;

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
        base.apply(&Overlay::default(), figures)?;
        disk.rename(BASE_FILE_NEW, BASE_FILE).map_err(|error| StorageError::io("rename", BASE_FILE_NEW, error))?;
        disk.sync_directory().map_err(|error| StorageError::io("sync", &disk.describe(), error))?;
        Ok((base, figures))
    }

    fn open_existing(disk: &dyn Disk, cache_bytes: usize) -> Result<(Self, Figures), OpenError> {
        let file = disk.open(BASE_FILE).map_err(|error| StorageError::io("open", BASE_FILE, error))?;
        if file.len().map_err(|error| StorageError::io("read", BASE_FILE, error))? == 0 {
            return Err(damaged("the file is empty").into());
        }
        let base = Self::new(redb_over(file, cache_bytes).map_err(|error| damaged(&error.to_string()))?);
        let figures = base.figures()?;
        Ok((base, figures))
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
    pub(super) fn apply(&self, overlay: &Overlay, figures: Figures) -> Result<(), StorageError> {
        let database = self.database.lock();
        let mut transaction = database.as_ref().ok_or(StorageError::Closed)?.begin_write().map_err(failed)?;
        transaction.set_durability(Durability::Immediate).map_err(failed)?;
        transaction.set_quick_repair(true);
        let mut entries = overlay.iter().peekable();
        while let Some((key, _)) = entries.peek() {
            let keyspace = key.keyspace();
            let name = table_name(keyspace);
            let mut table = transaction.open_table(definition(&name)).map_err(failed)?;
            write_keyspace(&mut table, keyspace, &mut entries)?;
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
        let database = self.database.lock();
        let read = database.as_ref().ok_or(StorageError::Closed)?.begin_read().map_err(failed)?;
        let mut tables = Vec::new();
        for handle in read.list_tables().map_err(failed)? {
            let Some(keyspace) = keyspace_of(handle.name()) else { continue };
            let table = read.open_table(definition(handle.name())).map_err(failed)?;
            if tables.len() <= keyspace {
                tables.resize_with(keyspace + 1, || None);
            }
            tables[keyspace] = Some(table);
        }
        Ok(BaseSnapshot { tables })
    }
}

/// Writes the entries of one keyspace, which come first in `entries`, in key order.
///
/// Keys past the table's last one, as new rows are, go through a cursor at the right edge, without a descent each.
fn write_keyspace<'a>(
    table: &mut redb::Table<'_, Bytes, Bytes>,
    keyspace: u32,
    entries: &mut std::iter::Peekable<impl Iterator<Item = (&'a Key, &'a Option<Arc<[u8]>>)>>,
) -> Result<(), StorageError> {
    let last = table.last().map_err(failed)?.map(|(key, _)| key.value().to_vec());
    let is_past_the_end = |key: &[u8]| last.as_ref().is_none_or(|last| key > last.as_slice());
    while let Some((key, value)) =
        entries.next_if(|(key, _)| key.keyspace() == keyspace && !is_past_the_end(key.local()))
    {
        match value {
            Some(value) => drop(table.insert(key.local(), &**value).map_err(failed)?),
            None => drop(table.remove(key.local()).map_err(failed)?),
        }
    }
    let mut cursor = table.upper_bound_mut(Bound::<&[u8]>::Unbounded).map_err(failed)?;
    while let Some((key, value)) = entries.next_if(|(key, _)| key.keyspace() == keyspace) {
        if let Some(value) = value {
            cursor.insert_before(key.local(), &**value).map_err(failed)?;
        }
    }
    cursor.close().map_err(failed)
}

/// Every table of the base at one timestamp.
pub(crate) struct BaseSnapshot {
    /// By keyspace number, which is dense.
    tables: Vec<Option<ReadTable>>,
}

/// Entries of one keyspace of the base, from either end.
pub(super) type BaseRange = redb::Range<'static, Bytes, Bytes>;
/// A key or a value in the base, as long as it is held.
pub(super) type BaseBytes = AccessGuard<'static, Bytes>;

impl BaseSnapshot {
    fn table(&self, keyspace: u32) -> Option<&ReadTable> {
        self.tables.get(keyspace as usize)?.as_ref()
    }

    /// The value of a key within its keyspace.
    pub(super) fn get(&self, keyspace: u32, key: &[u8]) -> Result<Option<AccessGuard<'_, Bytes>>, StorageError> {
        let Some(table) = self.table(keyspace) else { return Ok(None) };
        ReadableTable::get(table, key).map_err(failed)
    }

    /// The entries between two keys within one keyspace.
    pub(super) fn range(
        &self,
        keyspace: u32,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<Option<BaseRange>, StorageError> {
        let Some(table) = self.table(keyspace) else { return Ok(None) };
        table.range::<&[u8]>(bounds).map(Some).map_err(failed)
    }
}

fn redb_over(file: Arc<dyn DiskFile>, cache_bytes: usize) -> Result<Database, redb::DatabaseError> {
    Database::builder().set_cache_size(cache_bytes).create_with_backend(Backend(file))
}

fn table_name(keyspace: u32) -> String {
    format!("keyspace-{keyspace}")
}

fn keyspace_of(table: &str) -> Option<usize> {
    table.strip_prefix("keyspace-")?.parse().ok()
}

fn definition(name: &str) -> TableDefinition<'_, Bytes, Bytes> {
    TableDefinition::new(name)
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

/// redb on a [`Disk`]'s file. The directory's lock guards it, so it needs none of its own.
struct Backend(Arc<dyn DiskFile>);

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}
