//! [`GuardedDisk`]: a disk whose panics are errors.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{Disk, DiskFile, DiskLock};

/// A host's disk. Its methods may panic; here that is an I/O error like any other, so that nobody who waits for the
/// operation waits for ever. So may the destructors of its files and locks; that is logged.
pub(in crate::storage) struct GuardedDisk(Arc<dyn Disk>);

struct GuardedFile(Guarded<Arc<dyn DiskFile>>);

struct GuardedLock {
    _lock: Guarded<Box<dyn DiskLock>>,
}

/// Something of the host's whose destructor may panic. There until it is dropped.
struct Guarded<T>(Option<T>);

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
    guarded(file).map(|file| Arc::new(GuardedFile(Guarded(Some(file)))) as Arc<dyn DiskFile>)
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
        let lock = guarded(|| self.0.lock(name))?;
        Ok(Box::new(GuardedLock { _lock: Guarded(Some(lock)) }))
    }

    fn describe(&self) -> String {
        catch_unwind(AssertUnwindSafe(|| self.0.describe())).unwrap_or_else(|_| "the disk".to_owned())
    }
}

impl DiskLock for GuardedLock {}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        let own = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(own))).is_err() {
            tracing::error!(target: "tropism", "the destructor of a file or a lock of the disk panicked");
        }
    }
}

impl GuardedFile {
    fn file(&self) -> &dyn DiskFile {
        self.0.0.as_deref().expect("it is there until it is dropped")
    }
}

impl DiskFile for GuardedFile {
    fn len(&self) -> io::Result<u64> {
        guarded(|| self.file().len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        guarded(|| self.file().read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        guarded(|| self.file().write_at(offset, bytes))
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        guarded(|| self.file().set_len(size_bytes))
    }

    fn allocate(&self, size_bytes: u64) -> io::Result<()> {
        guarded(|| self.file().allocate(size_bytes))
    }

    fn sync(&self) -> io::Result<()> {
        guarded(|| self.file().sync())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::MemoryDisk;

    struct FragileDisk(MemoryDisk);
    struct FragileFile(Arc<dyn DiskFile>);
    struct FragileLock(#[expect(dead_code, reason = "held")] Box<dyn DiskLock>);

    impl Disk for FragileDisk {
        fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
            Ok(Arc::new(FragileFile(self.0.open(name)?)))
        }
        fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
            Ok(Arc::new(FragileFile(self.0.create(name)?)))
        }
        fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            self.0.rename(from, to)
        }
        fn remove(&self, name: &str) -> io::Result<()> {
            self.0.remove(name)
        }
        fn list(&self) -> io::Result<Vec<String>> {
            self.0.list()
        }
        fn sync_directory(&self) -> io::Result<()> {
            self.0.sync_directory()
        }
        fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
            Ok(Box::new(FragileLock(self.0.lock(name)?)))
        }
        fn describe(&self) -> String {
            self.0.describe()
        }
    }

    impl DiskFile for FragileFile {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            self.0.read_at(offset, buffer)
        }
        fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.0.write_at(offset, bytes)
        }
        fn set_len(&self, size_bytes: u64) -> io::Result<()> {
            self.0.set_len(size_bytes)
        }
        fn sync(&self) -> io::Result<()> {
            self.0.sync()
        }
    }

    impl DiskLock for FragileLock {}

    impl Drop for FragileFile {
        fn drop(&mut self) {
            panic!("the file is closed");
        }
    }

    impl Drop for FragileLock {
        fn drop(&mut self) {
            panic!("the lock is released");
        }
    }

    #[test]
    fn a_destructor_of_the_hosts_disk_that_panics_ends_neither_a_call_nor_a_close() {
        let disk = FragileDisk(MemoryDisk::new());
        let again = disk.0.clone();
        let db = crate::Db::builder().open_on(disk).unwrap();
        db.checkpoint().unwrap();
        let beside = db.clone();
        db.close().unwrap();
        // The other closer hears the same, and the lock is free.
        beside.close().unwrap();
        crate::Db::builder().open_on(again).unwrap().close().unwrap();
    }
}
