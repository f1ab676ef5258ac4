//! redb over the base's file, made anew after it failed.
//!
//! redb refuses everything after one I/O error, reads included. Such an instance is given up, and the next call that
//! needs one opens another over the same file, at the state of the last good sync. Where that fails too, the call
//! answers the error, and the next one tries again.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parking_lot::Mutex;
use redb::Database;

use super::{
    blocks::BLOCK_BYTES,
    checked_file::{Backend, CheckedFile},
    failure::{BASE_FILE, Failure, failed, guarded},
    file::BaseFile,
    header::HeaderCopies,
};
use crate::error::StorageError;

/// How often a call that meets an instance which another call made fail looks for a new one.
pub(super) const ATTEMPTS: usize = 8;
/// Which part of the cache is for checksums: enough for those of 16 times as much data as there are pages in the rest.
const CHECKSUMS_SHARE: usize = 32;

/// The instances of redb over one file, of which the last is in use.
///
/// `current` guards which one that is, and is held while one is opened. What an instance does with the file is guarded
/// within [`CheckedFile`].
pub(super) struct Instances {
    file: BaseFile,
    headers: Arc<Mutex<HeaderCopies>>,
    cache_bytes: usize,
    current: Mutex<Current>,
}

enum Current {
    Open(Database, Arc<CheckedFile>),
    /// None could be opened.
    Failed,
    Closed,
}

impl Instances {
    pub(super) fn open(file: BaseFile, headers: HeaderCopies, cache_bytes: usize) -> Result<Self, StorageError> {
        let headers = Arc::new(Mutex::new(headers));
        let instances = Self { file, headers, cache_bytes, current: Mutex::new(Current::Failed) };
        let opened = instances.open_one()?;
        *instances.current.lock() = opened;
        Ok(instances)
    }

    /// Does something with an instance that works, and tells which it was.
    pub(super) fn with<R>(
        &self,
        work: impl Fn(&Database) -> Result<R, Failure>,
    ) -> Result<(R, Arc<CheckedFile>), StorageError> {
        let mut current = self.current.lock();
        for _ in 0..ATTEMPTS {
            self.renew(&mut current)?;
            let (database, file) = match &*current {
                Current::Open(database, file) => (database, file),
                Current::Failed | Current::Closed => return Err(StorageError::Closed),
            };
            match guarded(|| file.retire(), || work(database)) {
                Ok(result) => return Ok((result, Arc::clone(file))),
                Err(Failure::Here(error)) => return Err(error),
                Err(Failure::Retired) => file.retire(),
            }
        }
        Err(unavailable("it fails again and again"))
    }

    /// Gives up the file. Readers answer `Closed` from now on.
    pub(super) fn close(&self) -> Result<(), StorageError> {
        let mut current = self.current.lock();
        match std::mem::replace(&mut *current, Current::Closed) {
            // What has failed has nothing left to write.
            Current::Failed | Current::Closed => Ok(()),
            Current::Open(database, file) => {
                let is_retired = file.is_retired();
                let closed = guarded(|| {}, || database.close().map_err(failed));
                file.retire();
                match closed {
                    Ok(()) => Ok(()),
                    Err(_) if is_retired => Ok(()),
                    Err(failure) => Err(explain(failure, &file)),
                }
            }
        }
    }

    /// Ends as a killed process does.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        let mut current = self.current.lock();
        if let Current::Open(_, file) = &*current {
            file.retire();
        }
        *current = Current::Closed;
    }

    /// Sees to it that the current instance works or that the base is closed.
    fn renew(&self, current: &mut Current) -> Result<(), StorageError> {
        match current {
            Current::Open(_, file) if !file.is_retired() => return Ok(()),
            Current::Closed => return Err(StorageError::Closed),
            Current::Open(..) | Current::Failed => {}
        }
        if let Current::Open(database, file) = std::mem::replace(current, Current::Failed) {
            file.retire();
            tracing::warn!(target: "tropism", fault = ?file.fault(), "the base failed and is opened again");
            // It tries to record its state, which the retired file refuses.
            drop(catch_unwind(AssertUnwindSafe(|| drop(database))));
        }
        *current = self.open_one()?;
        Ok(())
    }

    fn open_one(&self) -> Result<Current, StorageError> {
        let checksums_bytes = self.cache_bytes / CHECKSUMS_SHARE;
        let headers = Arc::clone(&self.headers);
        let file = CheckedFile::open(self.file.clone(), headers, (checksums_bytes / BLOCK_BYTES).max(1))?;
        let mut builder = Database::builder();
        builder.set_cache_size(self.cache_bytes - checksums_bytes);
        let backend = Backend(Arc::clone(&file));
        let opened = guarded(|| {}, || builder.create_with_backend(backend).map_err(failed));
        match opened {
            Ok(database) => Ok(Current::Open(database, file)),
            Err(failure) => {
                file.retire();
                Err(explain(failure, &file))
            }
        }
    }
}

/// The error of a failure that nothing can be done about.
pub(super) fn explain(failure: Failure, file: &CheckedFile) -> StorageError {
    match (failure, file.fault()) {
        (Failure::Here(error), _) | (Failure::Retired, Some(error @ StorageError::Io { .. })) => error,
        // Damage that another call met is none of this one's.
        (Failure::Retired, _) => unavailable("it failed meanwhile, in another call"),
    }
}

/// Returns a transient error.
pub(super) fn unavailable(reason: &str) -> StorageError {
    StorageError::io("use", BASE_FILE, io::Error::new(io::ErrorKind::Interrupted, reason))
}
