//! What a transaction read: byte ranges, trimmed to what was consumed.

use crate::{
    encoding::{ByteRange, KEYSPACE_BYTES, Key, byte_range::RangeEnd},
    error::FaultKind,
};

/// How many ranges a query depends on at most. A query that reads more depends on larger ranges that cover them: the
/// ranges with the smallest gaps between them become one, within their keyspace. It is then evaluated for some commits
/// that do not concern it, and misses none. (A keyspace keeps one range at least.)
pub(crate) const MAX_READ_RANGES: usize = 4_096;

/// What about the keys in a range a reader looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ReadOn {
    /// Which keys there are. A row that changes under an index key that stays is of no concern.
    Keys,
    /// The keys, and the rows behind them.
    Rows,
}

/// The byte ranges that a transaction depends on, in the order in which it read them.
///
/// Memory is bounded, also while the set is collected: see [`MAX_READ_RANGES`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReadSet {
    ranges: Vec<(ByteRange, ReadOn)>,
    has_failed: bool,
}

impl ReadSet {
    /// Adds one key, whether it is there or not.
    pub(crate) fn add_key(&mut self, key: &Key) {
        self.add(ByteRange::point(key), ReadOn::Rows);
    }

    /// Adds a range.
    pub(crate) fn add(&mut self, range: ByteRange, on: ReadOn) {
        self.ranges.push((range, on));
        if self.ranges.len() >= 2 * MAX_READ_RANGES {
            self.compact();
        }
    }

    /// A read failed, and nobody knows what would have been read: every commit concerns the reader. With a fault that may
    /// go away by itself, so does the time that passes.
    pub(crate) fn add_failure(&mut self, kind: FaultKind) {
        self.ranges.push((ByteRange::starting_at(&[]), ReadOn::Rows));
        self.has_failed |= matches!(kind, FaultKind::Transient | FaultKind::Full);
    }

    /// Whether a read failed that may work when it is tried again.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Brings equal sets to equal form: sorted, each range once, not too many of them.
    pub(crate) fn normalised(mut self) -> Self {
        self.compact();
        self
    }

    /// Every range, in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &(ByteRange, ReadOn)> {
        self.ranges.iter()
    }

    /// Every range, in order.
    pub(crate) fn as_slice(&self) -> &[(ByteRange, ReadOn)] {
        &self.ranges
    }

    fn compact(&mut self) {
        self.ranges.sort_unstable();
        self.ranges.dedup();
        if self.ranges.len() <= MAX_READ_RANGES {
            return;
        }
        let all = std::mem::take(&mut self.ranges);
        let (rows, keys): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, on)| *on == ReadOn::Rows);
        for (ranges, on) in [(keys, ReadOn::Keys), (rows, ReadOn::Rows)] {
            let ranges = covering(ranges.into_iter().map(|(range, _)| range), MAX_READ_RANGES / 2);
            self.ranges.extend(ranges.into_iter().map(|range| (range, on)));
        }
        self.ranges.sort_unstable();
    }
}

/// At most `limit` ranges that cover `ranges`, which are sorted; more where the ranges lie in more keyspaces.
fn covering(ranges: impl Iterator<Item = ByteRange>, limit: usize) -> Vec<ByteRange> {
    let united = join(ranges, |last, next| last.end().is_after(next.start()));
    let Some(excess) = united.len().checked_sub(limit).filter(|excess| *excess > 0) else { return united };
    let mut gaps: Vec<u128> = united.windows(2).filter_map(|pair| gap(&pair[0], &pair[1])).collect();
    if gaps.len() <= excess {
        return join(united.into_iter(), |last, next| gap(last, next).is_some());
    }
    let (smaller, widest, _) = gaps.select_nth_unstable(excess - 1);
    let widest = *widest;
    // Of the gaps that are as wide as the widest one to be closed, only some are.
    let mut equal = excess - smaller.iter().filter(|gap| **gap < widest).count();
    join(united.into_iter(), |last, next| match gap(last, next) {
        Some(gap) if gap == widest && equal > 0 => {
            equal -= 1;
            true
        }
        Some(gap) => gap < widest,
        None => false,
    })
}

/// Joins neighbours of sorted ranges where `is_joined` says so.
fn join(
    ranges: impl Iterator<Item = ByteRange>,
    mut is_joined: impl FnMut(&ByteRange, &ByteRange) -> bool,
) -> Vec<ByteRange> {
    let mut joined: Vec<ByteRange> = Vec::new();
    for next in ranges {
        match joined.last_mut() {
            Some(last) if is_joined(last, &next) => {
                if next.end() > last.end() {
                    *last = match next.end() {
                        RangeEnd::Before(end) => ByteRange::between(last.start(), end),
                        RangeEnd::Unbounded => ByteRange::starting_at(last.start()),
                    };
                }
            }
            Some(_) | None => joined.push(next),
        }
    }
    joined
}

/// How far a range ends before the next one starts, by the first bytes after the keyspace; `None` where they lie in
/// different keyspaces.
fn gap(last: &ByteRange, next: &ByteRange) -> Option<u128> {
    let (start, next_start) = (last.start(), next.start());
    let keyspace = start.get(..KEYSPACE_BYTES)?;
    let RangeEnd::Before(end) = last.end() else { return None };
    let is_within = next_start.starts_with(keyspace) && end.starts_with(keyspace);
    is_within.then(|| number(&next_start[KEYSPACE_BYTES..]).saturating_sub(number(&end[KEYSPACE_BYTES..])))
}

/// The first bytes as a number, as if zeros followed.
fn number(bytes: &[u8]) -> u128 {
    let mut first = [0; size_of::<u128>()];
    let len = bytes.len().min(first.len());
    first[..len].copy_from_slice(&bytes[..len]);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: u32 = 16;

    fn key(keyspace: u32, id: u64) -> Key {
        Key::from_slice(&[&keyspace.to_be_bytes()[..], &id.to_be_bytes()].concat())
    }

    fn contains(reads: &ReadSet, key: &Key) -> bool {
        reads.iter().any(|(range, _)| range.contains(key))
    }

    #[test]
    fn a_set_within_the_bound_is_exact() {
        let mut reads = ReadSet::default();
        for round in 0..3 {
            (0..4_000).for_each(|id| reads.add_key(&key(ROWS, 3 * id)));
            assert!(reads.ranges.len() <= 2 * MAX_READ_RANGES, "round {round}");
        }
        let reads = reads.normalised();
        assert_eq!(reads.iter().len(), 4_000);
        assert!(!contains(&reads, &key(ROWS, 1)));
    }

    #[test]
    fn a_set_that_grows_past_the_bound_covers_all_it_had_and_closes_small_gaps_first() {
        let mut reads = ReadSet::default();
        // Dense clusters with wide gaps between them, read in a scattered order.
        let ids = (0..100_000u64).map(|at| at * 37_199 % 100_000).map(|at| at / 1_000 * 1_000_000 + at % 1_000 * 2);
        for id in ids.clone() {
            reads.add_key(&key(ROWS, id));
            assert!(reads.ranges.len() <= 2 * MAX_READ_RANGES);
        }
        let reads = reads.normalised();
        assert!(reads.iter().len() <= MAX_READ_RANGES);
        assert!(ids.into_iter().all(|id| contains(&reads, &key(ROWS, id))));
        assert!((0..99).all(|cluster| !contains(&reads, &key(ROWS, cluster * 1_000_000 + 500_000))));
    }

    #[test]
    fn ranges_of_different_keyspaces_are_never_joined() {
        let mut reads = ReadSet::default();
        for at in 0..10_000u64 {
            reads.add_key(&key(ROWS + (at % 5) as u32 * 2, at * 10));
        }
        let reads = reads.normalised();
        assert!(reads.iter().len() <= MAX_READ_RANGES);
        assert!((0..5).all(|table| !contains(&reads, &key(ROWS + table * 2 + 1, 500))));
    }

    #[test]
    fn readers_of_keys_stay_readers_of_keys() {
        let mut reads = ReadSet::default();
        for at in 0..6_000u64 {
            reads.add(ByteRange::point(&key(ROWS, 5 * at)), ReadOn::Keys);
            reads.add_key(&key(ROWS + 1, 5 * at));
        }
        let reads = reads.normalised();
        let on = |keyspace: u32| {
            let of_keyspace = reads.iter().filter(move |(range, _)| range.contains(&key(keyspace, 0)));
            of_keyspace.map(|(_, on)| *on).collect::<Vec<_>>()
        };
        assert_eq!((on(ROWS), on(ROWS + 1)), (vec![ReadOn::Keys], vec![ReadOn::Rows]));
    }
}
