//! redb's file, checked: what redb writes gets a checksum, and what it reads is compared with it.
//!
//! redb never overwrites a page that anything durable speaks of, but for its first, which is in the header copies. It
//! commits in two syncs (quick repair): data first, and then the header that makes it count. So whatever a header
//! speaks of is durable before the header is written, and of everything that an open finds only the header itself can
//! be readable and not durable. [`HeaderCopies`] sees to that.
//!
//! The size of redb's file is a number in the header, and changes with it. Our file grows as blocks are written, and
//! shrinks after a sync of a header that needs less.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use redb::StorageBackend;

use super::{
    blocks::{BLOCK_BYTES, block_at, blocks_of, file_bytes, parts, seal},
    checksums::Checksums,
    failure::{Retired, damaged, damaged_block, to_redb},
    file::BaseFile,
    header::{Header, HeaderCopies, PAGE_BYTES},
};
use crate::error::StorageError;

/// How much is written at most before the file is synced, so that no sync takes long: others wait for the same disk.
const EARLY_SYNC_BYTES: usize = 8 << 20;

/// One instance's view of the base's file. It is given up after the first error, as redb gives up itself, and another
/// is made over the same file.
pub(super) struct CheckedFile {
    file: BaseFile,
    /// Shared with the instances before and after. Taken under `work` or alone.
    headers: Arc<Mutex<HeaderCopies>>,
    work: Mutex<Work>,
    is_retired: AtomicBool,
    /// Why it was given up.
    fault: Mutex<Option<StorageError>>,
    /// Held, shared, by every access to the file.
    access: RwLock<()>,
}

/// What redb has written and not synced.
struct Work {
    header: Header,
    is_header_changed: bool,
    checksums: Checksums,
    /// Bytes written since the last sync.
    unsynced_bytes: usize,
    /// Whether the file may be larger than it must be.
    is_trim_due: bool,
}

impl CheckedFile {
    /// Goes on from the last good sync.
    pub(super) fn open(
        file: BaseFile,
        headers: Arc<Mutex<HeaderCopies>>,
        cached_checksum_blocks: usize,
    ) -> Result<Arc<Self>, StorageError> {
        let header = {
            let mut headers = headers.lock();
            headers.restore(&file)?;
            headers.durable().clone()
        };
        let work = Work {
            header,
            is_header_changed: false,
            checksums: Checksums::new(cached_checksum_blocks),
            unsynced_bytes: 0,
            is_trim_due: true,
        };
        Ok(Arc::new(Self {
            file,
            headers,
            work: Mutex::new(work),
            is_retired: AtomicBool::new(false),
            fault: Mutex::new(None),
            access: RwLock::new(()),
        }))
    }

    /// Whether this instance answers nothing any more.
    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }

    /// Gives up this instance: when this returns, it does not touch the file any more.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
        drop(self.access.write());
    }

    /// The error for which this instance was given up.
    pub(super) fn fault(&self) -> Option<StorageError> {
        self.fault.lock().clone()
    }

    #[cfg(test)]
    pub(super) fn cached_checksum_blocks(&self) -> usize {
        self.work.lock().checksums.len()
    }

    fn access<R>(&self, work: impl FnOnce() -> Result<R, StorageError>) -> io::Result<R> {
        let _access = self.access.read();
        if self.is_retired() {
            return Err(io::Error::other(Retired));
        }
        work().map_err(|error| {
            self.fault.lock().get_or_insert_with(|| error.clone());
            self.is_retired.store(true, Ordering::Release);
            to_redb(error)
        })
    }

    fn read_blocks(&self, number: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let mut buffer = buffer;
        for (first, count) in parts(number, buffer.len() / BLOCK_BYTES) {
            let (part, rest) = buffer.split_at_mut(count * BLOCK_BYTES);
            let read = self.file.read(block_at(first), part);
            for (number, block) in (first..).zip(part.chunks_exact(BLOCK_BYTES)) {
                let checksum = self.work.lock().checksums.get(&self.file, number)?;
                if checksum == 0 {
                    return Err(damaged(block_at(number), "the block has no checksum: it was never written"));
                }
                if read.is_ok() && checksum != seal(number, block) {
                    return Err(damaged_block(block_at(number)));
                }
            }
            read?;
            buffer = rest;
        }
        Ok(())
    }

    fn write_blocks(&self, number: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let mut bytes = bytes;
        for (first, count) in parts(number, bytes.len() / BLOCK_BYTES) {
            let (part, rest) = bytes.split_at(count * BLOCK_BYTES);
            for (number, block) in (first..).zip(part.chunks_exact(BLOCK_BYTES)) {
                let checksum = seal(number, block);
                self.work.lock().checksums.set(&self.file, number, checksum)?;
            }
            self.file.write(block_at(first), part)?;
            bytes = rest;
        }
        Ok(())
    }

    fn write_early(&self, written_bytes: usize) -> Result<(), StorageError> {
        {
            let mut work = self.work.lock();
            work.unsynced_bytes += written_bytes;
            if work.unsynced_bytes < EARLY_SYNC_BYTES {
                return Ok(());
            }
            // Not zero: the checksums are still to be written.
            work.unsynced_bytes = 1;
        }
        self.file.sync()
    }

    fn sync(&self) -> Result<(), StorageError> {
        let header = {
            let mut work = self.work.lock();
            let header = match std::mem::take(&mut work.is_header_changed) {
                true => Some(self.headers.lock().write(&self.file, &work.header)?),
                false => None,
            };
            if std::mem::take(&mut work.unsynced_bytes) == 0 && header.is_none() {
                return Ok(());
            }
            work.checksums.write_changed(&self.file)?;
            header
        };
        self.file.sync()?;
        if let Some(header) = header {
            self.headers.lock().confirm(header);
        }
        self.trim();
        Ok(())
    }

    /// Gives back to the file system what the durable header does not need. Where that fails, the next sync tries again.
    fn trim(&self) {
        let mut work = self.work.lock();
        let needed_bytes = {
            let headers = self.headers.lock();
            file_bytes(headers.durable().redb_bytes.max(work.header.redb_bytes))
        };
        if !work.is_trim_due || work.unsynced_bytes > 0 {
            return;
        }
        let trim = || match self.file.size_bytes()? > needed_bytes {
            true => self.file.set_size(needed_bytes),
            false => Ok(()),
        };
        match trim() {
            Ok(()) => work.is_trim_due = false,
            Err(error) => tracing::warn!(target: "tropism", %error, "the base's file could not be cut"),
        }
    }
}

/// What redb is given.
pub(super) struct Backend(pub(super) Arc<CheckedFile>);

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.access(|| Ok(self.0.work.lock().header.redb_bytes))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.access(|| {
            if let Some(range) = page_range(offset, out.len()) {
                out.copy_from_slice(&self.0.work.lock().header.page[range]);
                return Ok(());
            }
            let (number, _) = blocks_of(offset, out.len()).ok_or_else(|| unexpected(offset, out.len()))?;
            self.0.read_blocks(number, out)
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.access(|| {
            let mut work = self.0.work.lock();
            work.is_trim_due |= len < work.header.redb_bytes;
            work.header.redb_bytes = len;
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.access(|| self.0.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.access(|| {
            if let Some(range) = page_range(offset, data.len()) {
                let mut work = self.0.work.lock();
                work.header.page[range].copy_from_slice(data);
                work.is_header_changed = true;
                return Ok(());
            }
            let (number, _) = blocks_of(offset, data.len()).ok_or_else(|| unexpected(offset, data.len()))?;
            self.0.write_blocks(number, data)?;
            self.0.write_early(data.len())
        })
    }
}

/// The range within the part of redb's first page that is kept.
fn page_range(offset: u64, size_bytes: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(size_bytes)?;
    (end <= PAGE_BYTES).then_some(start..end)
}

/// redb reads and writes whole pages, and the beginning of the first.
fn unexpected(offset: u64, size_bytes: usize) -> StorageError {
    let reason = format!("redb wanted {size_bytes} bytes at byte {offset} of its file, which are not whole pages");
    StorageError::Base { reason: reason.into() }
}
