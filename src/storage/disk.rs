//! The few file operations that everything goes through, and the disk of the machine.
//!
//! A [`Disk`] is one directory of flat files. Three are at hand: [`RealDisk`] for a directory of the file system,
//! [`MemoryDisk`] for a database that never touches one, and [`SimulatedDisk`] for tests, which forgets what was not
//! synced, fails on demand and can be damaged. A host may bring its own.
//!
//! What the engine assumes of a disk: [`DiskFile::sync`] makes every earlier write of that file durable,
//! [`Disk::sync_directory`] every earlier change of a name, and whatever was durable stays so when the power goes.
//! Nothing is assumed of writes that were not synced: they may survive whole, in part or not at all, in any order.

use std::{io, sync::Arc};

mod guarded;
mod real;
mod memory;
mod simulated;

pub(super) use guarded::GuardedDisk;
pub use memory::MemoryDisk;
pub use real::RealDisk;
pub use simulated::{Counters, CrashKind, Operation, SimulatedDisk, SyncObserver, SyncPoint, SyncStage};

/// One directory of files.
///
/// A name is a plain file name: no separators, no parts of a path. Errors are the operating system's, without the
/// name; the engine adds it. All methods may be called from several threads at once.
pub trait Disk: Send + Sync + 'static {
    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is none of that name.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a new, empty file and opens it for reading and writing. Its name is durable after
    /// [`sync_directory`](Self::sync_directory).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if there is one of that name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives the file `from` the name `to`, in one step; a file that had that name is gone. Durable after
    /// [`sync_directory`](Self::sync_directory); open handles follow the file.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is no `from`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Durable after [`sync_directory`](Self::sync_directory).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is none of that name.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all files, sorted; files that only serve a [`lock`](Self::lock) may be among them.
    ///
    /// # Errors
    ///
    /// Whatever the directory answers.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes every earlier [`create`](Self::create), [`rename`](Self::rename) and [`remove`](Self::remove) durable.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] where that cannot be done; whatever else the directory answers, and it is then
    /// unknown which names are durable.
    fn sync_directory(&self) -> io::Result<()>;

    /// Takes the exclusive lock of that name without waiting. It is released when the value is dropped, and when
    /// the process ends, however it ends. It holds also when somebody removes the file of that name.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if anybody holds it, this process included; [`io::ErrorKind::Unsupported`] where
    /// there are no locks.
    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>>;

    /// Where the files are, for messages.
    fn describe(&self) -> String;
}

/// One open file. It stays usable when the file is renamed or removed.
pub trait DiskFile: Send + Sync + 'static {
    /// Size of the file in bytes.
    ///
    /// # Errors
    ///
    /// Whatever the file answers.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    ///
    /// Those of [`len`](Self::len).
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if the file ends before; the buffer's content is then unspecified.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all bytes from `offset` on; the file grows where needed, and a gap reads as zeros. Durable after
    /// [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`] if there is no room; a part of the bytes may then have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file or extends it with zeros. Durable after [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// Whatever the file answers.
    fn set_len(&self, size_bytes: u64) -> io::Result<()>;

    /// Makes an empty file `size_bytes` long, full of zeros, with all its room allocated: later writes within it need no
    /// more room. Durable after [`sync`](Self::sync). Unless a disk knows better, the zeros are written.
    ///
    /// # Errors
    ///
    /// Those of [`write_at`](Self::write_at).
    fn allocate(&self, size_bytes: u64) -> io::Result<()> {
        const ZEROS: usize = 1 << 20;
        let zeros = vec![0; usize::try_from(size_bytes).map_or(ZEROS, |size_bytes| size_bytes.min(ZEROS))];
        let mut offset = 0;
        while offset < size_bytes {
            let part = usize::try_from(size_bytes - offset).map_or(ZEROS, |left| left.min(ZEROS));
            self.write_at(offset, &zeros[..part])?;
            offset += part as u64;
        }
        Ok(())
    }

    /// Makes the bytes and the size of the file durable, whichever handle wrote them.
    ///
    /// # Errors
    ///
    /// Whatever the file answers; it is then unknown which of the earlier writes are durable, and a later sync that
    /// succeeds says nothing of them.
    fn sync(&self) -> io::Result<()>;
}

/// A held lock; dropping it releases it.
pub trait DiskLock: Send + Sync {}

/// Refuses what would leave the directory, so that every disk means the same by a name.
fn check_name(name: &str) -> io::Result<()> {
    let is_plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0']);
    if is_plain {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not a file name")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    pub(super) fn kind<T>(result: io::Result<T>) -> io::ErrorKind {
        result.err().expect("an error was expected").kind()
    }

    /// What the trait promises, on any disk.
    pub(super) fn check_contract(disk: &dyn Disk) {
        assert_eq!(kind(disk.open("a")), io::ErrorKind::NotFound);
        assert_eq!(kind(disk.create("a/b")), io::ErrorKind::InvalidInput);
        let file = disk.create("a").unwrap();
        assert_eq!(kind(disk.create("a")), io::ErrorKind::AlreadyExists);
        assert!(file.is_empty().unwrap());

        file.write_at(3, b"xyz").unwrap();
        let mut buffer = [1; 6];
        disk.open("a").unwrap().read_at(0, &mut buffer).unwrap();
        assert_eq!(&buffer, b"\0\0\0xyz");
        assert_eq!(kind(file.read_at(1, &mut buffer)), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(file.read_at(u64::MAX / 4, &mut buffer)), io::ErrorKind::UnexpectedEof);
        file.set_len(4).unwrap();
        file.set_len(6).unwrap();
        file.read_at(0, &mut buffer).unwrap();
        assert_eq!(&buffer, b"\0\0\0x\0\0");
        file.sync().unwrap();

        disk.create("b").unwrap().write_at(0, b"old").unwrap();
        disk.rename("a", "b").unwrap();
        disk.sync_directory().unwrap();
        assert_eq!(disk.list().unwrap(), ["b"]);
        assert_eq!(disk.open("b").unwrap().len().unwrap(), 6);
        assert_eq!(kind(disk.rename("a", "c")), io::ErrorKind::NotFound);
        file.write_at(0, b"!").unwrap();
        disk.open("b").unwrap().read_at(0, &mut buffer[..1]).unwrap();
        assert_eq!(buffer[0], b'!', "a handle follows its file through a rename");
        disk.remove("b").unwrap();
        assert_eq!(kind(disk.remove("b")), io::ErrorKind::NotFound);
        assert_eq!(file.len().unwrap(), 6, "a handle outlives the name");

        let lock = disk.lock("lock").unwrap();
        assert_eq!(kind(disk.lock("lock")), io::ErrorKind::WouldBlock);
        drop(lock);
        drop(disk.lock("lock").unwrap());
    }

    #[test]
    fn the_real_disk_keeps_the_contract() {
        let directory = tempfile::tempdir().unwrap();
        check_contract(&RealDisk::open_or_create(directory.path()).unwrap());
    }

    #[test]
    fn a_missing_directory_is_made_with_those_above_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("one").join("two");
        let disk = RealDisk::open_or_create(&path).unwrap();
        disk.create("a").unwrap();
        assert_eq!(RealDisk::open_or_create(&path).unwrap().list().unwrap(), ["a"]);
        assert_eq!(disk.describe(), path.display().to_string());
    }

    #[test]
    fn a_path_that_is_a_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, b"text").unwrap();
        assert_eq!(kind(RealDisk::open_or_create(&path)), io::ErrorKind::NotADirectory);
        assert_eq!(kind(RealDisk::open_or_create(path.join("below"))), io::ErrorKind::NotADirectory);
    }
}
