//! What can be made to go wrong on a simulated disk, and what is told of it.

#[cfg(doc)]
use super::super::{Disk, DiskFile};

/// What of the uncertain changes a power cut leaves. What is certain is always left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashKind {
    /// None of them.
    LoseUnsynced,
    /// All of them, as when only the process ends.
    KeepAll,
    /// Chance decides, by this seed, the disk's own and the number of syncs so far. Each write survives wholly, not at
    /// all, or in any of its 512-byte sectors, and where it grew the file, so may the size alone; each change of a size
    /// or a name survives or not. Independently of each other, so a later one may survive an earlier one.
    Torn(u64),
}

/// The operations that can be made to fail, each named for the method of [`Disk`] or [`DiskFile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Disk::open`].
    Open,
    /// [`Disk::create`].
    Create,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::list`].
    List,
    /// [`Disk::sync_directory`].
    SyncDirectory,
    /// [`Disk::lock`].
    Lock,
    /// [`DiskFile::len`].
    Len,
    /// [`DiskFile::read_at`].
    Read,
    /// [`DiskFile::write_at`].
    Write,
    /// [`DiskFile::set_len`].
    SetLen,
    /// [`DiskFile::sync`].
    Sync,
}

/// Whether a sync is about to take effect or has just done so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncStage {
    /// Nothing of it is certain yet.
    Before,
    /// It has taken effect, and its caller has not heard yet.
    After,
}

/// One sync of a file or of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncPoint {
    /// Which sync of the disk it is, counted from 0 over files and directory, failed ones included.
    pub index: u64,
    /// The file's name; `None` for the directory.
    pub file: Option<String>,
    /// Before or after.
    pub stage: SyncStage,
}

/// What was done to a disk or a file since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Syncs, failed ones included; a disk's count includes those of its directory.
    pub syncs: u64,
    /// Calls of [`DiskFile::write_at`], failed ones included.
    pub writes: u64,
    /// Bytes that they wrote.
    pub written_bytes: u64,
}
