//! (c): a `BTreeMap` from keys to their versions, under one lock that is held for a few entries at a time.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;

use super::{
    Change, Order, Overlay, Scan, Snapshot, Value,
    versions::{Versions, stamp},
};
use crate::key::{Key, TreeKey, WordKey};

/// Changes that are made without giving up the lock.
pub const CHANGES_AT_ONCE: usize = 64;
const FIRST_ENTRIES: usize = 8;
const MOST_ENTRIES: usize = 64;
/// Entries that are looked at without giving up the lock, if most of them are too new.
const MOST_LOOKS: usize = 256;

/// The map under its lock, shared. Commits that are not visible yet may be in it.
#[derive(Clone)]
pub struct Tree<K> {
    entries: Arc<RwLock<BTreeMap<K, Versions>>>,
}

impl<K: TreeKey> Default for Tree<K> {
    fn default() -> Self {
        Self { entries: Arc::default() }
    }
}

impl<K: TreeKey> Tree<K> {
    /// Adds versions, a few at a time.
    pub fn apply(&self, ts: u64, changes: &[Change]) {
        let ts = stamp(ts);
        for changes in changes.chunks(CHANGES_AT_ONCE) {
            let mut entries = self.entries.write();
            for (key, value) in changes {
                match entries.entry(K::of(key)) {
                    Entry::Vacant(entry) => {
                        entry.insert(Versions::new(ts, value.clone()));
                    }
                    Entry::Occupied(mut entry) => entry.get_mut().push(ts, value.clone()),
                }
            }
        }
    }

    /// The version of a key that is visible at `ts`, and its own.
    pub fn get(&self, key: &Key, ts: u64) -> Option<(u64, Value)> {
        let entries = self.entries.read();
        entries.get(&K::of(key))?.at(ts).map(|(ts, value)| (ts, value.clone()))
    }

    /// A walk over what is visible at `ts`.
    pub fn scan(&self, ts: u64, start: &Key, end: Bound<&Key>, order: Order) -> TreeScan<K> {
        TreeScan {
            tree: self.clone(),
            ts,
            order,
            start: Bound::Included(K::of(start)),
            end: end.map(K::of),
            buffer: Vec::new(),
            at: 0,
            size: FIRST_ENTRIES,
            is_last: false,
        }
    }
}

/// A walk that copies a few entries at a time out of the tree.
pub struct TreeScan<K> {
    tree: Tree<K>,
    ts: u64,
    order: Order,
    /// What is left to be copied.
    start: Bound<K>,
    end: Bound<K>,
    buffer: Vec<(K, u64, Value)>,
    at: usize,
    size: usize,
    is_last: bool,
}

impl<K: TreeKey> TreeScan<K> {
    fn refill(&mut self) {
        self.buffer.clear();
        self.at = 0;
        self.buffer.reserve(self.size);
        let entries = self.tree.entries.read();
        // The far end is compared with each key, which costs less than to look for it in the tree.
        let mut range = match self.order {
            Order::Ascending => entries.range((self.start.as_ref(), Bound::Unbounded)),
            Order::Descending => entries.range((Bound::Unbounded, self.end.as_ref())),
        };
        let mut last = None;
        self.is_last = true;
        for looks in 0..MOST_LOOKS {
            let entry = match self.order {
                Order::Ascending => range.next(),
                Order::Descending => range.next_back(),
            };
            let Some((key, versions)) = entry.filter(|(key, _)| self.is_within(key)) else { break };
            last = Some(key);
            if let Some((ts, value)) = versions.at(self.ts) {
                self.buffer.push((key.clone(), ts, value.clone()));
            }
            if self.buffer.len() == self.size || looks + 1 == MOST_LOOKS {
                self.is_last = false;
                break;
            }
        }
        if let Some(last) = last.filter(|_| !self.is_last).cloned() {
            match self.order {
                Order::Ascending => self.start = Bound::Excluded(last),
                Order::Descending => self.end = Bound::Excluded(last),
            }
        }
        self.size = (self.size * 2).min(MOST_ENTRIES);
    }

    /// The next entry with its version.
    pub fn step(&mut self) -> Option<(&K, u64, &Value)> {
        while self.at == self.buffer.len() {
            if self.is_last {
                return None;
            }
            self.refill();
        }
        self.at += 1;
        self.buffer.get(self.at - 1).map(|(key, ts, value)| (key, *ts, value))
    }

    /// Whether a key lies before the far end.
    fn is_within(&self, key: &K) -> bool {
        match (self.order, &self.start, &self.end) {
            (Order::Ascending, _, Bound::Excluded(end)) => key < end,
            (Order::Descending, Bound::Included(start), _) => key >= start,
            (Order::Ascending | Order::Descending, ..) => true,
        }
    }
}

impl<K: TreeKey> Scan for TreeScan<K> {
    fn next(&mut self) -> Option<(&[u8], &Value)> {
        self.step().map(|(key, _, value)| (key.local(), value))
    }
}

/// One tree for all keyspaces.
pub struct OneTree<K> {
    tree: Tree<K>,
    visible: AtomicU64,
}

impl<K: TreeKey> Default for OneTree<K> {
    fn default() -> Self {
        Self { tree: Tree::default(), visible: AtomicU64::new(0) }
    }
}

/// A number.
pub struct TreeSnapshot<K> {
    overlay: Arc<OneTree<K>>,
    ts: u64,
}

macro_rules! one_tree {
    ($key:ty, $name:literal) => {
        impl Overlay for OneTree<$key> {
            type Snapshot = TreeSnapshot<$key>;

            const NAME: &'static str = $name;

            fn commit(&self, ts: u64, changes: &[Change]) {
                self.tree.apply(ts, changes);
                self.visible.store(ts, Ordering::Release);
            }

            fn snapshot(self: &Arc<Self>) -> Self::Snapshot {
                TreeSnapshot { overlay: Arc::clone(self), ts: self.visible.load(Ordering::Acquire) }
            }
        }
    };
}

one_tree!(Key, "c versioned tree");
one_tree!(WordKey, "c2 c, keys compared in words");

impl<K: TreeKey> Snapshot for TreeSnapshot<K> {
    type Scan<'a> = TreeScan<K>;

    fn get<R>(&self, key: &Key, read: impl FnOnce(Option<&[u8]>) -> R) -> Option<R> {
        self.overlay.tree.get(key, self.ts).map(|(_, value)| read(value.as_deref()))
    }

    fn scan(&self, start: &Key, end: &Key, order: Order) -> TreeScan<K> {
        self.overlay.tree.scan(self.ts, start, Bound::Excluded(end), order)
    }
}
