//! The base's file on the disk: errors with the file's name.

use std::{io, sync::Arc};

use super::failure::{BASE_FILE, damaged};
use crate::{error::StorageError, storage::disk::DiskFile};

/// A file that may be read and written by several threads at once.
#[derive(Clone)]
pub(super) struct BaseFile(Arc<dyn DiskFile>);

impl BaseFile {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self(file)
    }

    pub(super) fn size_bytes(&self) -> Result<u64, StorageError> {
        self.attempt("read the size of", |file| file.len())
    }

    /// Fills the buffer. A file that ends before is damaged.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let read = self.attempt("read", |file| file.read_at(offset, buffer));
        read.map_err(|error| if is_end(&error) { damaged(offset, "the file ends before this place") } else { error })
    }

    /// Fills the buffer as far as the file goes, and with zeros from there on.
    pub(super) fn read_to_end(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let read = self.attempt("read", |file| file.read_at(offset, buffer));
        let Err(error) = read else { return Ok(()) };
        if !is_end(&error) {
            return Err(error);
        }
        let there = self.size_bytes()?.saturating_sub(offset).min(buffer.len() as u64) as usize;
        buffer.fill(0);
        match there {
            0 => Ok(()),
            there => self.attempt("read", |file| file.read_at(offset, &mut buffer[..there])),
        }
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.attempt("write", |file| file.write_at(offset, bytes))
    }

    pub(super) fn set_size(&self, size_bytes: u64) -> Result<(), StorageError> {
        self.attempt("resize", |file| file.set_len(size_bytes))
    }

    pub(super) fn sync(&self) -> Result<(), StorageError> {
        self.attempt("sync", |file| file.sync())
    }

    fn attempt<R>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&dyn DiskFile) -> io::Result<R>,
    ) -> Result<R, StorageError> {
        work(&*self.0).map_err(|error| StorageError::io(operation, BASE_FILE, error))
    }
}

fn is_end(error: &StorageError) -> bool {
    matches!(error, StorageError::Io { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof)
}
