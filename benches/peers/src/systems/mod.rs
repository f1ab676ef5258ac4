//! The systems that are compared: one file each, all behind [`System`].
//!
//! [`apalis_sqlite`] stands apart: it is a queue of jobs and no database, and takes part in `schedule_100k` alone.
//!
//! `by_hand` and `disk` are no systems of their own: the first is [`redb`] with a channel, in `measures/subscribe.rs`,
//! the second the file system, in `measures/disk.rs`.

pub(crate) mod apalis_sqlite;
mod fjall;
mod heed;
mod native_db;
pub(crate) mod redb;
mod sqlite;
pub(crate) mod tropism;

use std::path::Path;

use anyhow::{Context, Result};

use crate::rows::{Category, Row};

/// Cache of each system that lets one choose and has a small default: enough for all rows, so that reads compare
/// engines and not cache sizes. (redb's default is 1 GiB; LMDB has none of its own.)
pub(crate) const CACHE_BYTES: usize = 256 << 20;

/// What every system can do, each in the way its own users would write it.
///
/// Rows have the ids 1, 2, 3, … in the order of their insertion. Reads decode every field of every row they answer.
pub(crate) trait System: Send + Sync {
    /// Inserts the rows in one transaction with all index entries.
    fn insert(&self, rows: Vec<Row>) -> Result<()>;

    /// Changes the category of existing rows, and so an index, in one transaction.
    fn change_categories(&self, changes: &[(u64, Category)]) -> Result<()>;

    /// Takes the row with the smallest id and deletes it with its index entries, in one transaction; answers whether
    /// there was one.
    fn pop_first(&self) -> Result<bool>;

    /// Reads a row in a read transaction of its own; answers its project.
    fn get(&self, id: u64) -> Result<u64>;

    /// Reads rows in one read transaction for all; answers how many were found.
    fn get_many(&self, ids: &[u64]) -> Result<usize>;

    /// Reads a project's rows through `by_project` in a read transaction of its own; answers how many.
    fn by_project(&self, project_id: u64) -> Result<usize>;

    /// Reads a pair's rows through `by_project_and_category` in a read transaction of its own; answers how many.
    fn by_project_and_category(&self, project_id: u64, category: Category) -> Result<usize>;

    /// Reads the ids of the first rows of a database that was opened again, where the system's user would have to remember
    /// them.
    fn recall(&self, _rows: u64) -> Result<()> {
        Ok(())
    }

    /// Finishes what the system would do in the background (a checkpoint, a compaction), so that it does not run
    /// into a measurement.
    fn settle(&self) -> Result<()>;

    /// Closes the database as its documentation asks for.
    fn close(self: Box<Self>) -> Result<()>;
}

/// A system in one of its two modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Tropism,
    TropismRelaxed,
    Redb,
    RedbRelaxed,
    Sqlite,
    SqliteRelaxed,
    NativeDb,
    Fjall,
    FjallRelaxed,
    Heed,
    HeedRelaxed,
}

/// Is a change on the disk when its transaction returns?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It is, and survives a power failure.
    Durable,
    /// It is visible to reads; the disk has it at some later time.
    Relaxed,
}

impl Engine {
    pub(crate) const ALL: &[Self] = &[
        Self::Tropism,
        Self::TropismRelaxed,
        Self::Redb,
        Self::RedbRelaxed,
        Self::Sqlite,
        Self::SqliteRelaxed,
        Self::NativeDb,
        Self::Fjall,
        Self::FjallRelaxed,
        Self::Heed,
        Self::HeedRelaxed,
    ];
    /// Everybody whose transactions are durable.
    pub(crate) const DURABLE: &[Self] =
        &[Self::Tropism, Self::Redb, Self::Sqlite, Self::NativeDb, Self::Fjall, Self::Heed];
    /// Everybody with a mode that makes changes visible at once and durable later.
    pub(crate) const RELAXED: &[Self] =
        &[Self::TropismRelaxed, Self::RedbRelaxed, Self::SqliteRelaxed, Self::FjallRelaxed, Self::HeedRelaxed];
    /// Everybody, relaxed where there is such a mode.
    pub(crate) const RELAXED_IF_ANY: &[Self] = &[
        Self::TropismRelaxed,
        Self::RedbRelaxed,
        Self::SqliteRelaxed,
        Self::NativeDb,
        Self::FjallRelaxed,
        Self::HeedRelaxed,
    ];

    /// The name in the results: tropism has one for both modes, since no measure has both.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tropism | Self::TropismRelaxed => "tropism",
            Self::Redb => "redb",
            Self::RedbRelaxed => "redb_relaxed",
            Self::Sqlite => "sqlite",
            Self::SqliteRelaxed => "sqlite_relaxed",
            Self::NativeDb => "native_db",
            Self::Fjall => "fjall",
            Self::FjallRelaxed => "fjall_relaxed",
            Self::Heed => "heed",
            Self::HeedRelaxed => "heed_relaxed",
        }
    }

    /// The durable engine of this name.
    pub(crate) fn durable(name: &str) -> Result<Self> {
        let found = Self::DURABLE.iter().find(|engine| engine.name() == name);
        found.copied().with_context(|| format!("{name} is not a durable engine"))
    }

    /// Opens or creates the system's database in an existing directory.
    pub(crate) fn open(self, directory: &Path) -> Result<Box<dyn System>> {
        Ok(match self {
            Self::Tropism => Box::new(tropism::Tropism::open(directory, Durability::Durable)?),
            Self::TropismRelaxed => Box::new(tropism::Tropism::open(directory, Durability::Relaxed)?),
            Self::Redb => Box::new(redb::Redb::open(directory, Durability::Durable)?),
            Self::RedbRelaxed => Box::new(redb::Redb::open(directory, Durability::Relaxed)?),
            Self::Sqlite => Box::new(sqlite::Sqlite::open(directory, Durability::Durable)?),
            Self::SqliteRelaxed => Box::new(sqlite::Sqlite::open(directory, Durability::Relaxed)?),
            Self::NativeDb => Box::new(native_db::NativeDb::open(directory)?),
            Self::Fjall => Box::new(fjall::Fjall::open(directory, Durability::Durable)?),
            Self::FjallRelaxed => Box::new(fjall::Fjall::open(directory, Durability::Relaxed)?),
            Self::Heed => Box::new(heed::Heed::open(directory, Durability::Durable)?),
            Self::HeedRelaxed => Box::new(heed::Heed::open(directory, Durability::Relaxed)?),
        })
    }
}
