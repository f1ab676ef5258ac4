//! [`GuardedDisk`]: a disk whose panics are errors.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{Disk, DiskFile, DiskLock};

/// A host's disk. Its methods may panic; here that is an I/O error like any other, so that nobody who waits for the
/// operation waits for ever.
pub(in crate::storage) struct GuardedDisk(Arc<dyn Disk>);

struct GuardedFile(Arc<dyn DiskFile>);

impl GuardedDisk {
    pub(in crate::storage) fn new(disk: Arc<dyn Disk>) -> Self {
        Self(disk)
    }
}

fn guarded<R>(operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(io::Error::other(format!("the disk panicked: {text}")))
    })
}

fn guarded_file(file: impl FnOnce() -> io::Result<Arc<dyn DiskFile>>) -> io::Result<Arc<dyn DiskFile>> {
    guarded(file).map(|file| Arc::new(GuardedFile(file)) as Arc<dyn DiskFile>)
}

impl Disk for GuardedDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        guarded_file(|| self.0.open(name))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        guarded_file(|| self.0.create(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        guarded(|| self.0.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        guarded(|| self.0.remove(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        guarded(|| self.0.list())
    }

    fn sync_directory(&self) -> io::Result<()> {
        guarded(|| self.0.sync_directory())
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        guarded(|| self.0.lock(name))
    }

    fn describe(&self) -> String {
        catch_unwind(AssertUnwindSafe(|| self.0.describe())).unwrap_or_else(|_| "the disk".to_owned())
    }
}

impl DiskFile for GuardedFile {
    fn len(&self) -> io::Result<u64> {
        guarded(|| self.0.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        guarded(|| self.0.read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        guarded(|| self.0.write_at(offset, bytes))
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        guarded(|| self.0.set_len(size_bytes))
    }

    fn allocate(&self, size_bytes: u64) -> io::Result<()> {
        guarded(|| self.0.allocate(size_bytes))
    }

    fn sync(&self) -> io::Result<()> {
        guarded(|| self.0.sync())
    }
}
