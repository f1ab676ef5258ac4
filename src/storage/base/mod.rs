//! The durable base: redb, named nowhere else, over a file whose every block is checked.
//!
//! One redb table for each keyspace that holds something, and one of figures about the database itself: its format, the
//! timestamp that the base stands at, and the log segment that continues it. All of them change in one redb
//! transaction, so the base is always exactly the state at one timestamp.
//!
//! - `blocks.rs`: where each block lies in the file, and how it is sealed.
//! - `failure.rs`: what can go wrong, told apart.
//! - `file.rs`: the file on the disk.
//! - `header.rs`: the copies of the header, and which of them counts.
//! - `checksums.rs`: the checksum blocks that are in use.
//! - `checked_file.rs`: redb's file, checked.
//! - `figures.rs`: what the base knows of itself.
//! - `tables.rs`: redb's tables.
//! - `instances.rs`: redb, made anew after it failed.
//! - `key_buffer.rs`: where a scan stands.
//! - `snapshot.rs`: the base at one timestamp.

use std::sync::Arc;

use parking_lot::Mutex;
use redb::{Database, Durability};

use self::{
    failure::{Failure, damaged, failed, guarded},
    figures::write_figures,
    file::BaseFile,
    header::HeaderCopies,
    instances::{Instances, explain},
    tables::write_entries,
};
use super::disk::Disk;
use crate::{
    encoding::Key,
    error::{OpenError, StorageError},
};

mod blocks;
mod failure;
mod file;
mod header;
mod checksums;
mod checked_file;
mod figures;
mod tables;
mod instances;
mod key_buffer;
mod snapshot;
#[cfg(test)]
mod tests;

pub(super) use failure::BASE_FILE;
pub(super) use figures::Figures;
pub(super) use snapshot::BaseRange;
pub(crate) use snapshot::BaseSnapshot;
pub(super) use tables::BaseEntry;

/// What the file is called until its first commit is durable: a crash before that leaves nothing to repair.
pub(super) const BASE_FILE_NEW: &str = "base.new";

/// The base of one database.
///
/// Behavior:
///
/// 1. What [`open`](Self::open) shows is durable, whatever happened before.
/// 2. [`apply`](Self::apply) is all or nothing, in the file as well as for readers. After an error the base is as it was
///    before, and the call can be repeated.
/// 3. Whatever fails, the next call works if the disk does.
///
/// `writing` is held while a checkpoint is written. Reads go through snapshots and never meet it.
pub(super) struct Base {
    instances: Arc<Instances>,
    writing: Mutex<Figures>,
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
        let file = BaseFile::new(file);
        let headers = HeaderCopies::create(&file)?;
        let instances = Arc::new(Instances::open(file, headers, cache_bytes)?);
        let figures = Figures { ts: 0, log_from: 0, log_goes_on: false };
        let base = Self { instances, writing: Mutex::new(figures) };
        base.apply(&mut std::iter::empty(), figures)?;
        disk.rename(BASE_FILE_NEW, BASE_FILE).map_err(|error| StorageError::io("rename", BASE_FILE_NEW, error))?;
        disk.sync_directory().map_err(|error| StorageError::io("sync", &disk.describe(), error))?;
        Ok((base, figures))
    }

    fn open_existing(disk: &dyn Disk, cache_bytes: usize) -> Result<(Self, Figures), OpenError> {
        let file = disk.open(BASE_FILE).map_err(|error| StorageError::io("open", BASE_FILE, error))?;
        let file = BaseFile::new(file);
        if file.size_bytes()? == 0 {
            return Err(damaged(0, "the file is empty").into());
        }
        let headers = HeaderCopies::open(&file)?;
        if headers.durable().redb_bytes == 0 {
            return Err(damaged(0, "the file holds no redb database").into());
        }
        let instances = Arc::new(Instances::open(file, headers, cache_bytes)?);
        let (_, figures) = BaseSnapshot::take(&instances)?;
        Ok((Self { instances, writing: Mutex::new(figures) }, figures))
    }

    /// Gives up the file. Snapshots that are still alive answer `Closed` from now on.
    pub(super) fn close(&self) -> Result<(), StorageError> {
        self.instances.close()
    }

    /// The base as it stands now: shared until the next checkpoint.
    pub(super) fn snapshot(&self) -> Result<BaseSnapshot, StorageError> {
        let (snapshot, _) = BaseSnapshot::take(&self.instances).map_err(|error| match error {
            OpenError::Storage(error) => error,
            error => StorageError::Base { reason: error.to_string().into() },
        })?;
        Ok(snapshot)
    }

    /// Writes changes, in key order, and the figures in one durable transaction; all or nothing. A change without a
    /// value deletes the key.
    ///
    /// Sorted input costs about a microsecond per entry. The file is synced every few MiB, so that no sync takes long.
    /// Quick repair is on, so that opening after a crash does not walk the file.
    pub(super) fn apply<'a>(
        &self,
        entries: &mut dyn Iterator<Item = (&'a Key, Option<&'a [u8]>)>,
        figures: Figures,
    ) -> Result<(), StorageError> {
        let mut standing = self.writing.lock();
        let begin = |database: &Database| database.begin_write().map_err(failed);
        let (transaction, file) = self.instances.with(begin)?;
        let written = guarded(|| file.retire(), || write(transaction, entries, figures));
        if let Err(failure) = written {
            let error = explain(failure, &file);
            // redb may have lost track of its free pages.
            file.retire();
            // A commit may be durable and fail all the same, in what redb does after it.
            let is_durable = *standing != figures && self.figures().is_ok_and(|found| found == figures);
            if !is_durable {
                return Err(error);
            }
        }
        *standing = figures;
        Ok(())
    }

    fn figures(&self) -> Result<Figures, OpenError> {
        BaseSnapshot::take(&self.instances).map(|(_, figures)| figures)
    }
}

fn write<'a>(
    mut transaction: redb::WriteTransaction,
    entries: &mut dyn Iterator<Item = (&'a Key, Option<&'a [u8]>)>,
    figures: Figures,
) -> Result<(), Failure> {
    transaction.set_durability(Durability::Immediate).map_err(failed)?;
    transaction.set_quick_repair(true);
    write_entries(&transaction, entries)?;
    write_figures(&transaction, figures)?;
    transaction.commit().map_err(failed)
}
