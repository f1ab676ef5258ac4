//! Every error of the crate: one enum per phase, and [`Error`] over them all.
//!
//! Messages name the thing and the remedy. Errors are `Clone`, because one failed sync is the answer to every
//! transaction of its group; what cannot be cloned (an I/O error) is shared.

use std::{io, sync::Arc};

mod json;
mod registration;
mod schedule;
mod schema;
mod transaction;
pub use self::{
    json::JsonError, registration::RegistrationError, schedule::ScheduleError, schema::SchemaError,
    transaction::TransactionError,
};

/// What any operation of the crate can answer: the errors of every phase under one roof.
///
/// Every phase's error converts into it, so `?` works wherever a closure or function returns it. A host's own error
/// type needs only `From<tropism::Error>` to be returned from a transaction.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The bytes could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A transaction did something that its rules forbid; it was rolled back.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// A row could not be turned into bytes or back.
    #[error(transparent)]
    Row(#[from] RowError),
    /// A live query could not be evaluated or delivered.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Something could not be scheduled.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A text is not an id of the expected table.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// Why a database could not be opened. Nothing that was committed is lost. An open that fails while it builds or rewrites
/// is taken up by the next one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The path holds something, but not a database.
    #[error("{path:?} is not a tropism database ({reason}); choose an empty or new directory, such as one in it")]
    NotADatabase {
        /// The path that was to be opened.
        path: String,
        /// What was found there.
        reason: String,
    },
    /// The path may not be read or written.
    #[error(
        "{path:?} cannot be used ({source}); give this user the right to read and write it, or choose another directory"
    )]
    NoPermission {
        /// The path that was to be opened.
        path: String,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The file system lacks something that a database needs.
    #[error("the file system of {path:?} has no {what}; choose a directory on another one")]
    Unsupported {
        /// The path that was to be opened.
        path: String,
        /// What it lacks.
        what: &'static str,
    },
    /// Somebody holds the database: this process or another.
    #[error(
        "the database {path:?} is already open, in this process or another; close it there, or share one `Db` by cloning it"
    )]
    AlreadyOpen {
        /// The path that was to be opened.
        path: String,
    },
    /// The files were written by a newer release.
    #[error("{file} has format {found}, and this release reads up to {supported}; open it with a newer release")]
    NewerFormat {
        /// The file that carries the format number.
        file: String,
        /// The number found there.
        found: u32,
        /// The newest number that this release reads.
        supported: u32,
    },
    /// An option lies outside its bounds.
    #[error("option `{option}` is {given}; it must be {bounds}")]
    Config {
        /// The field of [`Config`](crate::Config).
        option: &'static str,
        /// What was given.
        given: String,
        /// What is allowed.
        bounds: &'static str,
    },
    /// The declared tables do not fit what is stored.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The registered functions, resources or crons contradict each other.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// Scheduled work could not be brought up to date, or the scheduler did not begin.
    #[error("the scheduler cannot begin: {reason}")]
    Scheduler {
        /// Why.
        reason: Arc<str>,
    },
    /// The files could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A row could not be read while an index was built or a table converted.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// Why bytes could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A file operation failed.
    #[error("{operation} {file:?} failed: {source}")]
    Io {
        /// What was attempted: `open`, `read`, `write`, `sync`, …
        operation: &'static str,
        /// The file.
        file: String,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file does not hold what was written to it.
    #[error("{file:?} is damaged at byte {offset}: {reason}; restore it from a backup")]
    Corrupt {
        /// The file.
        file: String,
        /// Where the damage begins.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// What is stored contradicts itself, though each file holds what was written to it.
    #[error("what is stored contradicts itself: {reason}; restore the database from a backup")]
    Inconsistent {
        /// What does not fit what.
        reason: String,
    },
    /// The base (redb) answered with an error.
    #[error("the base file failed: {reason}; try again")]
    Base {
        /// What it said.
        reason: Arc<str>,
    },
    /// A sync of the log failed, and its outcome is unknown; the database takes no more writes.
    #[error("the database takes no writes since a sync of the log failed ({reason}); reopen it")]
    Poisoned {
        /// The failure that poisoned it.
        reason: Arc<str>,
    },
    /// The log cannot be written at the moment. What the call committed is applied and is not durable yet: it becomes so,
    /// and visible, as soon as the log can be written again, and is lost if the process ends before. A call that has not
    /// committed yet has changed nothing.
    #[error("the log cannot be written at the moment ({reason}); the commit becomes durable as soon as it can be")]
    NotDurable {
        /// The failure.
        reason: Arc<str>,
        /// What kind of fault it was: `Full` where the disk had no room.
        kind: FaultKind,
    },
    /// A sync of the log failed; whether this transaction's group is durable shows after reopening.
    #[error("whether the commit is durable is unknown ({reason}); reopen the database and look")]
    OutcomeUnknown {
        /// The failure.
        reason: Arc<str>,
    },
    /// The disk has no room for the commit; nothing of it was kept, and the database stays usable.
    #[error("the disk has no room for the commit ({reason}); free some and try again")]
    DiskFull {
        /// What the operating system said.
        reason: Arc<str>,
    },
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
}

/// Why a row could not be turned into bytes or back.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// A value cannot be written in the row format.
    #[error("a value of field {field:?} cannot be encoded: {reason}")]
    Encode {
        /// The field.
        field: String,
        /// Why.
        reason: String,
    },
    /// Stored bytes are not a row of this table.
    #[error(
        "{row} does not decode: field {field:?}: {reason}; the row is left as it is, and can be deleted or replaced"
    )]
    Decode {
        /// The row's id as text, or the table where the id is not known.
        row: String,
        /// The field.
        field: String,
        /// Why.
        reason: String,
    },
}

/// Why a live query has no value to deliver.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The query's closure panicked; the subscription stays and tries again with the next commit that concerns it.
    #[error("the live query at {query} panicked: {message}")]
    Panicked {
        /// Where the query was subscribed.
        query: String,
        /// The panic's message.
        message: String,
    },
    /// The database was closed, and the subscription with it.
    #[error("the subscription has ended, for the database is closed")]
    Ended,
}

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// It is the id of another table.
    #[error("{text:?} is an id of table {found:?}, and one of {expected:?} was expected")]
    WrongTable {
        /// The text.
        text: String,
        /// The table it names.
        found: String,
        /// The table that was expected.
        expected: &'static str,
    },
    /// It is no id of any table.
    #[error("{text:?} is not an id ({reason})")]
    NoId {
        /// The text.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// It is mistyped: its check symbol does not fit, or it is no id at all.
    #[error("{text:?} is not an id of table {expected:?} ({reason})")]
    Malformed {
        /// The text.
        text: String,
        /// The table that was expected.
        expected: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
}

/// What kind of fault a storage error is, and so what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// It may go away by itself: try again.
    Transient,
    /// There is no room on the disk: free some, and try again.
    Full,
    /// A file does not hold what was written to it. What is intact stays readable.
    Damaged,
    /// The database takes no more writes until it is opened again.
    Stopped,
    /// The database is closed.
    Closed,
}

impl StorageError {
    /// What kind of fault it is.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Io { .. } if self.is_disk_full() => FaultKind::Full,
            Self::Io { .. } | Self::Base { .. } => FaultKind::Transient,
            Self::NotDurable { kind, .. } => *kind,
            Self::DiskFull { .. } => FaultKind::Full,
            Self::Corrupt { .. } | Self::Inconsistent { .. } => FaultKind::Damaged,
            Self::Poisoned { .. } | Self::OutcomeUnknown { .. } => FaultKind::Stopped,
            Self::Closed => FaultKind::Closed,
        }
    }

    /// An I/O error with what was attempted and on which file.
    pub(crate) fn io(operation: &'static str, file: &str, source: io::Error) -> Self {
        Self::Io { operation, file: file.to_owned(), source: Arc::new(source) }
    }

    /// Whether the operating system said that there is no room.
    pub(crate) fn is_disk_full(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}
