//! Transactions: what reads and writes documents, over a snapshot, all or nothing.
//!
//! Behaviour (the numbers are the design's):
//! 1. A write transaction sees everything committed before it and its own writes. Execution is strictly serializable.
//! 2. When `write` returns `Ok`, the change is durable (the default), or visible (relaxed).
//! 3. `Err` or a panic leaves no trace.
//! 4. Concurrent callers share one sync, and nobody waits for it while holding the writer's place.
//! 5. A transaction writes into a private buffer; dropping it is the rollback. `nested` rolls back only itself.
//! 6. A `write` inside a `write` on the same database is an error, not a deadlock.
//! 7. A unique index that would be violated is an error that names the holder of the key.
//! 8. After a storage failure of unknown outcome, further writes are refused.
//!
//! This floor knows tables and bytes. It must not know who watches: it can collect a [`ReadSet`], and does not care
//! what for.
//!
//! - `tables.rs`: the registered tables with their keyspaces, layouts and references.
//! - `opening.rs`: brings what is stored to what is declared: catalog, conversions, index builds.
//! - `read.rs`: [`ReadTx`].
//! - `read_set.rs`: the byte ranges that a transaction read.
//! - `index_query.rs`: the index query builder; `rows.rs` walks its range; `page.rs` cuts it into pages.
//! - `write.rs`: [`WriteTx`]; `references.rs`: what a delete does to those who refer to the row.
//! - `pipeline.rs`: runs closures as transactions and commits them.
//! - `reentrancy.rs`: refuses what would wait for itself.

mod index_query;
mod opening;
mod page;
mod pipeline;
mod read;
mod read_set;
mod reentrancy;
mod references;
mod rows;
mod tables;
mod write;

pub use index_query::IndexQuery;
pub use opening::BuildProgress;
pub(crate) use opening::bring_up_to_date;
pub use page::{Cursor, Page};
pub(crate) use pipeline::Pipeline;
pub use read::ReadTx;
pub(crate) use read_set::{ReadOn, ReadSet};
pub(crate) use reentrancy::Reentrancy;
pub use rows::Rows;
pub(crate) use tables::Companion;
pub use write::WriteTx;

/// The longest index key, in bytes of its encoded form.
pub const MAX_KEY_BYTES: usize = 4_096;
/// The largest row, in bytes of its encoded form.
pub const MAX_ROW_BYTES: usize = 32 << 20;
