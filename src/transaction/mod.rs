//! Transactions: what reads and writes documents, over a snapshot, all or nothing.
//!
//! Behaviour (the numbers are the design's):
//! 1. A write transaction sees everything committed before it and its own writes. Execution is strictly serializable.
//! 2. When `write` returns `Ok`, the change is durable (the default), or visible (relaxed).
//! 3. `Err` or a panic leaves no trace.
//! 4. Concurrent callers share one sync, and nobody waits for it while holding the writer's place.
//! 5. `nested` rolls back only itself. Limits count what would be committed, not what was tried.
//! 6. A `write` inside a `write` on the same database is an error, not a deadlock.
//! 7. A unique index that would be violated is an error that names the holder of the key.
//! 8. After a storage failure of unknown outcome, further writes are refused.
//!
//! This floor knows tables and bytes. It must not know who watches: it can collect a [`ReadSet`], and does not care
//! what for.
//!
//! - `limits.rs`: how large a key and a row may be.
//! - `id_sequence.rs`: which ids were given out.
//! - `index_readiness.rs`: whether an index covers every row.
//! - `tables.rs`: the registered tables with their keyspaces, layouts and references.
//! - `reentrancy.rs`: refuses what would wait for itself.
//! - `read_set.rs`: the byte ranges that a transaction read.
//! - `buffer.rs`: the changes of a transaction, their size, and how to go back.
//! - `read.rs`: [`ReadTx`].
//! - `stored_keys.rs`: the index keys of stored rows, also of those that do not decode.
//! - `index_entries.rs`: the entries of stored rows in new indexes.
//! - `unreadable.rs`: finds rows that do not decode.
//! - `dynamic_rows.rs`: the rows of any table, by what the catalog says of it.
//! - `met_rows.rs`: which rows a walk over a multi index has met; `rows.rs` walks the range of a query.
//! - `page.rs`: places in a query; `index_query.rs`: the query builder.
//! - `entry_changes.rs`: which index entries a changed row gains, keeps and loses.
//! - `write.rs`: [`WriteTx`]; `references.rs`: deletes, and what they do to those who refer to the row.
//! - `index_builder.rs`: builds indexes while the database is open.
//! - `pipeline.rs`: runs closures as transactions and commits them.
//! - `opening.rs`: brings what is stored to what is declared: catalog, conversions, index builds.

mod limits;
mod buffer;
mod entry_changes;
mod met_rows;
mod read_set;
mod reentrancy;
mod id_sequence;
mod index_readiness;
mod tables;
mod read;
mod stored_keys;
mod index_entries;
mod unreadable;
mod dynamic_rows;
mod rows;
mod page;
mod index_query;
mod write;
mod references;
mod opening;
mod index_builder;
mod pipeline;

pub use dynamic_rows::DynamicRows;
pub use index_builder::IndexBuild;
pub(crate) use index_builder::{IndexBuilder, OnProgress};
pub use index_query::IndexQuery;
pub use limits::{MAX_KEY_BYTES, MAX_ROW_BYTES};
pub use opening::{BuildProgress, BuildWork};
pub(crate) use opening::{IndexBuilding, bring_up_to_date, open_as_stored};
pub use page::{Cursor, Page};
pub(crate) use pipeline::Pipeline;
pub use read::ReadTx;
pub(crate) use read_set::{ReadOn, ReadSet};
pub(crate) use reentrancy::Reentrancy;
pub use rows::Rows;
pub(crate) use tables::Companion;
pub use unreadable::UnreadableRow;
pub use write::WriteTx;
