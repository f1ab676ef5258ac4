//! A disk of memory, for databases that live only as long as their process.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};

use super::{Disk, DiskFile, DiskLock, check_name};

/// A disk of memory. Clones are the same disk, which lasts as long as one of them: a database can be closed and opened
/// again on a clone. A sync costs nothing and nothing survives the process.
///
/// `names` is guarded by its mutex, each file's bytes by a lock of their own, and the held locks by theirs; no two are
/// ever held at once.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    names: Arc<Mutex<BTreeMap<String, Arc<MemoryFile>>>>,
    locks: HeldLocks,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Disk for MemoryDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        check_name(name)?;
        let file = self.names.lock().get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(file)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        check_name(name)?;
        let mut names = self.names.lock();
        if names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(MemoryFile::default());
        names.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(from)?;
        check_name(to)?;
        let mut names = self.names.lock();
        let file = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        match self.names.lock().remove(name) {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names.lock().keys().cloned().collect())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.locks.take(name)
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

#[derive(Default)]
struct MemoryFile {
    bytes: RwLock<Vec<u8>>,
}

impl DiskFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.read().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.read();
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let stored = start.checked_add(buffer.len()).and_then(|end| bytes.get(start..end));
        buffer.copy_from_slice(stored.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, written: &[u8]) -> io::Result<()> {
        if written.is_empty() {
            return Ok(());
        }
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::StorageFull)?;
        let end = start.checked_add(written.len()).ok_or(io::ErrorKind::StorageFull)?;
        let mut bytes = self.bytes.write();
        if bytes.len() < end {
            resize(&mut bytes, end)?;
        }
        bytes[start..end].copy_from_slice(written);
        Ok(())
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        let size_bytes = usize::try_from(size_bytes).map_err(|_| io::ErrorKind::StorageFull)?;
        resize(&mut self.bytes.write(), size_bytes)
    }

    fn allocate(&self, size_bytes: u64) -> io::Result<()> {
        /// More than this is reserved first, since a lack of it must not end the process.
        const LARGEST_UNASKED: u64 = 64 << 20;
        if size_bytes > LARGEST_UNASKED {
            return self.set_len(size_bytes);
        }
        // Memory that the operating system has zeroed need not be written.
        *self.bytes.write() = vec![0; size_bytes as usize];
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Memory that cannot be had is a full disk, not the end of the process.
fn resize(bytes: &mut Vec<u8>, size_bytes: usize) -> io::Result<()> {
    bytes.try_reserve(size_bytes.saturating_sub(bytes.len())).map_err(|_| io::ErrorKind::StorageFull)?;
    bytes.resize(size_bytes, 0);
    Ok(())
}

/// The locks that are held on a disk which the operating system knows nothing of. Clones are the same locks.
#[derive(Clone, Default)]
pub(super) struct HeldLocks {
    names: Arc<Mutex<BTreeSet<String>>>,
}

impl HeldLocks {
    pub(super) fn take(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        check_name(name)?;
        if !self.names.lock().insert(name.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(HeldLock { locks: self.clone(), name: name.to_owned() }))
    }
}

struct HeldLock {
    locks: HeldLocks,
    name: String,
}

impl DiskLock for HeldLock {}

impl Drop for HeldLock {
    fn drop(&mut self) {
        self.locks.names.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::tests::check_contract;

    #[test]
    fn a_disk_of_memory_keeps_the_contract() {
        check_contract(&MemoryDisk::new());
    }

    #[test]
    fn what_one_clone_wrote_another_reads_after_the_first_is_gone() {
        let disk = MemoryDisk::new();
        let clone = disk.clone();
        disk.create("a").unwrap().write_at(0, b"kept").unwrap();
        drop(disk);
        let mut buffer = [0; 4];
        clone.open("a").unwrap().read_at(0, &mut buffer).unwrap();
        assert_eq!(&buffer, b"kept");
    }

    #[test]
    fn a_lock_is_shared_by_clones() {
        let disk = MemoryDisk::new();
        let lock = disk.lock("lock").unwrap();
        assert!(disk.clone().lock("lock").is_err());
        drop(lock);
        assert!(disk.clone().lock("lock").is_ok());
    }

    #[test]
    fn more_memory_than_there_is_answers_storage_full() {
        let file = MemoryDisk::new().create("a").unwrap();
        assert_eq!(file.set_len(u64::MAX).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.write_at(u64::MAX - 8, b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.len().unwrap(), 0);
    }
}
