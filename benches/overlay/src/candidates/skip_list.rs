//! (b): a concurrent skip list with versions in its keys, the newest of a key first.

use std::{
    cmp::Reverse,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crossbeam_skiplist::{SkipMap, map::Entry};

use super::{Change, Order, Overlay, Scan, Snapshot, Value};
use crate::key::Key;

type Versioned = (Key, Reverse<u64>);

/// A skip list. No lock; memory is freed in epochs.
#[derive(Default)]
pub struct SkipList {
    entries: SkipMap<Versioned, Value>,
    visible: AtomicU64,
}

impl Overlay for SkipList {
    type Snapshot = SkipSnapshot;

    const NAME: &'static str = "b skip list";

    fn commit(&self, ts: u64, changes: &[Change]) {
        for (key, value) in changes {
            self.entries.insert((key.clone(), Reverse(ts)), value.clone());
        }
        self.visible.store(ts, Ordering::Release);
    }

    fn snapshot(self: &Arc<Self>) -> SkipSnapshot {
        SkipSnapshot { list: Arc::clone(self), ts: self.visible.load(Ordering::Acquire) }
    }
}

/// A number.
pub struct SkipSnapshot {
    list: Arc<SkipList>,
    ts: u64,
}

impl SkipSnapshot {
    fn newest<'a>(&'a self, key: &Key) -> Option<Entry<'a, Versioned, Value>> {
        let found = self.list.entries.lower_bound(Bound::Included(&(key.clone(), Reverse(self.ts))))?;
        (found.key().0 == *key).then_some(found)
    }
}

impl Snapshot for SkipSnapshot {
    type Scan<'a> = SkipScan<'a>;

    fn get<R>(&self, key: &Key, read: impl FnOnce(Option<&[u8]>) -> R) -> Option<R> {
        self.newest(key).map(|entry| read(entry.value().as_deref()))
    }

    fn scan(&self, start: &Key, end: &Key, order: Order) -> SkipScan<'_> {
        let at = match order {
            Order::Ascending => self.list.entries.lower_bound(Bound::Included(&(start.clone(), Reverse(u64::MAX)))),
            Order::Descending => self.list.entries.upper_bound(Bound::Excluded(&(end.clone(), Reverse(u64::MAX)))),
        };
        SkipScan { snapshot: self, at, current: None, start: start.clone(), end: end.clone(), order }
    }
}

/// A walk from entry to entry.
pub struct SkipScan<'a> {
    snapshot: &'a SkipSnapshot,
    at: Option<Entry<'a, Versioned, Value>>,
    current: Option<Entry<'a, Versioned, Value>>,
    start: Key,
    end: Key,
    order: Order,
}

impl SkipScan<'_> {
    /// The newest visible version at or after the place, which then lies behind all versions of that key.
    fn find_ascending(&mut self) -> Option<()> {
        loop {
            let entry = self.at.take()?;
            let (key, Reverse(ts)) = entry.key();
            if *key >= self.end {
                return None;
            }
            let last = self.current.as_ref().is_some_and(|current| current.key().0 == *key);
            self.at = entry.next();
            if !last && *ts <= self.snapshot.ts {
                self.current = Some(entry);
                return Some(());
            }
        }
    }

    /// The same backwards: the oldest version of a key comes first, so the visible one is the last that is old enough.
    fn find_descending(&mut self) -> Option<()> {
        let mut best: Option<Entry<'_, Versioned, Value>> = None;
        while let Some(entry) = self.at.take() {
            let (key, Reverse(ts)) = entry.key();
            if *key < self.start || best.as_ref().is_some_and(|best| best.key().0 != *key) {
                self.at = Some(entry);
                break;
            }
            self.at = entry.prev();
            if *ts <= self.snapshot.ts {
                best = Some(entry);
            }
        }
        self.current = Some(best?);
        Some(())
    }
}

impl Scan for SkipScan<'_> {
    fn next(&mut self) -> Option<(&[u8], &Value)> {
        match self.order {
            Order::Ascending => self.find_ascending()?,
            Order::Descending => self.find_descending()?,
        }
        self.current.as_ref().map(|entry| (entry.key().0.local(), entry.value()))
    }
}
