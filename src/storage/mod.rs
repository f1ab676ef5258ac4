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
//! - `disk.rs`: the few file operations that everything goes through.
//! - `record.rs`: what one commit did, as a value and as bytes.
//! - `log.rs`: segments, frames, checksums, replay.
//! - `overlay.rs`: committed changes not yet in the base.
//! - `base/`: the durable base, over redb, with every block checked.
//! - `snapshot.rs`: overlay and base as one ordered view.
//! - `commit.rs`: the writer's place, and how a commit enters the newest state.
//! - `group.rs`: one sync for many commits, and what becomes visible when.
//! - `checkpoint.rs`: overlay into base, off the writers' path.
//! - `store.rs`: all of it wired, which is what the floors above see.

mod base;
mod checkpoint;
mod commit;
pub mod disk;
mod group;
mod log;
mod overlay;
mod record;
mod snapshot;
mod store;

pub(crate) use base::Order;
pub(crate) use commit::Applied;
pub(crate) use record::{Change, Commit};
pub(crate) use snapshot::{Changes, Scan, Snapshot};
pub use store::Durability;
pub(crate) use store::{Background, CommitObserver, Store, StoreOptions};
