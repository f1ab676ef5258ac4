//! (f): a versioned tree for each keyspace, under a lock of its own. Rows are kept by number, other keys without their
//! keyspace.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;

use super::{
    Change, Order, Overlay, Scan, Snapshot, Value,
    tree::{Tree, TreeScan},
};
use crate::key::{FIRST_KEYSPACE, INDEX_KEYSPACE, Key, LocalKey, RowKey};

/// Trees by keyspace.
#[derive(Default)]
pub struct Spaces {
    spaces: RwLock<BTreeMap<u32, Space>>,
    visible: AtomicU64,
}

#[derive(Clone)]
enum Space {
    Rows(Tree<RowKey>),
    Others(Tree<LocalKey>),
}

impl Space {
    fn new(keyspace: u32) -> Self {
        match keyspace {
            FIRST_KEYSPACE..INDEX_KEYSPACE => Self::Rows(Tree::default()),
            _ => Self::Others(Tree::default()),
        }
    }

    fn apply(&self, ts: u64, changes: &[Change]) {
        match self {
            Self::Rows(tree) => tree.apply(ts, changes),
            Self::Others(tree) => tree.apply(ts, changes),
        }
    }
}

impl Overlay for Spaces {
    type Snapshot = SpacesSnapshot;

    const NAME: &'static str = "f tree per keyspace";

    fn commit(&self, ts: u64, changes: &[Change]) {
        for changes in changes.chunk_by(|(one, _), (other, _)| one.keyspace() == other.keyspace()) {
            let keyspace = changes[0].0.keyspace();
            let spaces = self.spaces.read();
            if let Some(space) = spaces.get(&keyspace) {
                space.apply(ts, changes);
                continue;
            }
            drop(spaces);
            self.spaces.write().entry(keyspace).or_insert_with(|| Space::new(keyspace)).apply(ts, changes);
        }
        self.visible.store(ts, Ordering::Release);
    }

    fn snapshot(self: &Arc<Self>) -> SpacesSnapshot {
        SpacesSnapshot { overlay: Arc::clone(self), ts: self.visible.load(Ordering::Acquire) }
    }
}

/// A number.
pub struct SpacesSnapshot {
    overlay: Arc<Spaces>,
    ts: u64,
}

impl Snapshot for SpacesSnapshot {
    type Scan<'a> = SpaceScan;

    fn get<R>(&self, key: &Key, read: impl FnOnce(Option<&[u8]>) -> R) -> Option<R> {
        let found = match self.overlay.spaces.read().get(&key.keyspace())? {
            Space::Rows(tree) => tree.get(key, self.ts),
            Space::Others(tree) => tree.get(key, self.ts),
        };
        found.map(|(_, value)| read(value.as_deref()))
    }

    fn scan(&self, start: &Key, end: &Key, order: Order) -> SpaceScan {
        // The end may be where the next keyspace begins.
        let end_bound = if end.keyspace() == start.keyspace() { Bound::Excluded(end) } else { Bound::Unbounded };
        match self.overlay.spaces.read().get(&start.keyspace()) {
            None => SpaceScan::Nothing,
            Some(Space::Rows(tree)) => SpaceScan::Rows(tree.scan(self.ts, start, end_bound, order)),
            Some(Space::Others(tree)) => SpaceScan::Others(tree.scan(self.ts, start, end_bound, order)),
        }
    }
}

/// A walk over one tree.
pub enum SpaceScan {
    /// There is no such keyspace.
    Nothing,
    /// Rows by number.
    Rows(TreeScan<RowKey>),
    /// All else.
    Others(TreeScan<LocalKey>),
}

impl Scan for SpaceScan {
    fn next(&mut self) -> Option<(&[u8], &Value)> {
        match self {
            Self::Nothing => None,
            Self::Rows(scan) => scan.next(),
            Self::Others(scan) => scan.next(),
        }
    }
}
