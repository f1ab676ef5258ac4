//! Committed changes that are not in the base yet: ordered, versioned, in memory.
//!
//! Versioned means that a clone is a snapshot: it costs a pointer, and later changes do not show in it. An insert
//! costs about 0.6 µs while no clone is alive and about 2 µs for the first ones after a clone was taken, since the
//! shared nodes on its path are copied; so clones are taken per group or on demand, never per commit.

use std::{ops::Bound, sync::Arc};

use imbl::OrdMap;

use super::record::{Change, Commit};
use crate::encoding::Key;

/// What an entry costs beside its bytes: the slot in its node, with the node's slack, and the value's header.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// An ordered map from keys to their newest value, or to the fact that they were deleted.
#[derive(Clone, Default)]
pub(crate) struct Overlay {
    entries: OrdMap<Key, Option<Arc<[u8]>>>,
    size_bytes: usize,
}

/// Entries of an overlay in key order, from either end.
pub(super) type OverlayRange<'a> =
    imbl::ordmap::RangedIter<'a, Key, Option<Arc<[u8]>>, imbl::shared_ptr::DefaultSharedPtr>;

impl Overlay {
    /// Takes in what a commit changed. O(log n) for each change.
    pub(super) fn apply(&mut self, commit: &Commit) {
        for (key, change) in commit.changes() {
            let value = match change {
                Change::Put(value) => Some(Arc::clone(value)),
                Change::Delete => None,
                Change::Touch => continue,
            };
            self.insert(key.clone(), value);
        }
    }

    fn insert(&mut self, key: Key, value: Option<Arc<[u8]>>) {
        let key_bytes = key.len();
        let added = value.as_ref().map_or(0, |value| value.len());
        match self.entries.insert(key, value) {
            Some(replaced) => {
                self.size_bytes = self.size_bytes + added - replaced.map_or(0, |value| value.len());
            }
            None => self.size_bytes += key_bytes + added + ENTRY_OVERHEAD_BYTES,
        }
    }

    /// `None`: the overlay does not know the key. `Some(None)`: it was deleted.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.entries.get(key).map(Option::as_deref)
    }

    /// The entries between two composite keys.
    pub(super) fn range(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> OverlayRange<'_> {
        self.entries.range::<_, [u8]>(bounds)
    }

    /// Every entry, in key order.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&Key, Option<&[u8]>)> {
        self.entries.iter().map(|(key, value)| (key, value.as_deref()))
    }

    /// Memory in use, estimated from the sizes of keys and values.
    pub(super) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
