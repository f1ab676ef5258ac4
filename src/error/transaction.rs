//! What a transaction did that its rules forbid.

use std::sync::Arc;

/// What a transaction did that its rules forbid. It was rolled back as a whole, or to the nested mark.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// A `write` was called within a `write` on the same database.
    #[error(
        "`write` was called inside a `write` on the same database, which could never finish; use the transaction at hand, or `tx.nested(…)`"
    )]
    NestedWrite,
    /// A write was called while a query was being evaluated.
    #[error("a query tried to write; queries only read")]
    WriteInQuery,
    /// A query read the same database past its own transaction: with `Db::read`, `Db::query`, `Db::watch`,
    /// `Db::subscribe` or a value of another subscription. The query would not depend on what it reads there.
    #[error(
        "`{call}` was called inside a query of the same database, which would go stale without notice; use the transaction that the query was given"
    )]
    ReadInQuery {
        /// The method.
        call: &'static str,
    },
    /// A call that waits for commits was made inside a `write`, a query or a `close` of the same database.
    #[error(
        "`{call}` was called inside a `write`, a query or a `close` of the same database and could wait for ever; call it afterwards"
    )]
    WaitInWrite {
        /// The method.
        call: &'static str,
    },
    /// A unique index holds the key already.
    #[error("table {table:?} index {index:?} is unique, and {holder} has that key already")]
    UniqueViolation {
        /// The table.
        table: &'static str,
        /// The unique index.
        index: &'static str,
        /// Id of the row that holds the key, as text.
        holder: String,
    },
    /// [`unique`](crate::IndexQuery::unique) found a second row.
    #[error("`unique()` on table {table:?} index {index:?} found more than one row: {first} and {second}")]
    NotUnique {
        /// The table.
        table: &'static str,
        /// The index that was queried.
        index: &'static str,
        /// Id of the first row, as text.
        first: String,
        /// Id of the second row, as text.
        second: String,
    },
    /// No row has that id.
    #[error("{id} does not exist")]
    NotFound {
        /// The id, as text.
        id: String,
    },
    /// A row would point at nothing.
    #[error("table {table:?} field {field:?} points to {target}, which does not exist")]
    MissingReference {
        /// The table.
        table: &'static str,
        /// The field that refers.
        field: &'static str,
        /// The id it points to, as text.
        target: String,
    },
    /// A row cannot be deleted while another refers to it.
    #[error(
        "{id} cannot be deleted: {holder} refers to it through table {table:?} index {index:?} (on delete restrict)"
    )]
    Restricted {
        /// The row that was to be deleted, as text.
        id: String,
        /// A row that refers to it, as text.
        holder: String,
        /// The referring table.
        table: &'static str,
        /// The index that declares the reference.
        index: &'static str,
    },
    /// An index key is longer than the limit.
    #[error("table {table:?} index {index:?}: the key has {size_bytes} bytes, and at most {limit_bytes} are allowed")]
    KeyTooLong {
        /// The table.
        table: &'static str,
        /// The index.
        index: &'static str,
        /// Size of the encoded key.
        size_bytes: usize,
        /// The limit, [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES).
        limit_bytes: usize,
    },
    /// A row is larger than the limit.
    #[error("table {table:?}: the row has {size_bytes} bytes, and at most {limit_bytes} are allowed")]
    RowTooLarge {
        /// The table.
        table: &'static str,
        /// Size of the encoded row.
        size_bytes: usize,
        /// The limit, [`MAX_ROW_BYTES`](crate::MAX_ROW_BYTES).
        limit_bytes: usize,
    },
    /// The transaction's changes are larger than the limit.
    #[error(
        "the transaction would commit {size_bytes} bytes, and at most {limit_bytes} are allowed; split it, or raise `Config::overlay_limit_bytes`"
    )]
    TransactionTooLarge {
        /// Size of the changes.
        size_bytes: usize,
        /// The limit, [`Config::overlay_limit_bytes`](crate::Config::overlay_limit_bytes).
        limit_bytes: usize,
    },
    /// The table is not part of this database.
    #[error("table {table:?} is not registered; add it to `.tables::<…>()` of the builder")]
    UnknownTable {
        /// The table.
        table: &'static str,
    },
    /// The index does not cover every row yet.
    #[error(
        "table {table:?} index {index:?} is being built: {rows_done} of {rows_at_most} ids{}; wait with `Db::wait_for_indexes`",
        .failure.as_ref().map_or_else(String::new, |failure| format!(", and cannot go on ({failure})"))
    )]
    IndexNotReady {
        /// The table.
        table: &'static str,
        /// The index.
        index: &'static str,
        /// How many ids have been looked at.
        rows_done: u64,
        /// How many ids there were when the database was opened.
        rows_at_most: u64,
        /// Why the building has stopped, if it has.
        failure: Option<Arc<str>>,
    },
    /// The database has no table of this name.
    #[error("the database has no table {table:?}; `catalog()` lists those that it has")]
    NoSuchTable {
        /// The name.
        table: String,
    },
    /// The database was opened to be read only: [`Builder::as_stored`](crate::Builder::as_stored).
    #[error("the database was opened as it is stored, and takes no writes; open it with its tables")]
    ReadOnly,
    /// A cursor does not belong to the query that it was given to.
    #[error("the cursor does not belong to this query ({reason}); start from the first page")]
    InvalidCursor {
        /// What does not fit.
        reason: &'static str,
    },
    /// The ids of the table are used up.
    #[error("table {table:?} has no ids left")]
    IdsExhausted {
        /// The table.
        table: &'static str,
    },
}
