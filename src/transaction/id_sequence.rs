//! [`IdSequence`]: which ids of a table were given out, or may have been.
//!
//! An id counts as given when its transaction commits, and a nested part that is rolled back leaves a gap. The ids of a
//! transaction that failed as a whole, which nobody else has seen, come again. What is stored of a table is the id that comes
//! next, in the commit of the rows, under the table's name: so it outlives the table.
//!
//! A commit that is shown before it is durable can be lost after somebody has seen its ids. Such ids come from a range
//! that was reserved durably before: where it ends is stored as well, and an opening that finds a range goes on
//! behind it. A commit that needs ids from behind the range is not shown before it is durable. Any commit reserves the
//! next range in passing when half of the last one is used up, so this rarely happens. A clean close gives back what is
//! left of the range.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::{
    encoding::{Key, KeyWriter},
    error::StorageError,
    storage::{Change, Snapshot},
};

/// Reserved keyspace: the next id of each table.
const NEXT_ID_KEYSPACE: u32 = 1;
/// Reserved keyspace: where the range of each table ends that is reserved.
const RESERVED_IDS_KEYSPACE: u32 = 3;
/// How many ids a range has where commits are durable before they are shown: enough for a relaxed call now and then.
const DURABLE_RANGE: u64 = 32;
/// How many ids the first range has that is for commits which are shown earlier. Ranges that are used up before they are
/// durable grow.
const SMALLEST_RANGE: u64 = 128;
const LARGEST_RANGE: u64 = 1 << 20;

/// The ids of one table. Only whoever holds the write lock gives any out.
pub(super) struct IdSequence {
    /// Where the next id is stored.
    key: Key,
    /// Where the end of the range is stored.
    reserved_key: Key,
    /// `None` until it is read.
    ids: Mutex<Option<Ids>>,
}

#[derive(Debug, Clone, Copy)]
struct Ids {
    next: u64,
    /// The next id after the last transaction that committed.
    settled: u64,
    /// Ids below this one may be seen before their commit is durable; 0 where no range was needed yet.
    reserved: u64,
    /// A reservation that was committed and may not be durable yet, with its commit.
    pending: Option<(u64, u64)>,
    /// How many ids the next range has that is for commits which are shown before they are durable.
    range: u64,
    /// Whether a commit was shown before it was durable.
    was_early: bool,
    /// What the commit under way stores.
    recorded: StoredIds,
    /// What is stored.
    stored: StoredIds,
}

/// The stored state of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StoredIds {
    next: u64,
    /// Where the reserved range ends, if there is one.
    reserved: Option<u64>,
}

/// How a commit is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Showing {
    /// Whether it is shown before it is durable.
    pub(super) is_early: bool,
    /// The newest durable commit.
    pub(super) durable_ts: u64,
}

/// What a commit stores of a sequence.
pub(super) struct IdRecord {
    pub(super) next: (Key, Arc<[u8]>),
    /// Where the reserved range ends, if that has moved.
    pub(super) reserved: Option<(Key, Arc<[u8]>)>,
    /// Whether the ids that it gives out are in no durable range, so that nobody may see it before it is durable.
    pub(super) must_be_durable: bool,
}

impl IdSequence {
    /// That of the table with this name.
    pub(super) fn of_table(name: &str) -> Self {
        let reserved_key = key_of(RESERVED_IDS_KEYSPACE, name);
        Self { key: id_sequence_key(name), reserved_key, ids: Mutex::new(None) }
    }

    /// The id that comes next, or `None` if there is none left.
    pub(super) fn next(&self, snapshot: &Snapshot) -> Result<Option<u64>, StorageError> {
        let mut ids = self.ids.lock();
        let ids = match &mut *ids {
            Some(ids) => ids,
            none => none.insert(Ids::read(snapshot, &self.key, &self.reserved_key)?),
        };
        Ok(Some(ids.next).filter(|next| *next < u64::MAX))
    }

    /// Notes that an id is given out.
    pub(super) fn give(&self, id: u64) {
        if let Some(ids) = &mut *self.ids.lock() {
            ids.next = id + 1;
        }
    }

    /// Takes back what a transaction was given that failed. Only for whoever holds the write lock.
    pub(super) fn take_back(&self) {
        if let Some(ids) = &mut *self.ids.lock() {
            ids.next = ids.settled;
        }
    }

    /// What a commit stores that gives out ids; `None` if none were ever asked for.
    pub(super) fn record(&self, showing: Showing) -> Option<IdRecord> {
        let mut ids = self.ids.lock();
        let ids = ids.as_mut()?;
        let must_be_durable = ids.record(showing);
        let next = (self.key.clone(), number(ids.recorded.next));
        let moved = ids.recorded.reserved.filter(|_| ids.recorded.reserved != ids.stored.reserved);
        let reserved = moved.map(|reserved| (self.reserved_key.clone(), number(reserved)));
        Some(IdRecord { next, reserved, must_be_durable })
    }

    /// Notes that what [`record`](Self::record) answered last is committed.
    pub(super) fn committed(&self, ts: u64) {
        if let Some(ids) = &mut *self.ids.lock() {
            ids.committed(ts);
        }
    }

    /// Gives back what is left of the range, and answers what is to be stored. A small range alone is not worth a commit,
    /// unless `is_thorough`.
    pub(super) fn finish(&self, is_thorough: bool) -> Vec<(Key, Change)> {
        let mut ids = self.ids.lock();
        let Some(ids) = ids.as_mut() else { return Vec::new() };
        let last = StoredIds { next: ids.next, reserved: None };
        if ids.stored == last || !is_thorough && !ids.was_early && ids.stored.next == ids.next {
            return Vec::new();
        }
        (ids.reserved, ids.pending, ids.recorded) = (0, None, last);
        vec![(self.key.clone(), Change::Put(number(last.next))), (self.reserved_key.clone(), Change::Delete)]
    }
}

impl Ids {
    fn read(snapshot: &Snapshot, key: &Key, reserved_key: &Key) -> Result<Self, StorageError> {
        let next = snapshot.get(key, number_of)?.unwrap_or(1);
        let stored = StoredIds { next, reserved: snapshot.get(reserved_key, number_of)? };
        // A range that was not given back: some of its ids may have been seen.
        let next = stored.reserved.map_or(stored.next, |reserved| reserved.max(stored.next));
        let range = SMALLEST_RANGE;
        Ok(Self { next, settled: next, reserved: 0, pending: None, range, was_early: false, recorded: stored, stored })
    }

    /// Decides what is stored. The answer is whether the commit must be durable before it is shown.
    fn record(&mut self, showing: Showing) -> bool {
        if let Some((reserved, ts)) = self.pending
            && ts <= showing.durable_ts
        {
            (self.reserved, self.pending) = (reserved, None);
        }
        let must_be_durable = self.next > self.reserved;
        let mut reserved = self.pending.map_or(self.reserved, |(reserved, _)| reserved.max(self.reserved));
        if showing.is_early && must_be_durable && reserved > 0 {
            self.range = (self.range * 2).min(LARGEST_RANGE);
        }
        self.was_early |= showing.is_early;
        let range = if showing.is_early { self.range } else { DURABLE_RANGE };
        if reserved < self.next.saturating_add(range / 2) {
            reserved = self.next.saturating_add(range);
        }
        self.recorded = StoredIds { next: self.next, reserved: Some(reserved).filter(|end| *end > self.next) };
        must_be_durable
    }

    fn committed(&mut self, ts: u64) {
        (self.stored, self.settled) = (self.recorded, self.next);
        match self.recorded.reserved {
            Some(reserved) if reserved > self.reserved && self.pending.is_none_or(|(end, _)| end < reserved) => {
                self.pending = Some((reserved, ts));
            }
            Some(_) | None => {}
        }
    }
}

/// The stored form of a number.
fn number(number: u64) -> Arc<[u8]> {
    number.to_le_bytes().as_slice().into()
}

/// The number with this stored form. After anything else there is no id left to give.
fn number_of(value: &[u8]) -> u64 {
    value.first_chunk::<8>().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
}

/// Where the next id of a table is stored.
pub(super) fn id_sequence_key(table: &str) -> Key {
    key_of(NEXT_ID_KEYSPACE, table)
}

fn key_of(keyspace: u32, table: &str) -> Key {
    let mut key = KeyWriter::new(keyspace);
    key.push(table.as_bytes());
    key.finish()
}

/// How many ids a stored next id says were given out.
pub(super) fn ids_given(value: &[u8]) -> u64 {
    number_of(value).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Ids {
        let stored = StoredIds { next: 1, reserved: None };
        let range = SMALLEST_RANGE;
        Ids { next: 1, settled: 1, reserved: 0, pending: None, range, was_early: false, recorded: stored, stored }
    }

    fn early(durable_ts: u64) -> Showing {
        Showing { is_early: true, durable_ts }
    }

    /// Gives out an id in each of so many commits, of which each `flushed_every`-th makes all before it durable; returns
    /// how many had to be durable before they were shown.
    fn commits_that_waited(ids: &mut Ids, commits: u64, flushed_every: u64) -> usize {
        let mut durable_ts = 0;
        let waits = |ts: &u64| {
            ids.next += 1;
            let must_be_durable = ids.record(early(durable_ts));
            ids.committed(*ts);
            if must_be_durable || ts.is_multiple_of(flushed_every) {
                durable_ts = *ts;
            }
            must_be_durable
        };
        (1..=commits).filter(waits).count()
    }

    #[test]
    fn only_the_first_commit_waits_where_ranges_become_durable_in_time() {
        assert_eq!(commits_that_waited(&mut ids(), 100_000, 50), 1);
    }

    #[test]
    fn ranges_grow_where_they_are_used_up_before_they_are_durable() {
        let waited = commits_that_waited(&mut ids(), 1_000_000, 20_000);
        assert!((2..20).contains(&waited), "{waited} commits waited");
    }

    #[test]
    fn durable_commits_reserve_a_small_range_for_those_that_are_shown_earlier() {
        let mut ids = ids();
        ids.next = 8;
        assert!(ids.record(Showing { is_early: false, durable_ts: 0 }));
        assert_eq!(ids.recorded, StoredIds { next: 8, reserved: Some(8 + DURABLE_RANGE) });
        ids.committed(1);
        ids.next = 9;
        assert!(!ids.record(early(1)), "the range is durable");
    }
}
