//! A disk that remembers when it was last written and synced by the thread that made it.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, ThreadId},
    time::Instant,
};

use tropism::disk::{Disk, DiskFile, DiskLock, RealDisk};

/// The beginning and the end of an operation.
pub type Span = (Instant, Instant);

/// The last operations on a file of the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spans {
    pub write: Option<Span>,
    pub sync: Option<Span>,
}

/// The machine's disk, timed. What other threads do in the background is left out.
pub struct TimedDisk {
    disk: RealDisk,
    watch: Watch,
}

/// What one thread does, shared with whoever asks for it.
#[derive(Debug, Clone)]
pub struct Watch {
    thread: ThreadId,
    spans: Arc<Mutex<Spans>>,
}

struct TimedFile {
    file: Arc<dyn DiskFile>,
    /// Only of the log's files.
    watch: Option<Watch>,
}

impl TimedDisk {
    /// A disk over a directory, and the times of what this thread does on it.
    pub fn new(directory: impl AsRef<Path>) -> io::Result<(Self, Watch)> {
        let watch = Watch { thread: thread::current().id(), spans: Arc::default() };
        Ok((Self { disk: RealDisk::open_or_create(directory)?, watch: watch.clone() }, watch))
    }

    fn timed(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(TimedFile { file, watch: name.starts_with("log").then(|| self.watch.clone()) })
    }
}

impl Watch {
    /// The last write and sync of the log.
    pub fn last(&self) -> Spans {
        *self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, set: impl FnOnce(&mut Spans)) {
        if thread::current().id() == self.thread {
            set(&mut self.spans.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Disk for TimedDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.timed(name, self.disk.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.timed(name, self.disk.create(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.disk.lock(name)
    }

    fn describe(&self) -> String {
        self.disk.describe()
    }
}

impl DiskFile for TimedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let began = Instant::now();
        let written = self.file.write_at(offset, bytes);
        if let Some(watch) = &self.watch {
            watch.note(|spans| spans.write = Some((began, Instant::now())));
        }
        written
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.file.set_len(size_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let began = Instant::now();
        let synced = self.file.sync();
        if let Some(watch) = &self.watch {
            watch.note(|spans| spans.sync = Some((began, Instant::now())));
        }
        synced
    }
}
