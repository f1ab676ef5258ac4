//! What can go wrong below the base, told apart: an error of the disk, damage, and an instance of redb that is of no
//! more use.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::blocks::BLOCK_BYTES;
use crate::error::StorageError;

/// The file in the database directory.
pub(in crate::storage) const BASE_FILE: &str = "base.redb";

/// Why an operation on redb ended without a result.
#[derive(Debug)]
pub(super) enum Failure {
    /// The operation itself failed.
    Here(StorageError),
    /// The instance of redb failed before, in this or another operation, and answers nothing more.
    Retired,
}

/// What an instance answers that must not touch the file any more.
#[derive(Debug)]
pub(super) struct Retired;

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this instance of the base has failed before")
    }
}

impl std::error::Error for Retired {}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Here(error)
    }
}

/// Takes apart what redb answered. The layer below redb passes its errors through as the content of an `io::Error`.
pub(super) fn failed(error: impl Into<redb::Error>) -> Failure {
    match error.into() {
        redb::Error::Io(error) => from_below(error),
        // redb refuses everything after an I/O error, after a panic in one of its locks, and when it is closed.
        redb::Error::PreviousIo | redb::Error::LockPoisoned(_) | redb::Error::DatabaseClosed => Failure::Retired,
        redb::Error::Corrupted(reason) => Failure::Here(damaged(0, &reason)),
        error => Failure::Here(StorageError::Base { reason: error.to_string().into() }),
    }
}

fn from_below(error: io::Error) -> Failure {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<StorageError>()) {
        return Failure::Here(error.clone());
    }
    if inner.is_some_and(|inner| inner.is::<Retired>()) {
        return Failure::Retired;
    }
    // redb's own: it found something else than one of its databases.
    Failure::Here(damaged(0, &error.to_string()))
}

/// An error of the layer below redb, as redb passes it on.
pub(super) fn to_redb(error: StorageError) -> io::Error {
    let kind = match &error {
        StorageError::Io { source, .. } => source.kind(),
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}

/// The base does not hold what was written to it.
pub(super) fn damaged(offset: u64, reason: &str) -> StorageError {
    StorageError::Corrupt { file: BASE_FILE.to_owned(), offset, reason: reason.to_owned() }
}

/// The block at this place of the file does not hold what was written to it.
pub(super) fn damaged_block(offset: u64) -> StorageError {
    damaged(offset, &format!("a block of {BLOCK_BYTES} bytes does not have its checksum"))
}

/// redb asserts where a page does not hold what it must; here this is an error like any other. Panics of the disk do
/// not come this far. Nothing that the closure leaves behind is used again: `retire` gives up the instance.
pub(super) fn guarded<R>(retire: impl FnOnce(), work: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        retire();
        Err(Failure::Here(damaged(0, "a page does not hold what it must")))
    })
}
