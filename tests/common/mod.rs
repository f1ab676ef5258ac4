//! Disks for tests that watch or hold up what the engine does to its files.

// Each test file uses a part of this.
#![allow(dead_code)]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::{Condvar, Mutex};
use tropism::disk::{Disk, DiskFile, DiskLock, MemoryDisk};

/// A disk of memory whose syncs of some files can be held up, and whose reads are counted.
#[derive(Clone)]
pub struct WatchedDisk {
    inner: MemoryDisk,
    watch: Arc<Watch>,
}

struct Watch {
    /// Files whose names begin so are held up.
    held: &'static str,
    is_closed: Mutex<bool>,
    opened: Condvar,
    arrived: (Sender<()>, Receiver<()>),
    read_bytes: AtomicU64,
    syncs: AtomicU64,
}

impl WatchedDisk {
    /// A disk that can hold up syncs of the files whose names begin with `held`.
    pub fn new(held: &'static str) -> Self {
        let watch = Watch {
            held,
            is_closed: Mutex::new(false),
            opened: Condvar::new(),
            arrived: unbounded(),
            read_bytes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        };
        Self { inner: MemoryDisk::new(), watch: Arc::new(watch) }
    }

    /// From now on syncs wait.
    pub fn hold(&self) {
        while self.watch.arrived.1.try_recv().is_ok() {}
        *self.watch.is_closed.lock() = true;
    }

    /// Waits until a sync waits.
    pub fn wait_for_sync(&self) {
        self.watch.arrived.1.recv().expect("the sender is in the same struct");
    }

    /// Lets every sync pass.
    pub fn release(&self) {
        *self.watch.is_closed.lock() = false;
        self.watch.opened.notify_all();
    }

    /// Bytes read from files whose names begin with `held`.
    pub fn read_bytes(&self) -> u64 {
        self.watch.read_bytes.load(Ordering::SeqCst)
    }

    /// Syncs of files whose names begin with `held`.
    pub fn syncs(&self) -> u64 {
        self.watch.syncs.load(Ordering::SeqCst)
    }

    fn watched(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        if name.starts_with(self.watch.held) {
            return Arc::new(WatchedFile { inner: file, watch: Arc::clone(&self.watch) });
        }
        file
    }
}

impl Disk for WatchedDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.watched(name, self.inner.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.watched(name, self.inner.create(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.inner.lock(name)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

struct WatchedFile {
    inner: Arc<dyn DiskFile>,
    watch: Arc<Watch>,
}

impl DiskFile for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.watch.read_bytes.fetch_add(buffer.len() as u64, Ordering::SeqCst);
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.inner.set_len(size_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.watch.syncs.fetch_add(1, Ordering::SeqCst);
        let mut is_closed = self.watch.is_closed.lock();
        if *is_closed {
            self.watch.arrived.0.send(()).map_err(io::Error::other)?;
        }
        while *is_closed {
            self.watch.opened.wait(&mut is_closed);
        }
        drop(is_closed);
        self.inner.sync()
    }
}
