//! [`GuardedDisk`]: a disk whose panics are errors.

use std::{io, sync::Arc};

use super::{Disk, DiskFile, DiskLock};
use crate::panics::{contained, guarded};

/// A host's disk. Its methods may panic, and so may its destructors; here that is an I/O error like any other, so that
/// nobody who waits for the operation waits for ever.
pub(in crate::storage) struct GuardedDisk(Guarded<Arc<dyn Disk>>);

struct GuardedFile(Guarded<Arc<dyn DiskFile>>);

/// Held to be dropped.
struct GuardedLock {
    _lock: Guarded<Box<dyn DiskLock>>,
}

/// Something of the host's, whose destructor may panic.
struct Guarded<V>(Option<V>);

impl<V> Guarded<V> {
    fn new(value: V) -> Self {
        Self(Some(value))
    }

    fn get(&self) -> &V {
        self.0.as_ref().expect("it is taken out when it is dropped, and not before")
    }
}

impl<V> Drop for Guarded<V> {
    fn drop(&mut self) {
        contained("a destructor of the disk", || drop(self.0.take()));
    }
}

impl GuardedDisk {
    pub(in crate::storage) fn new(disk: Arc<dyn Disk>) -> Self {
        Self(Guarded::new(disk))
    }

    fn attempt<R>(&self, operation: impl FnOnce(&dyn Disk) -> io::Result<R>) -> io::Result<R> {
        attempt(|| operation(&**self.0.get()))
    }
}

impl GuardedFile {
    fn attempt<R>(&self, operation: impl FnOnce(&dyn DiskFile) -> io::Result<R>) -> io::Result<R> {
        attempt(|| operation(&**self.0.get()))
    }
}

fn attempt<R>(operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    guarded(operation).unwrap_or_else(|message| Err(io::Error::other(format!("the disk panicked: {message}"))))
}

fn guarded_file(file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
    Arc::new(GuardedFile(Guarded::new(file)))
}

impl DiskLock for GuardedLock {}

impl Disk for GuardedDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.attempt(|disk| disk.open(name)).map(guarded_file)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.attempt(|disk| disk.create(name)).map(guarded_file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.attempt(|disk| disk.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.attempt(|disk| disk.remove(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.attempt(|disk| disk.list())
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.attempt(|disk| disk.sync_directory())
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        let lock = self.attempt(|disk| disk.lock(name))?;
        Ok(Box::new(GuardedLock { _lock: Guarded::new(lock) }))
    }

    fn describe(&self) -> String {
        guarded(|| self.0.get().describe()).unwrap_or_else(|_| "the disk".to_owned())
    }
}

impl DiskFile for GuardedFile {
    fn len(&self) -> io::Result<u64> {
        self.attempt(|file| file.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.attempt(|file| file.read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.attempt(|file| file.write_at(offset, bytes))
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.attempt(|file| file.set_len(size_bytes))
    }

    fn allocate(&self, size_bytes: u64) -> io::Result<()> {
        self.attempt(|file| file.allocate(size_bytes))
    }

    fn sync(&self) -> io::Result<()> {
        self.attempt(|file| file.sync())
    }
}
