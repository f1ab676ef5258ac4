//! (g): a versioned tree of two levels. A leaf has up to 64 entries and is shared with readers: a reader holds the leaf
//! that it walks and copies nothing out of it, and a change copies a leaf only while a reader holds it.

use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;

use super::{
    Change, Order, Overlay, Scan, Snapshot, Value,
    tree::CHANGES_AT_ONCE,
    versions::{Versions, stamp},
};
use crate::key::{Key, TreeKey as _, WordKey};

const LEAF_ENTRIES: usize = 64;

/// Versions that copies of a leaf share, so that copying a leaf costs the same whatever happened to its keys. A reader
/// that holds an old copy passes over the versions that came later.
#[derive(Clone)]
enum Shared {
    One(NonZeroU64, Value),
    Many(Arc<RwLock<Versions>>),
}

enum Seen<'a> {
    InPlace(&'a Value),
    Copied(Value),
}

impl Shared {
    fn push(&mut self, ts: NonZeroU64, value: Value) {
        match self {
            Self::One(first_ts, first) => {
                let mut versions = Versions::new(*first_ts, first.take());
                versions.push(ts, value);
                *self = Self::Many(Arc::new(RwLock::new(versions)));
            }
            Self::Many(versions) => versions.write().push(ts, value),
        }
    }

    fn at(&self, ts: u64) -> Option<Seen<'_>> {
        match self {
            Self::One(own, value) => (own.get() <= ts).then_some(Seen::InPlace(value)),
            Self::Many(versions) => versions.read().at(ts).map(|(_, value)| Seen::Copied(value.clone())),
        }
    }
}

/// Keys in order, and their versions beside them.
#[derive(Clone, Default)]
struct Leaf {
    keys: Vec<WordKey>,
    versions: Vec<Shared>,
}

impl Leaf {
    fn with_room() -> Self {
        Self { keys: Vec::with_capacity(LEAF_ENTRIES), versions: Vec::with_capacity(LEAF_ENTRIES) }
    }

    /// Where the upper part goes of a full leaf that takes one more at `at`: all new where keys come in order.
    fn split(&mut self, at: usize) -> Self {
        let from = if at == self.keys.len() { at } else { self.keys.len() / 2 };
        let mut upper = Self::with_room();
        upper.keys.extend(self.keys.drain(from..));
        upper.versions.extend(self.versions.drain(from..));
        upper
    }

    fn insert(&mut self, at: usize, key: WordKey, ts: NonZeroU64, value: &Value) {
        self.keys.insert(at, key);
        self.versions.insert(at, Shared::One(ts, value.clone()));
    }
}

type Index = BTreeMap<WordKey, Arc<Leaf>>;

/// Leaves by their least key; the first one by the empty key.
pub struct Leaves {
    index: RwLock<Index>,
    visible: AtomicU64,
}

impl Default for Leaves {
    fn default() -> Self {
        let first = (WordKey::of(&Key::from_slice(&[])), Arc::new(Leaf::with_room()));
        Self { index: RwLock::new(Index::from([first])), visible: AtomicU64::new(0) }
    }
}

fn insert(index: &mut Index, key: WordKey, ts: NonZeroU64, value: &Value) {
    let (_, leaf) = index.range_mut(..=&key).next_back().expect("the first leaf begins with the empty key");
    let leaf = Arc::make_mut(leaf);
    match leaf.keys.binary_search(&key) {
        Ok(at) => leaf.versions[at].push(ts, value.clone()),
        Err(at) if leaf.keys.len() < LEAF_ENTRIES => leaf.insert(at, key, ts, value),
        Err(at) => {
            let mut upper = leaf.split(at);
            match at.checked_sub(leaf.keys.len()) {
                Some(at) => upper.insert(at, key, ts, value),
                None => leaf.insert(at, key, ts, value),
            }
            index.insert(upper.keys[0].clone(), Arc::new(upper));
        }
    }
}

impl Overlay for Leaves {
    type Snapshot = LeavesSnapshot;

    const NAME: &'static str = "g shared leaves";

    fn commit(&self, ts: u64, changes: &[Change]) {
        let own = stamp(ts);
        for changes in changes.chunks(CHANGES_AT_ONCE) {
            let mut index = self.index.write();
            changes.iter().for_each(|(key, value)| insert(&mut index, WordKey::of(key), own, value));
        }
        self.visible.store(ts, Ordering::Release);
    }

    fn snapshot(self: &Arc<Self>) -> LeavesSnapshot {
        LeavesSnapshot { overlay: Arc::clone(self), ts: self.visible.load(Ordering::Acquire) }
    }
}

/// A number.
pub struct LeavesSnapshot {
    overlay: Arc<Leaves>,
    ts: u64,
}

impl Snapshot for LeavesSnapshot {
    type Scan<'a> = LeavesScan<'a>;

    fn get<R>(&self, key: &Key, read: impl FnOnce(Option<&[u8]>) -> R) -> Option<R> {
        let key = WordKey::of(key);
        let index = self.overlay.index.read();
        let (_, leaf) = index.range(..=&key).next_back()?;
        let at = leaf.keys.binary_search(&key).ok()?;
        let value = match leaf.versions[at].at(self.ts)? {
            Seen::InPlace(value) => value.clone(),
            Seen::Copied(value) => value,
        };
        drop(index);
        Some(read(value.as_deref()))
    }

    fn scan(&self, start: &Key, end: &Key, order: Order) -> LeavesScan<'_> {
        LeavesScan {
            snapshot: self,
            leaf: Arc::default(),
            from: 0,
            to: 0,
            start: Bound::Included(WordKey::of(start)),
            end: WordKey::of(end),
            order,
            copied: None,
        }
    }
}

/// A walk that holds one leaf.
pub struct LeavesScan<'a> {
    snapshot: &'a LeavesSnapshot,
    leaf: Arc<Leaf>,
    /// What is left of the leaf.
    from: usize,
    to: usize,
    /// What is left beyond it.
    start: Bound<WordKey>,
    end: WordKey,
    order: Order,
    copied: Value,
}

impl LeavesScan<'_> {
    fn is_before_start(&self, key: &WordKey) -> bool {
        match &self.start {
            Bound::Included(start) => key < start,
            Bound::Excluded(start) => key <= start,
            Bound::Unbounded => false,
        }
    }

    /// Takes the next leaf; what was taken is no longer within `start` and `end`.
    fn next_leaf(&mut self) -> Option<()> {
        let index = self.snapshot.overlay.index.read();
        let (Bound::Included(start) | Bound::Excluded(start)) = &self.start else { return None };
        let leaf = match self.order {
            Order::Ascending => {
                let holds = index.range(..=start).next_back();
                let holds = holds.filter(|(_, leaf)| leaf.keys.last().is_some_and(|last| !self.is_before_start(last)));
                holds.or_else(|| index.range((Bound::Excluded(start), Bound::Excluded(&self.end))).next())
            }
            Order::Descending => index.range(..&self.end).next_back(),
        };
        let leaf = Arc::clone(leaf?.1);
        drop(index);
        self.from = leaf.keys.partition_point(|key| self.is_before_start(key));
        self.to = leaf.keys.partition_point(|key| *key < self.end);
        if self.from >= self.to {
            return None;
        }
        match self.order {
            Order::Ascending => self.start = Bound::Excluded(leaf.keys[self.to - 1].clone()),
            Order::Descending => self.end = leaf.keys[self.from].clone(),
        }
        self.leaf = leaf;
        Some(())
    }

    fn next_place(&mut self) -> Option<usize> {
        if self.from == self.to {
            if matches!(&self.start, Bound::Included(start) | Bound::Excluded(start) if *start >= self.end) {
                return None;
            }
            self.next_leaf()?;
        }
        match self.order {
            Order::Ascending => {
                self.from += 1;
                Some(self.from - 1)
            }
            Order::Descending => {
                self.to -= 1;
                Some(self.to)
            }
        }
    }
}

impl Scan for LeavesScan<'_> {
    fn next(&mut self) -> Option<(&[u8], &Value)> {
        let (at, copied) = loop {
            let at = self.next_place()?;
            match self.leaf.versions[at].at(self.snapshot.ts) {
                None => {}
                Some(Seen::InPlace(_)) => break (at, None),
                Some(Seen::Copied(value)) => break (at, Some(value)),
            }
        };
        let key = self.leaf.keys[at].local();
        if let Some(copied) = copied {
            self.copied = copied;
            return Some((key, &self.copied));
        }
        match &self.leaf.versions[at] {
            Shared::One(_, value) => Some((key, value)),
            Shared::Many(_) => Some((key, &self.copied)),
        }
    }
}
