//! From the index keys of a row before and after a change to what becomes of each entry.

use std::{cmp::Ordering, iter::Peekable, vec};

use crate::encoding::Key;

/// What becomes of one index entry of a row that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryChange {
    Add,
    /// The entry stays, and the row behind it is another.
    Touch,
    Remove,
}

/// The position of an index and a key in it.
pub(super) type IndexKey = (usize, Key);

/// Compares the keys of a row before and after a change, both in order, and yields what becomes of each. O(n).
pub(super) struct EntryChanges {
    old: Peekable<vec::IntoIter<IndexKey>>,
    new: Peekable<vec::IntoIter<IndexKey>>,
}

impl EntryChanges {
    pub(super) fn between(old: Vec<IndexKey>, new: Vec<IndexKey>) -> Self {
        Self { old: old.into_iter().peekable(), new: new.into_iter().peekable() }
    }
}

impl Iterator for EntryChanges {
    type Item = (IndexKey, EntryChange);

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.old.peek(), self.new.peek()) {
            (Some(old), Some(new)) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        Some(match order {
            Ordering::Less => (self.old.next()?, EntryChange::Remove),
            Ordering::Greater => (self.new.next()?, EntryChange::Add),
            Ordering::Equal => {
                self.old.next();
                (self.new.next()?, EntryChange::Touch)
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (old, new) = (self.old.len(), self.new.len());
        (old.max(new), Some(old + new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_added_touched_or_removed_once() {
        let keys = |keys: &[(usize, u8)]| keys.iter().map(|(at, key)| (*at, Key::from_slice(&[*key]))).collect();
        let changes = EntryChanges::between(keys(&[(0, 1), (1, 2), (1, 5), (2, 0)]), keys(&[(0, 3), (1, 5), (1, 7)]));
        let changes: Vec<(usize, u8, EntryChange)> = changes.map(|((at, key), change)| (at, key[0], change)).collect();
        let expected = [
            (0, 1, EntryChange::Remove),
            (0, 3, EntryChange::Add),
            (1, 2, EntryChange::Remove),
            (1, 5, EntryChange::Touch),
            (1, 7, EntryChange::Add),
            (2, 0, EntryChange::Remove),
        ];
        assert_eq!(changes, expected);
    }
}
