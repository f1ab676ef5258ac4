//! [`Changes`]: what a transaction has changed and not committed yet.

use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map},
    ops::Bound,
};

use super::{empty_ranges::EmptyRanges, record::Change};
use crate::encoding::Key;

/// A transaction's own changes over its snapshot, at most one per key, in key order. Its reads look here first.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    map: BTreeMap<Key, Change>,
    /// Where the transaction has seen that nothing lives any more. Noted while it reads, therefore the cell.
    empty: RefCell<EmptyRanges>,
}

impl Changes {
    /// No changes.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether nothing was changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The change of a key.
    pub(crate) fn get(&self, key: &Key) -> Option<&Change> {
        self.map.get(key)
    }

    /// Whether a key was changed.
    pub(crate) fn contains_key(&self, key: &Key) -> bool {
        self.map.contains_key(key)
    }

    /// The place of a key's change. A key that is changed may be alive afterwards.
    pub(crate) fn entry(&mut self, key: Key) -> btree_map::Entry<'_, Key, Change> {
        self.empty.get_mut().cut(&key);
        self.map.entry(key)
    }

    /// Puts a change in the place of any earlier one of that key, and returns that.
    pub(crate) fn insert(&mut self, key: Key, change: Change) -> Option<Change> {
        self.empty.get_mut().cut(&key);
        self.map.insert(key, change)
    }

    /// Takes back the change of a key.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Change> {
        self.empty.get_mut().cut(key);
        self.map.remove(key)
    }

    /// Every change, in key order.
    pub(crate) fn iter(&self) -> btree_map::Iter<'_, Key, Change> {
        self.map.iter()
    }

    pub(super) fn range(&self, bounds: (Bound<&Key>, Bound<&Key>)) -> btree_map::Range<'_, Key, Change> {
        self.map.range::<Key, _>(bounds)
    }

    /// The range around `key` in which the transaction has seen nothing.
    pub(super) fn empty_around(&self, key: &[u8]) -> Option<(Key, Key)> {
        self.empty.borrow().around(key, 0)
    }

    /// Notes that the transaction saw nothing from `start` up to, not with, `end`.
    pub(super) fn note_empty(&self, start: Key, end: Key) {
        self.empty.borrow_mut().add(start, end, 0);
    }
}

#[cfg(test)]
impl Changes {
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }
}

impl Clone for Changes {
    fn clone(&self) -> Self {
        Self { map: self.map.clone(), empty: RefCell::default() }
    }
}

impl PartialEq for Changes {
    fn eq(&self, other: &Self) -> bool {
        self.map == other.map
    }
}

impl<const N: usize> From<[(Key, Change); N]> for Changes {
    fn from(changes: [(Key, Change); N]) -> Self {
        Self { map: BTreeMap::from(changes), empty: RefCell::default() }
    }
}

impl IntoIterator for Changes {
    type Item = (Key, Change);
    type IntoIter = btree_map::IntoIter<Key, Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.map.into_iter()
    }
}
