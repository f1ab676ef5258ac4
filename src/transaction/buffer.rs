//! [`WriteBuffer`]: the changes of one transaction, what they weigh, and how to go back.

use std::collections::BTreeMap;

use std::sync::Arc;

use crate::{
    encoding::Key,
    storage::{Change, Changes},
};

/// What a change takes in a record and in the overlay beside its key and value, about.
const CHANGE_OVERHEAD_BYTES: usize = 24;
/// What a touch counts. No record holds it; it takes memory until the commit was announced.
const TOUCH_BYTES: usize = 16;

/// The changes that a transaction would commit now: at most one per key.
///
/// The size is that of these changes, so what was replaced, undone or deleted again counts no more.
///
/// An index entry that the transaction adds is a `Put` only where the snapshot has no such entry, and a `Delete` only
/// where it has one. An entry that was removed and added again is a `Touch`; one that was added and removed again is no
/// change.
#[derive(Default)]
pub(super) struct WriteBuffer {
    changes: Changes,
    size_bytes: usize,
    /// How to go back to the beginning of each nested part that is running; the innermost is the last.
    marks: Vec<Mark>,
}

/// The state at the beginning of a nested part, as the difference from now.
struct Mark {
    size_bytes: usize,
    /// What each key had that is different now; `None`: no change. One entry for a key, however often it changed.
    replaced: BTreeMap<Key, Option<Change>>,
}

/// What becomes of the change that the buffer has for a key, if any.
enum Next {
    Keep,
    Set(Change),
    Remove,
}

impl WriteBuffer {
    /// The changes, in key order.
    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The bytes that a commit of the changes would take.
    pub(super) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Gives up the buffer for its changes, in key order.
    pub(super) fn into_changes(self) -> Changes {
        self.changes
    }

    /// Gives the key a value.
    pub(super) fn put(&mut self, key: Key, value: Arc<[u8]>) {
        self.update(key, |_| Next::Set(Change::Put(value)));
    }

    /// Deletes the row that is there. `is_stored`: whether the snapshot has it, too.
    pub(super) fn delete_row(&mut self, key: Key, is_stored: bool) {
        self.update(key, |_| if is_stored { Next::Set(Change::Delete) } else { Next::Remove });
    }

    /// Adds an index entry that is not there.
    pub(super) fn add_entry(&mut self, key: Key) {
        self.update(key, |now| match now {
            None => Next::Set(Change::Put(Arc::default())),
            Some(Change::Delete) => Next::Set(Change::Touch),
            Some(Change::Put(_) | Change::Touch) => Next::Keep,
        });
    }

    /// Removes an index entry that is there.
    pub(super) fn remove_entry(&mut self, key: Key) {
        self.update(key, |now| match now {
            None | Some(Change::Touch) => Next::Set(Change::Delete),
            Some(Change::Put(_)) => Next::Remove,
            Some(Change::Delete) => Next::Keep,
        });
    }

    /// Notes that the row behind an index entry changed.
    pub(super) fn touch_entry(&mut self, key: Key) {
        self.update(key, |now| if now.is_some() { Next::Keep } else { Next::Set(Change::Touch) });
    }

    fn update(&mut self, key: Key, next: impl FnOnce(Option<&Change>) -> Next) {
        let entry = self.changes.entry(key);
        let now = entry.get();
        let next = match next(now) {
            Next::Keep => return,
            Next::Set(change) => Some(change),
            Next::Remove => None,
        };
        self.size_bytes += next.as_ref().map_or(0, |change| size_of_change(entry.key(), change));
        self.size_bytes -= now.map_or(0, |change| size_of_change(entry.key(), change));
        if let Some(mark) = self.marks.last_mut() {
            mark.note(entry.key(), now.cloned());
            if next.is_none() {
                mark.forget_if_new(entry.key());
            }
        }
        match next {
            Some(change) => entry.set(change),
            None => entry.remove(),
        };
    }

    /// Begins a nested part.
    pub(super) fn set_mark(&mut self) {
        self.marks.push(Mark { size_bytes: self.size_bytes, replaced: BTreeMap::new() });
    }

    /// Ends the innermost nested part and keeps what it did.
    pub(super) fn keep(&mut self) {
        let Some(ended) = self.marks.pop() else { return };
        let Some(outer) = self.marks.last_mut() else { return };
        if outer.replaced.is_empty() {
            outer.replaced = ended.replaced;
            return;
        }
        for (key, replaced) in ended.replaced {
            outer.note(&key, replaced);
            if !self.changes.contains_key(&key) {
                outer.forget_if_new(&key);
            }
        }
    }

    /// Ends the innermost nested part and undoes what it did.
    pub(super) fn roll_back(&mut self) {
        let Some(ended) = self.marks.pop() else { return };
        self.size_bytes = ended.size_bytes;
        for (key, replaced) in ended.replaced {
            match replaced {
                Some(change) => self.changes.insert(key, change),
                None => self.changes.remove(&key),
            };
        }
    }
}

impl Mark {
    /// Remembers what a key had at the mark, unless that is known: only the first change of a key replaces it.
    fn note(&mut self, key: &Key, replaced: Option<Change>) {
        self.replaced.entry(key.clone()).or_insert(replaced);
    }

    /// A key that had no change at the mark, and has none again, is as it was.
    fn forget_if_new(&mut self, key: &Key) {
        if let Some(None) = self.replaced.get(key) {
            self.replaced.remove(key);
        }
    }
}

/// The most that a change of this key with a value of this size adds to the buffer.
pub(super) fn most_bytes(key: &Key, value_bytes: usize) -> usize {
    CHANGE_OVERHEAD_BYTES + key.len() + value_bytes
}

fn size_of_change(key: &Key, change: &Change) -> usize {
    match change {
        Change::Put(value) => most_bytes(key, value.len()),
        Change::Delete => most_bytes(key, 0),
        Change::Touch => TOUCH_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Key {
        Key::from_slice(&[0, 0, 0, 16, number])
    }

    fn sum(buffer: &WriteBuffer) -> usize {
        buffer.changes.clone().into_vec().iter().map(|(key, change)| size_of_change(key, change)).sum()
    }

    #[test]
    fn a_key_that_changes_again_and_again_is_one_change_and_one_thing_to_undo() {
        let mut buffer = WriteBuffer::default();
        buffer.put(key(1), Arc::from([0; 9]));
        let before = buffer.size_bytes();
        buffer.set_mark();
        for number in 0..1_000u16 {
            buffer.put(key(1), Arc::from(number.to_le_bytes()));
            buffer.add_entry(key(2));
            buffer.remove_entry(key(2));
        }
        assert_eq!((buffer.changes.len(), buffer.marks[0].replaced.len()), (1, 1));
        assert_eq!(buffer.size_bytes(), before - 7);
        buffer.roll_back();
        assert_eq!((buffer.size_bytes(), sum(&buffer)), (before, before));
    }

    #[test]
    fn an_entry_that_comes_back_is_a_touch_and_one_that_goes_again_is_nothing() {
        let mut buffer = WriteBuffer::default();
        buffer.remove_entry(key(1));
        buffer.add_entry(key(1));
        buffer.add_entry(key(2));
        buffer.remove_entry(key(2));
        buffer.touch_entry(key(3));
        buffer.remove_entry(key(3));
        let changes: Vec<_> = buffer.into_changes().into_iter().collect();
        assert_eq!(changes, [(key(1), Change::Touch), (key(3), Change::Delete)]);
    }

    #[test]
    fn nested_parts_that_are_kept_do_not_add_up_in_the_part_around_them() {
        let mut buffer = WriteBuffer::default();
        buffer.set_mark();
        for _ in 0..100 {
            buffer.put(key(1), Arc::from([1]));
            buffer.set_mark();
            buffer.delete_row(key(1), false);
            buffer.put(key(2), Arc::from([2]));
            buffer.keep();
        }
        assert_eq!(buffer.marks[0].replaced.len(), 1);
        buffer.roll_back();
        assert_eq!((buffer.size_bytes(), buffer.changes.len()), (0, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, u8),
        DeleteRow(u8, bool),
        Add(u8),
        Remove(u8),
        Touch(u8),
        Nest,
        End(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4u8, 0..9u8).prop_map(|(key, size)| Step::Put(key, size)),
            (0..4u8, any::<bool>()).prop_map(|(key, is_stored)| Step::DeleteRow(key, is_stored)),
            (4..8u8).prop_map(Step::Add),
            (4..8u8).prop_map(Step::Remove),
            (4..8u8).prop_map(Step::Touch),
            Just(Step::Nest),
            any::<bool>().prop_map(Step::End),
        ]
    }

    proptest! {
        #[test]
        fn the_size_is_that_of_the_changes_and_a_rollback_restores_both(steps in prop::collection::vec(step(), 0..60)) {
            let mut buffer = WriteBuffer::default();
            let mut before: Vec<Changes> = Vec::new();
            for step in steps {
                match step {
                    Step::Put(number, size) => buffer.put(key(number), vec![0; size.into()].into()),
                    Step::DeleteRow(number, is_stored) => buffer.delete_row(key(number), is_stored),
                    Step::Add(number) => buffer.add_entry(key(number)),
                    Step::Remove(number) => buffer.remove_entry(key(number)),
                    Step::Touch(number) => buffer.touch_entry(key(number)),
                    Step::Nest => {
                        before.push(buffer.changes.clone());
                        buffer.set_mark();
                    }
                    Step::End(is_kept) => {
                        let Some(before) = before.pop() else { continue };
                        if is_kept {
                            buffer.keep();
                        } else {
                            buffer.roll_back();
                            prop_assert_eq!(&buffer.changes, &before);
                        }
                    }
                }
                prop_assert_eq!(buffer.size_bytes(), sum(&buffer));
            }
            while let Some(before) = before.pop() {
                buffer.roll_back();
                prop_assert_eq!(&buffer.changes, &before);
            }
        }
    }
}
