//! (e): commits of many changes are kept as sorted runs, which are merged when the newer one has grown to half of the
//! older; smaller commits go to a versioned tree. Reads merge all of them.

use std::{
    cmp::Reverse,
    ops::{Bound, Range},
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
use crate::key::{Key, TreeKey as _, WordKey};

const LEAST_RUN: usize = 64;

type RunEntry = (WordKey, u64, Value);
/// By key, the newest version of a key first.
type Run = Vec<RunEntry>;
type AllRuns = Arc<Vec<Arc<Run>>>;

/// A tree and runs beside it.
#[derive(Default)]
pub struct Runs {
    small: Tree<WordKey>,
    runs: RwLock<AllRuns>,
    visible: AtomicU64,
}

fn merge(older: &Run, newer: &Run) -> Run {
    let mut merged = Vec::with_capacity(older.len() + newer.len());
    let (mut older, mut newer) = (older.iter().peekable(), newer.iter().peekable());
    while let (Some((old_key, ..)), Some((new_key, ..))) = (older.peek(), newer.peek()) {
        let next = if new_key <= old_key { newer.next() } else { older.next() };
        merged.extend(next.cloned());
    }
    merged.extend(older.chain(newer).cloned());
    merged
}

impl Runs {
    fn add(&self, ts: u64, changes: &[Change]) {
        let mut newest: Run = changes.iter().map(|(key, value)| (WordKey::of(key), ts, value.clone())).collect();
        let mut runs = Vec::clone(&self.runs.read());
        while let Some(last) = runs.pop_if(|last| last.len() <= newest.len() * 2) {
            newest = merge(&last, &newest);
        }
        runs.push(Arc::new(newest));
        *self.runs.write() = Arc::new(runs);
    }
}

impl Overlay for Runs {
    type Snapshot = RunsSnapshot;

    const NAME: &'static str = "e sorted runs";

    fn commit(&self, ts: u64, changes: &[Change]) {
        if changes.len() < LEAST_RUN {
            self.small.apply(ts, changes);
        } else {
            self.add(ts, changes);
        }
        self.visible.store(ts, Ordering::Release);
    }

    fn snapshot(self: &Arc<Self>) -> RunsSnapshot {
        let ts = self.visible.load(Ordering::Acquire);
        RunsSnapshot { small: self.small.clone(), runs: Arc::clone(&self.runs.read()), ts }
    }
}

/// A number and the runs of that moment.
pub struct RunsSnapshot {
    small: Tree<WordKey>,
    runs: AllRuns,
    ts: u64,
}

impl Snapshot for RunsSnapshot {
    type Scan<'a> = RunsScan<'a>;

    fn get<R>(&self, key: &Key, read: impl FnOnce(Option<&[u8]>) -> R) -> Option<R> {
        let mut newest = self.small.get(key, self.ts);
        let key = WordKey::of(key);
        for run in self.runs.iter() {
            let at = run.partition_point(|(other, ts, _)| (other, Reverse(ts)) < (&key, Reverse(&self.ts)));
            if let Some((_, ts, value)) = run.get(at).filter(|(other, ..)| *other == key)
                && newest.as_ref().is_none_or(|(newest, _)| newest < ts)
            {
                newest = Some((*ts, value.clone()));
            }
        }
        newest.map(|(_, value)| read(value.as_deref()))
    }

    fn scan(&self, start: &Key, end: &Key, order: Order) -> RunsScan<'_> {
        let (from, to) = (WordKey::of(start), WordKey::of(end));
        let place = |run: &'_ Arc<Run>| {
            run.partition_point(|(key, ..)| *key < from)..run.partition_point(|(key, ..)| *key < to)
        };
        let mut small = self.small.scan(self.ts, start, Bound::Excluded(end), order);
        let next_small = take_small(&mut small);
        let runs = self.runs.iter().map(|run| (run.as_slice(), place(run))).filter(|(_, place)| !place.is_empty());
        RunsScan { runs: runs.collect(), small, next_small, order, ts: self.ts, current: None }
    }
}

fn take_small(small: &mut TreeScan<WordKey>) -> Option<RunEntry> {
    small.step().map(|(key, ts, value)| (key.clone(), ts, value.clone()))
}

/// A walk over all of them at once.
pub struct RunsScan<'a> {
    runs: Vec<(&'a [RunEntry], Range<usize>)>,
    small: TreeScan<WordKey>,
    next_small: Option<RunEntry>,
    order: Order,
    ts: u64,
    current: Option<(WordKey, Value)>,
}

impl RunsScan<'_> {
    fn nearest(&self) -> Option<WordKey> {
        let heads = self.runs.iter().filter(|(_, place)| !place.is_empty()).map(|(run, place)| match self.order {
            Order::Ascending => &run[place.start].0,
            Order::Descending => &run[place.end - 1].0,
        });
        let heads = heads.chain(self.next_small.as_ref().map(|(key, ..)| key));
        match self.order {
            Order::Ascending => heads.min().cloned(),
            Order::Descending => heads.max().cloned(),
        }
    }

    /// Passes over all versions of the key; the newest that is visible.
    fn take(&mut self, key: &WordKey) -> Option<Value> {
        let mut newest: Option<(u64, Value)> = None;
        if let Some((_, ts, value)) = self.next_small.take_if(|(other, ..)| other == key) {
            newest = Some((ts, value));
            self.next_small = take_small(&mut self.small);
        }
        for (run, place) in &mut self.runs {
            loop {
                let at = match self.order {
                    Order::Ascending => place.start,
                    Order::Descending => place.end.wrapping_sub(1),
                };
                if place.start == place.end || run[at].0 != *key {
                    break;
                }
                match self.order {
                    Order::Ascending => place.start += 1,
                    Order::Descending => place.end -= 1,
                }
                let ts = run[at].1;
                if ts <= self.ts && newest.as_ref().is_none_or(|(newest, _)| *newest < ts) {
                    newest = Some((ts, run[at].2.clone()));
                }
            }
        }
        newest.map(|(_, value)| value)
    }
}

impl Scan for RunsScan<'_> {
    fn next(&mut self) -> Option<(&[u8], &Value)> {
        loop {
            let key = self.nearest()?;
            if let Some(value) = self.take(&key) {
                let (key, value) = self.current.insert((key, value));
                return Some((key.local(), value));
            }
        }
    }
}
