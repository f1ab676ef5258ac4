//! [`DeletionRun`]: deletions that a scan has met one after the other.

use super::{empty_ranges::after, order::Order};
use crate::encoding::Key;

/// A run of at least so many deletions is noted, and any that goes on behind one that was.
const NOTED_RUN: usize = 4;

/// Deletions that followed each other with nothing alive in between.
pub(super) struct DeletionRun {
    low: Key,
    high: Key,
    /// Whether `high` is a deleted key; otherwise it is the first key after the run.
    is_high_deleted: bool,
    deletions: usize,
    has_jumped: bool,
    has_own: bool,
}

impl DeletionRun {
    /// A run that begins at a key which was met.
    pub(super) fn at(key: &Key) -> Self {
        let (low, high) = (key.clone(), key.clone());
        Self { low, high, is_high_deleted: true, deletions: 0, has_jumped: false, has_own: false }
    }

    /// A run of an ascending scan that has met nothing else since it began at `start`.
    pub(super) fn from_start(start: Key, key: &Key) -> Self {
        Self { low: start, ..Self::at(key) }
    }

    /// A run of a descending scan that has met nothing else since it began before `end`.
    pub(super) fn before_end(end: Key, key: &Key) -> Self {
        Self { high: end, is_high_deleted: false, ..Self::at(key) }
    }

    /// A range that is known to be empty, from `low` up to, not with, `high`.
    pub(super) fn known(low: Key, high: Key) -> Self {
        Self { low, high, is_high_deleted: false, deletions: 0, has_jumped: true, has_own: false }
    }

    /// Goes on with a deleted key.
    pub(super) fn add(&mut self, key: Key, order: Order, is_own: bool) {
        self.deletions += 1;
        self.has_own |= is_own;
        match order {
            Order::Ascending => (self.high, self.is_high_deleted) = (key, true),
            Order::Descending => self.low = key,
        }
    }

    /// Goes on behind a range that is known to be empty. Where the scan came from, the run does not grow: keys of the
    /// transaction's own may be alive there.
    pub(super) fn jump(&mut self, start: Key, end: Key, order: Order) {
        self.has_jumped = true;
        match order {
            Order::Ascending if end > self.high => (self.high, self.is_high_deleted) = (end, false),
            Order::Descending if start < self.low => self.low = start,
            Order::Ascending | Order::Descending => {}
        }
    }

    /// Whether one of the deletions is the transaction's own.
    pub(super) fn has_own(&self) -> bool {
        self.has_own
    }

    /// The range to be noted as empty: its first key and the first key after it. `None` if it is too short to be worth
    /// it.
    pub(super) fn range(self) -> Option<(Key, Key)> {
        let is_worth_it = self.deletions >= NOTED_RUN || (self.has_jumped && self.deletions > 0);
        is_worth_it.then(|| (self.low, if self.is_high_deleted { after(&self.high) } else { self.high }))
    }
}
