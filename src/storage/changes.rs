//! [`Changes`]: what a transaction has changed and not committed yet.

use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map},
    ops::Bound,
    slice,
};

use super::{empty_ranges::EmptyRanges, record::Change};
use crate::encoding::Key;

/// With more changes than this a list is slower than a tree.
const LARGEST_LIST: usize = 32;

/// A transaction's own changes over its snapshot, at most one per key, in key order. Its reads look here first.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    map: Map,
    /// Where the transaction has seen that nothing lives any more. Noted while it reads, therefore the cell.
    empty: RefCell<EmptyRanges>,
}

/// A sorted list as long as it is short, then a tree.
#[derive(Debug, Clone)]
enum Map {
    Few(Vec<(Key, Change)>),
    Many(BTreeMap<Key, Change>),
}

impl Default for Map {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// The place of a key among the changes, whether the key has one or not.
pub(crate) struct ChangeEntry<'a>(Place<'a>);

enum Place<'a> {
    Listed { list: &'a mut Vec<(Key, Change)>, at: usize },
    Unlisted { list: &'a mut Vec<(Key, Change)>, at: usize, key: Key },
    Tree(btree_map::Entry<'a, Key, Change>),
}

/// The changes of a range of keys, from either end.
pub(super) enum ChangesRange<'a> {
    Few(slice::Iter<'a, (Key, Change)>),
    Many(btree_map::Range<'a, Key, Change>),
}

impl Changes {
    /// No changes.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether nothing was changed.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.map {
            Map::Few(list) => list.is_empty(),
            Map::Many(tree) => tree.is_empty(),
        }
    }

    /// The change of a key.
    pub(crate) fn get(&self, key: &Key) -> Option<&Change> {
        match &self.map {
            Map::Few(list) => find(list, key).ok().map(|at| &list[at].1),
            Map::Many(tree) => tree.get(key),
        }
    }

    /// Whether a key was changed.
    pub(crate) fn contains_key(&self, key: &Key) -> bool {
        self.get(key).is_some()
    }

    /// The place of a key's change. A key that is changed may be alive afterwards.
    pub(crate) fn entry(&mut self, key: Key) -> ChangeEntry<'_> {
        self.empty.get_mut().cut(&key);
        if let Map::Few(list) = &mut self.map
            && list.len() >= LARGEST_LIST
        {
            self.map = Map::Many(std::mem::take(list).into_iter().collect());
        }
        ChangeEntry(match &mut self.map {
            Map::Many(tree) => Place::Tree(tree.entry(key)),
            Map::Few(list) => match find(list, &key) {
                Ok(at) => Place::Listed { list, at },
                Err(at) => Place::Unlisted { list, at, key },
            },
        })
    }

    /// Puts a change in the place of any earlier one of that key, and returns that.
    pub(crate) fn insert(&mut self, key: Key, change: Change) -> Option<Change> {
        self.entry(key).set(change)
    }

    /// Takes back the change of a key.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Change> {
        self.entry(key.clone()).remove()
    }

    /// The changes as a list, in key order.
    pub(crate) fn into_vec(self) -> Vec<(Key, Change)> {
        match self.map {
            Map::Few(list) => list,
            Map::Many(tree) => tree.into_iter().collect(),
        }
    }

    /// The changes from one key up to, not with, another, which is not before it.
    pub(super) fn range(&self, start: &Key, end: &Key) -> ChangesRange<'_> {
        match &self.map {
            Map::Few(list) => {
                let (Ok(first) | Err(first)) = find(list, start);
                let (Ok(last) | Err(last)) = find(list, end);
                ChangesRange::Few(list[first..last.max(first)].iter())
            }
            Map::Many(tree) => ChangesRange::Many(tree.range::<Key, _>((Bound::Included(start), Bound::Excluded(end)))),
        }
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

fn find(list: &[(Key, Change)], key: &Key) -> Result<usize, usize> {
    // Rows and index entries mostly come in order.
    match list.last() {
        Some((last, _)) if last < key => Err(list.len()),
        Some(_) | None => list.binary_search_by(|(other, _)| other.cmp(key)),
    }
}

impl ChangeEntry<'_> {
    /// The key.
    pub(crate) fn key(&self) -> &Key {
        match &self.0 {
            Place::Listed { list, at } => &list[*at].0,
            Place::Unlisted { key, .. } => key,
            Place::Tree(entry) => entry.key(),
        }
    }

    /// Its change, if it has one.
    pub(crate) fn get(&self) -> Option<&Change> {
        match &self.0 {
            Place::Listed { list, at } => Some(&list[*at].1),
            Place::Unlisted { .. } | Place::Tree(btree_map::Entry::Vacant(_)) => None,
            Place::Tree(btree_map::Entry::Occupied(entry)) => Some(entry.get()),
        }
    }

    /// Gives it a change, and returns the one that it had.
    pub(crate) fn set(self, change: Change) -> Option<Change> {
        match self.0 {
            Place::Listed { list, at } => Some(std::mem::replace(&mut list[at].1, change)),
            Place::Unlisted { list, at, key } => {
                list.insert(at, (key, change));
                None
            }
            Place::Tree(btree_map::Entry::Occupied(mut entry)) => Some(entry.insert(change)),
            Place::Tree(btree_map::Entry::Vacant(entry)) => {
                entry.insert(change);
                None
            }
        }
    }

    /// Takes its change away, and returns it.
    pub(crate) fn remove(self) -> Option<Change> {
        match self.0 {
            Place::Listed { list, at } => Some(list.remove(at).1),
            Place::Tree(btree_map::Entry::Occupied(entry)) => Some(entry.remove()),
            Place::Unlisted { .. } | Place::Tree(btree_map::Entry::Vacant(_)) => None,
        }
    }
}

impl<'a> Iterator for ChangesRange<'a> {
    type Item = (&'a Key, &'a Change);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(list) => list.next().map(|(key, change)| (key, change)),
            Self::Many(tree) => tree.next(),
        }
    }
}

impl DoubleEndedIterator for ChangesRange<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(list) => list.next_back().map(|(key, change)| (key, change)),
            Self::Many(tree) => tree.next_back(),
        }
    }
}

impl<const N: usize> From<[(Key, Change); N]> for Changes {
    fn from(changes: [(Key, Change); N]) -> Self {
        let mut all = Self::new();
        for (key, change) in changes {
            all.insert(key, change);
        }
        all
    }
}

impl IntoIterator for Changes {
    type Item = (Key, Change);
    type IntoIter = std::vec::IntoIter<(Key, Change)>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

#[cfg(test)]
impl Changes {
    pub(crate) fn len(&self) -> usize {
        self.clone().into_vec().len()
    }
}

impl Clone for Changes {
    fn clone(&self) -> Self {
        Self { map: self.map.clone(), empty: RefCell::default() }
    }
}

impl PartialEq for Changes {
    fn eq(&self, other: &Self) -> bool {
        self.clone().into_vec() == other.clone().into_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Key {
        Key::from_slice(&[number])
    }

    proptest! {
        #[test]
        fn a_list_and_a_tree_of_changes_are_the_same(steps in prop::collection::vec((0u8..80, 0u8..4), 0..120)) {
            let mut changes = Changes::new();
            let mut model = BTreeMap::new();
            for (number, what) in steps {
                let change = if what == 1 { Change::Delete } else { Change::Touch };
                if what == 0 {
                    prop_assert_eq!(changes.remove(&key(number)), model.remove(&key(number)));
                } else {
                    prop_assert_eq!(changes.insert(key(number), change.clone()), model.insert(key(number), change));
                }
                let range: Vec<_> = changes.range(&key(20), &key(50)).rev().collect();
                prop_assert_eq!(range, model.range(key(20)..key(50)).rev().collect::<Vec<_>>());
                prop_assert_eq!(changes.get(&key(number)), model.get(&key(number)));
            }
            prop_assert_eq!(changes.into_vec(), model.into_iter().collect::<Vec<_>>());
        }
    }
}
