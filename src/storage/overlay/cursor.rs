//! [`OverlayCursor`]: a walk over the overlay as a snapshot sees it.

use std::{ops::Bound, sync::Arc};

use super::{ENTRIES_PER_LOCK, Keyspace, Overlay, Value};
use crate::{encoding::Key, storage::order::Order};

/// Entries that a cursor takes at first; it doubles the number with each batch, up to the other one.
const FIRST_BATCH: usize = 8;
const LARGEST_BATCH: usize = 64;

/// The entries of a range of one keyspace as a snapshot sees them, from either end. Takes some at a time, and holds no
/// lock in between.
pub(in crate::storage) struct OverlayCursor {
    keyspace: Arc<Keyspace>,
    ts: u64,
    order: Order,
    /// What is left of the range outside of the batch.
    start: Bound<Key>,
    end: Key,
    /// The nearest last.
    batch: Vec<(Key, Value)>,
    batch_size: usize,
    is_exhausted: bool,
}

impl OverlayCursor {
    /// The entries from `start` on and before `end`; `None` if the overlay has nothing in that keyspace.
    pub(in crate::storage) fn new(overlay: &Overlay, ts: u64, start: &Key, end: &Key, order: Order) -> Option<Self> {
        let mut cursor = Self {
            keyspace: overlay.keyspace(start.keyspace())?,
            ts,
            order,
            start: Bound::Included(start.clone()),
            end: end.clone(),
            batch: Vec::new(),
            batch_size: FIRST_BATCH,
            is_exhausted: false,
        };
        cursor.refill();
        Some(cursor)
    }

    /// The nearest entry.
    pub(in crate::storage) fn peek(&self) -> Option<(&Key, &Value)> {
        self.batch.last().map(|(key, value)| (key, value))
    }

    /// Takes the nearest entry and goes on to the next.
    pub(in crate::storage) fn next(&mut self) -> Option<(Key, Value)> {
        let next = self.batch.pop();
        if self.batch.is_empty() {
            self.refill();
        }
        next
    }

    /// Passes over everything between two keys: goes on at `end`, or before `start` if descending.
    pub(in crate::storage) fn skip(&mut self, start: &Key, end: &Key) {
        match self.order {
            Order::Ascending => {
                self.batch.retain(|(key, _)| key >= end);
                if self.batch.is_empty() && !self.is_exhausted {
                    self.start = Bound::Included(end.clone());
                }
            }
            Order::Descending => {
                self.batch.retain(|(key, _)| key < start);
                if self.batch.is_empty() && !self.is_exhausted {
                    self.end = self.end.clone().min(start.clone());
                }
            }
        }
        if self.batch.is_empty() {
            self.refill();
        }
    }

    fn refill(&mut self) {
        while self.batch.is_empty() && !self.is_exhausted {
            self.take_batch();
        }
        self.batch_size = (self.batch_size * 2).min(LARGEST_BATCH);
    }

    /// Looks at a bounded number of entries under the lock and keeps those that the snapshot sees.
    fn take_batch(&mut self) {
        let is_crossed = match &self.start {
            Bound::Included(start) | Bound::Excluded(start) => *start >= self.end,
            Bound::Unbounded => false,
        };
        // A range of a BTreeMap with its ends crossed panics.
        if is_crossed {
            self.is_exhausted = true;
            return;
        }
        let entries = self.keyspace.entries.read();
        let mut range = entries.range::<Key, _>((self.start.as_ref(), Bound::Excluded(&self.end)));
        let mut last = None;
        let mut looked_at = 0;
        while looked_at < ENTRIES_PER_LOCK && self.batch.len() < self.batch_size {
            let next = match self.order {
                Order::Ascending => range.next(),
                Order::Descending => range.next_back(),
            };
            let Some((key, versions)) = next else {
                self.is_exhausted = true;
                break;
            };
            looked_at += 1;
            #[cfg(test)]
            crate::storage::steps::count();
            last = Some(key);
            if let Some(value) = versions.at(self.ts) {
                self.batch.push((key.clone(), value.clone()));
            }
        }
        if let Some(last) = last.filter(|_| !self.is_exhausted) {
            match self.order {
                Order::Ascending => self.start = Bound::Excluded(last.clone()),
                Order::Descending => self.end = last.clone(),
            }
        }
        drop(entries);
        self.batch.reverse();
    }
}
