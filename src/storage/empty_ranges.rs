//! [`EmptyRanges`]: key ranges that are known to hold no live key.
//!
//! A table used as a queue leaves a deletion for every row taken from it until a checkpoint has carried the deletions
//! into the base. A scan that has stepped over a run of them notes the run here, and the next scan jumps over it. So
//! taking the first row costs the same however many were taken before.

use std::{collections::BTreeMap, ops::Bound};

use parking_lot::{Mutex, MutexGuard};

use crate::encoding::Key;

/// Ranges beyond this number are forgotten, all at once: they only save time.
const MAX_RANGES: usize = 4_096;
/// Keys that a commit takes out of ranges before readers have the lock.
const PUTS_PER_LOCK: usize = 256;

/// Disjoint ranges of keys, each with the commit from which on it holds nothing.
#[derive(Debug, Default)]
pub(crate) struct EmptyRanges {
    /// By the first key.
    ranges: BTreeMap<Key, EmptyRange>,
}

#[derive(Debug, Clone, PartialEq)]
struct EmptyRange {
    /// The first key after the range.
    end: Key,
    since_ts: u64,
}

impl EmptyRanges {
    /// The range around `key` that holds nothing at commit `ts`, as its first key and the first key after it.
    pub(super) fn around(&self, key: &[u8], ts: u64) -> Option<(Key, Key)> {
        let (start, range) = self.ranges.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back()?;
        (*range.end > *key && range.since_ts <= ts).then(|| (start.clone(), range.end.clone()))
    }

    /// The range that holds nothing at commit `ts` and reaches up to `end` or beyond it, from before `end` on.
    pub(super) fn up_to(&self, end: &Key, ts: u64) -> Option<(Key, Key)> {
        let (start, range) = self.ranges.range::<Key, _>((Bound::Unbounded, Bound::Excluded(end))).next_back()?;
        (range.end >= *end && range.since_ts <= ts).then(|| (start.clone(), range.end.clone()))
    }

    /// Notes that nothing lives from `start` up to, not with, `end` from commit `ts` on. No earlier range is newer.
    pub(super) fn add(&mut self, start: Key, end: Key, ts: u64) {
        let (mut start, mut end) = (start, end);
        let before = self.ranges.range::<[u8], _>((Bound::Unbounded, Bound::Included(&*start))).next_back();
        if let Some((earlier, range)) = before
            && range.end >= start
        {
            end = end.max(range.end.clone());
            start = earlier.clone();
        }
        while let Some((next, range)) =
            self.ranges.range::<[u8], _>((Bound::Included(&*start), Bound::Included(&*end))).next()
        {
            end = end.max(range.end.clone());
            let next = next.clone();
            self.ranges.remove(&next);
        }
        if self.ranges.len() >= MAX_RANGES {
            self.ranges.clear();
        }
        self.ranges.insert(start, EmptyRange { end, since_ts: ts });
    }

    /// Takes a key that may be alive from now on out of the range that it lies in.
    pub(super) fn cut(&mut self, key: &Key) {
        if self.ranges.is_empty() {
            return;
        }
        let around = self.ranges.range::<[u8], _>((Bound::Unbounded, Bound::Included(&**key))).next_back();
        let Some((start, range)) = around.filter(|(_, range)| range.end > *key) else { return };
        let (start, range) = (start.clone(), range.clone());
        self.ranges.remove(&start);
        if self.ranges.len() >= MAX_RANGES {
            self.ranges.clear();
            return;
        }
        let after = after(key);
        if after < range.end {
            self.ranges.insert(after, range.clone());
        }
        if start < *key {
            self.ranges.insert(start, EmptyRange { end: key.clone(), since_ts: range.since_ts });
        }
    }
}

/// The empty ranges of the committed state, shared by all readers.
///
/// A reader may note what it saw only if nothing has been committed since its snapshot: otherwise a key that it does not
/// see may be alive. So a range is true at its commit and at every later one, until a commit puts a key into it and cuts
/// it.
#[derive(Debug, Default)]
pub(super) struct SharedEmptyRanges {
    state: Mutex<SharedState>,
}

#[derive(Debug, Default)]
struct SharedState {
    /// The newest commit that was applied or is being applied.
    newest_ts: u64,
    ranges: EmptyRanges,
}

impl SharedEmptyRanges {
    pub(super) fn new(newest_ts: u64) -> Self {
        Self { state: Mutex::new(SharedState { newest_ts, ranges: EmptyRanges::default() }) }
    }

    /// Takes note of a commit before it is applied: the keys that it puts are not empty any more.
    pub(super) fn begin_commit<'a>(&self, ts: u64, mut puts: impl Iterator<Item = &'a Key>) {
        let mut state = self.state.lock();
        state.newest_ts = ts;
        // Readers have the lock in between: they can note nothing any more, and what they find is still true for them.
        loop {
            for _ in 0..PUTS_PER_LOCK {
                if state.ranges.ranges.is_empty() {
                    return;
                }
                let Some(key) = puts.next() else { return };
                state.ranges.cut(key);
            }
            MutexGuard::bump(&mut state);
        }
    }

    /// The range around `key` that holds nothing at commit `ts`.
    pub(super) fn around(&self, key: &[u8], ts: u64) -> Option<(Key, Key)> {
        self.state.lock().ranges.around(key, ts)
    }

    /// The range that holds nothing at commit `ts` and reaches up to `end` or beyond it, from before `end` on.
    pub(super) fn up_to(&self, end: &Key, ts: u64) -> Option<(Key, Key)> {
        self.state.lock().ranges.up_to(end, ts)
    }

    /// Notes that a reader at commit `ts` found nothing in the range.
    pub(super) fn add(&self, start: Key, end: Key, ts: u64) {
        let mut state = self.state.lock();
        if state.newest_ts == ts {
            state.ranges.add(start, end, ts);
        }
    }
}

/// The smallest key after `key`.
pub(super) fn after(key: &[u8]) -> Key {
    let mut bytes = Vec::with_capacity(key.len() + 1);
    bytes.extend_from_slice(key);
    bytes.push(0);
    Key::from_slice(&bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Key {
        Key::from_slice(&[number])
    }

    #[test]
    fn a_range_is_known_from_its_commit_on() {
        let mut ranges = EmptyRanges::default();
        ranges.add(key(3), key(7), 5);
        assert_eq!(ranges.around(&[3], 5), Some((key(3), key(7))));
        assert_eq!(ranges.around(&[6], 9), Some((key(3), key(7))));
        assert_eq!(ranges.around(&[7], 9), None);
        assert_eq!(ranges.around(&[4], 4), None, "before the commit it may have held something");
    }

    #[test]
    fn what_a_reader_behind_the_newest_commit_saw_is_not_noted() {
        let shared = SharedEmptyRanges::new(4);
        shared.add(key(1), key(9), 4);
        assert!(shared.around(&[5], 4).is_some());
        shared.begin_commit(5, [key(5)].iter());
        assert_eq!(shared.around(&[5], 5), None);
        shared.add(key(1), key(9), 4);
        assert_eq!(shared.around(&[5], 5), None);
    }

    #[test]
    fn a_range_into_which_rows_are_put_one_after_the_other_does_not_become_ever_more_ranges() {
        let numbered = |number: u32| Key::from_slice(&number.to_be_bytes());
        let shared = SharedEmptyRanges::new(1);
        shared.add(numbered(0), numbered(u32::MAX), 1);
        let keys: Vec<Key> = (1..20_000).map(|number| numbered(number * 2)).collect();
        shared.begin_commit(2, keys.iter());
        assert!(shared.state.lock().ranges.ranges.len() <= MAX_RANGES + 1);
        assert!(keys.iter().all(|key| shared.around(key, 2).is_none()));
    }

    proptest! {
        #[test]
        fn ranges_cover_what_was_added_and_not_cut(steps in prop::collection::vec((any::<bool>(), 0u8..40, 0u8..40), 1..60)) {
            let mut ranges = EmptyRanges::default();
            let mut model = [false; 64];
            for (is_add, start, other) in steps {
                if is_add {
                    let end = start.max(other) + 1;
                    ranges.add(key(start), key(end), 1);
                    (start..end).for_each(|at| model[usize::from(at)] = true);
                } else {
                    ranges.cut(&key(start));
                    model[usize::from(start)] = false;
                }
                for (at, is_empty) in (0u8..).zip(model) {
                    let around = ranges.around(&[at], 1);
                    prop_assert_eq!(around.is_some(), is_empty, "at {}", at);
                    if let Some((start, end)) = around {
                        let first_after = |key: &Key| key[0] + u8::from(key.len() > 1);
                        let (start, end) = (first_after(&start), first_after(&end));
                        prop_assert!(model[usize::from(start)..usize::from(end)].iter().all(|is_empty| *is_empty));
                    }
                }
            }
        }
    }
}
