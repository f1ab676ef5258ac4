//! What an overlay must do, and the maps that could do it. One writer at a time; snapshots live as long as they like.

pub mod leaves;
pub mod persistent;
pub mod runs;
pub mod skip_list;
pub mod spaces;
pub mod tree;
pub mod versions;

use std::sync::Arc;

use crate::key::Key;

/// `None`: the key was deleted.
pub type Value = Option<Arc<[u8]>>;
/// A key and what a commit made of it.
pub type Change = (Key, Value);

/// From which end a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// An ordered map that remembers its past.
pub trait Overlay: Default + Send + Sync + 'static {
    /// The map as it was at one commit.
    type Snapshot: Snapshot + Send + 'static;

    /// Its name in tables.
    const NAME: &'static str;

    /// Takes in the changes of one commit, in key order, and makes them visible to snapshots from now on.
    fn commit(&self, ts: u64, changes: &[Change]);

    /// The newest state.
    fn snapshot(self: &Arc<Self>) -> Self::Snapshot;
}

/// The map as it was at one commit.
pub trait Snapshot {
    /// A walk over a range of it.
    type Scan<'a>: Scan
    where
        Self: 'a;

    /// Reads what is known of a key; `None` if the map does not know it.
    fn get<R>(&self, key: &Key, read: impl FnOnce(Option<&[u8]>) -> R) -> Option<R>;

    /// The entries from one key up to, not with, another of the same keyspace.
    fn scan(&self, start: &Key, end: &Key, order: Order) -> Self::Scan<'_>;
}

/// A walk over entries.
pub trait Scan {
    /// The next key within its keyspace, and its value.
    fn next(&mut self) -> Option<(&[u8], &Value)>;
}
