//! The keys of one commit, and the ranges of one read set, so that each is compared with the other in order.

use std::ops::Range;

use super::sweep::first_outside;
use crate::{
    encoding::{ByteRange, byte_range::RangeEnd},
    storage::{Change, Commit},
    transaction::ReadOn,
};

/// The keys that a commit changed, in order.
pub(super) struct CommitKeys<'a> {
    keys: Vec<&'a [u8]>,
    /// The positions of the index entries that stayed while their rows changed. They concern only readers of rows.
    touched: Vec<usize>,
}

impl<'a> CommitKeys<'a> {
    pub(super) fn of(commit: &'a Commit) -> Self {
        let mut keys = Vec::with_capacity(commit.len());
        let mut touched = Vec::new();
        for (at, (key, change)) in commit.changes().enumerate() {
            keys.push(&**key);
            match change {
                Change::Touch => touched.push(at),
                Change::Put(_) | Change::Delete => {}
            }
        }
        Self { keys, touched }
    }

    /// All of them.
    pub(super) fn as_slice(&self) -> &[&'a [u8]] {
        &self.keys
    }

    /// Whether one of the keys at these positions, of which there are some, concerns who read them for this.
    pub(super) fn concern(&self, on: ReadOn, at: &Range<usize>) -> bool {
        match on {
            ReadOn::Rows => true,
            ReadOn::Keys => {
                let touched_before = |end: usize| self.touched.partition_point(|touched| *touched < end);
                touched_before(at.end) - touched_before(at.start) < at.len()
            }
        }
    }

    /// Whether one of the keys concerns the reader of these ranges. Costs about the shorter of both; with touched
    /// keys, about the commit.
    pub(super) fn concern_reader(&self, ranges: &ReadRanges<'_>) -> bool {
        if meet(&ranges.rows, &self.keys) {
            return true;
        }
        if self.touched.is_empty() || ranges.keys.is_empty() {
            return meet(&ranges.keys, &self.keys);
        }
        let is_written = |at: &usize| self.touched.binary_search(at).is_err();
        let written: Vec<_> = (0..self.keys.len()).filter(is_written).map(|at| self.keys[at]).collect();
        meet(&ranges.keys, &written)
    }

    /// The keyspaces of a commit, each once, in order.
    pub(super) fn keyspaces(commit: &Commit) -> impl Iterator<Item = u32> {
        let mut last = None;
        commit.changes().filter_map(move |(key, _)| {
            let keyspace = Some(key.keyspace());
            let is_new = last != keyspace;
            last = keyspace;
            keyspace.filter(|_| is_new)
        })
    }
}

/// What was read, as ranges that do not overlap, in order: apart for readers of rows and of keys.
pub(super) struct ReadRanges<'a> {
    rows: Vec<Span<'a>>,
    keys: Vec<Span<'a>>,
}

#[derive(Clone, Copy)]
struct Span<'a> {
    start: &'a [u8],
    end: &'a RangeEnd,
}

impl<'a> ReadRanges<'a> {
    /// Of ranges that are in order.
    pub(super) fn of(ranges: impl Iterator<Item = &'a (ByteRange, ReadOn)>) -> Self {
        let mut united = Self { rows: Vec::new(), keys: Vec::new() };
        for (range, on) in ranges.filter(|(range, _)| !range.is_empty()) {
            let spans = match on {
                ReadOn::Rows => &mut united.rows,
                ReadOn::Keys => &mut united.keys,
            };
            match spans.last_mut().filter(|last| last.end.is_after(range.start())) {
                Some(last) => last.end = last.end.max(range.end()),
                None => spans.push(Span { start: range.start(), end: range.end() }),
            }
        }
        united
    }
}

/// Whether one of the keys lies in one of the spans. Both are in order, and whoever is behind leaps to the other.
fn meet(spans: &[Span<'_>], keys: &[&[u8]]) -> bool {
    let (mut spans, mut at) = (spans, 0);
    while let Some(key) = keys.get(at) {
        spans = &spans[leap(spans.len(), |passed| !spans[passed].end.is_after(key))..];
        let Some(span) = spans.first() else { return false };
        if span.start <= *key {
            return true;
        }
        let near = at + leap(keys.len() - at, |passed| keys[at + passed] < span.start);
        debug_assert_eq!(near, first_outside(keys, &(at..keys.len()), |key| key < span.start));
        at = near;
    }
    false
}

/// How many of `len` things are passed: they come first. Costs the logarithm of the answer.
fn leap(len: usize, is_passed: impl Fn(usize) -> bool) -> usize {
    let mut stride = 1;
    while stride <= len && is_passed(stride - 1) {
        stride *= 2;
    }
    let (mut low, mut high) = (stride / 2, stride.min(len + 1) - 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_passed(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeSet, sync::Arc};

    use proptest::prelude::*;

    use super::*;
    use crate::{encoding::Key, time::Timestamp};

    #[test]
    fn a_leap_costs_the_logarithm_of_its_length() {
        for (len, passed) in [(0, 0), (1, 0), (1, 1), (7, 3), (8, 8), (1_000_000, 5), (1_000_000, 999_999)] {
            let looks = Cell::new(0);
            let found = leap(len, |at| {
                looks.set(looks.get() + 1);
                at < passed
            });
            assert_eq!(found, passed, "of {len}");
            assert!(looks.get() <= 2 * (passed + 2).ilog2() + 2, "{} looks for {passed}", looks.get());
        }
    }

    fn commit(keys: &BTreeSet<(u8, u8)>) -> Commit {
        let mut changes: Vec<(Key, Change)> = Vec::new();
        for (key, kind) in keys {
            let change = match kind % 3 {
                0 => Change::Put(Arc::from(*b"v")),
                1 => Change::Delete,
                _ => Change::Touch,
            };
            let key = Key::from_slice(&[*key]);
            if changes.last().is_none_or(|(last, _)| *last != key) {
                changes.push((key, change));
            }
        }
        Commit::new(1, Timestamp::EPOCH, changes)
    }

    proptest! {
        #[test]
        fn a_commit_concerns_whoever_read_one_of_its_keys(
            keys in prop::collection::btree_set((0..40u8, 0..3u8), 0..12),
            ranges in prop::collection::btree_set((0..40u8, 0..4u8, any::<bool>()), 0..8),
        ) {
            let commit = commit(&keys);
            let range = |(start, len, is_rows): &(u8, u8, bool)| {
                let on = if *is_rows { ReadOn::Rows } else { ReadOn::Keys };
                (ByteRange::between(&[*start], &[start + len]), on)
            };
            let mut reads: Vec<_> = ranges.iter().map(range).collect();
            reads.sort();
            let is_hit = |range: &ByteRange, on: ReadOn| commit.changes().any(|(key, change)| {
                range.contains(key) && (on == ReadOn::Rows || *change != Change::Touch)
            });
            let expected = reads.iter().any(|(range, on)| is_hit(range, *on));
            prop_assert_eq!(CommitKeys::of(&commit).concern_reader(&ReadRanges::of(reads.iter())), expected);
        }
    }
}
