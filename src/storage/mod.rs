//! Where bytes live: one log, one base, and what is between them.
//!
//! ```text
//! write ─▶ private buffer ─▶ log record ─▶ overlay ─▶ (in the background) base
//!                             one sync per group        checkpoint, then the log before it is dropped
//! read  ─▶ snapshot = overlay + base at one timestamp
//! ```
//!
//! This floor knows keys, values and commits. It must not know tables, rows, transactions or live queries; whoever
//! wants to hear of commits implements [`CommitObserver`].
//!
//! The files, each standing on those before it:
//!
//! - `disk.rs`: the few file operations that everything goes through.
//! - `options.rs`, `order.rs`: words.
//! - `steps.rs`: for tests, how many entries were looked at.
//! - `record.rs`: what one commit did, as a value and as bytes.
//! - `empty_ranges.rs`: where nothing is left but deletions.
//! - `changes.rs`: what a transaction has changed and not committed yet.
//! - `overlay.rs`: committed changes not yet in the base.
//! - `base/`: redb, over a file whose every block is checked.
//! - `layers.rs`, `deletion_run.rs`, `scan.rs`, `snapshot.rs`: overlay and base as one ordered view at a commit.
//! - `log.rs`: segments, frames, replay.
//! - `publisher.rs`: what is visible, and who is told.
//! - `group_commit.rs`: one sync for many commits.
//! - `throttle.rs`: by how much writers are slowed down.
//! - `checkpointer.rs`: overlay into base, off the writers' path.
//! - `background.rs`: the threads.
//! - `writer.rs`: what the holder of the write lock has of the log.
//! - `committer.rs`: who may write, and how a commit enters the newest state.
//! - `store.rs`: all of it wired, which is what the floors above see.

pub mod disk;
mod options;
mod order;
#[cfg(test)]
pub(crate) mod steps;
mod record;
mod empty_ranges;
mod changes;
mod overlay;
mod base;
mod layers;
mod deletion_run;
mod scan;
mod snapshot;
mod log;
mod publisher;
mod group_commit;
mod throttle;
mod checkpointer;
mod background;
mod writer;
mod committer;
mod store;

pub(crate) use changes::Changes;
pub use checkpointer::{CheckpointFailure, CheckpointReport};
pub(crate) use committer::Applied;
pub use options::Durability;
pub(crate) use options::{BackgroundWork, StoreOptions};
pub(crate) use order::Order;
pub(crate) use publisher::CommitObserver;
pub(crate) use record::{Change, Commit};
pub(crate) use scan::Scan;
pub(crate) use snapshot::Snapshot;
pub(crate) use store::{Store, holds_database};
