//! [`Scan`]: a walk over the entries of a range, through all layers.
//!
//! A run of deletions is noted as an empty range when it ends, and jumped over from then on: a scan costs what it
//! returns, however many rows were deleted before its first.

use std::sync::Arc;

use super::{
    base::{BaseEntry, BaseRange},
    changes::{Changes, ChangesRange},
    deletion_run::DeletionRun,
    empty_ranges::after,
    layers::Layers,
    order::Order,
    overlay::{Overlay, OverlayCursor},
    record::Change,
};
use crate::{
    encoding::{KEYSPACE_BYTES, Key},
    error::StorageError,
};

/// A walk over the entries of a range. [`advance`](Self::advance) goes to the next entry, [`key`](Self::key) and
/// [`value`](Self::value) are those of the entry at hand.
pub(crate) struct Scan<'a> {
    layers: &'a Layers,
    changes: &'a Changes,
    ts: u64,
    order: Order,
    /// The whole range, as composite keys of one keyspace.
    start: Key,
    end: Key,
    own: Option<OwnLayer<'a>>,
    /// The active overlay, then the frozen one.
    overlays: [Option<OverlayCursor>; 2],
    base: Option<BaseLayer>,
    current: Current<'a>,
    run: Option<DeletionRun>,
}

enum Current<'a> {
    Nothing,
    Own(&'a Key, &'a Arc<[u8]>),
    Overlay(Key, Arc<[u8]>),
    Base(BaseEntry),
}

/// A transaction's own changes.
struct OwnLayer<'a> {
    range: ChangesRange<'a>,
    /// The nearest entry; without a value where the key was deleted.
    next: Option<(&'a Key, Option<&'a Arc<[u8]>>)>,
}

struct BaseLayer {
    range: BaseRange,
    next: Option<BaseEntry>,
}

/// Where the nearest key is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Own,
    Overlay(usize),
    Base,
}

impl<'a> OwnLayer<'a> {
    fn new(range: ChangesRange<'a>, order: Order) -> Self {
        let mut layer = Self { range, next: None };
        layer.step(order);
        layer
    }

    fn step(&mut self, order: Order) {
        self.next = loop {
            let entry = match order {
                Order::Ascending => self.range.next(),
                Order::Descending => self.range.next_back(),
            };
            #[cfg(test)]
            super::steps::count();
            match entry {
                // A touched key is as the layers below have it.
                Some((_, Change::Touch)) => {}
                Some((key, Change::Put(value))) => break Some((key, Some(value))),
                Some((key, Change::Delete)) => break Some((key, None)),
                None => break None,
            }
        };
    }
}

impl BaseLayer {
    fn step(&mut self, order: Order) -> Result<(), StorageError> {
        self.next = self.range.next(order)?;
        Ok(())
    }
}

impl<'a> Scan<'a> {
    /// A walk over what a snapshot at `ts` sees from one composite key up to, not with, another, with `changes` on top.
    pub(super) fn new(
        layers: &'a Layers,
        ts: u64,
        changes: &'a Changes,
        start: &[u8],
        end: &[u8],
        order: Order,
    ) -> Result<Self, StorageError> {
        let mut scan = Self {
            layers,
            changes,
            ts,
            order,
            start: Key::from_slice(start),
            end: Key::from_slice(end),
            own: None,
            overlays: [None, None],
            base: None,
            current: Current::Nothing,
            run: None,
        };
        // A range of a BTreeMap with its ends crossed panics; here it is merely empty.
        if start >= end {
            return Ok(scan);
        }
        let (first, last) = scan.beyond_the_empty_end();
        let cursor = |overlay: &Arc<Overlay>| OverlayCursor::new(overlay, ts, &first, &last, order);
        scan.overlays = [cursor(&layers.active), layers.frozen.as_ref().and_then(cursor)];
        let (start, end) = (scan.start.clone(), scan.end.clone());
        scan.seek_own(&start, &end);
        scan.seek_base(&first, &last)?;
        Ok(scan)
    }

    /// The range without that part at its beginning (its end, if descending) in which the committed state is known to
    /// hold nothing.
    fn beyond_the_empty_end(&mut self) -> (Key, Key) {
        let (start, end) = (self.start.clone(), self.end.clone());
        if self.layers.active.is_empty() && self.layers.frozen.is_none() {
            return (start, end);
        }
        let known = match self.order {
            Order::Ascending => self.layers.empty.around(&start, self.ts),
            Order::Descending => self.layers.empty.up_to(&end, self.ts),
        };
        let Some((low, high)) = known else { return (start, end) };
        let (run, left) = match self.order {
            Order::Ascending => (DeletionRun::known(start, high.clone()), (high.min(end.clone()), end)),
            Order::Descending => (DeletionRun::known(low.clone(), end), (start.clone(), low.max(start))),
        };
        self.run = Some(run);
        left
    }

    /// Moves to the next entry; `false` when there is none.
    pub(crate) fn advance(&mut self) -> Result<bool, StorageError> {
        if !self.has_memory() {
            return self.advance_base();
        }
        loop {
            let Some(nearest) = self.nearest() else {
                self.end_run(None);
                self.current = Current::Nothing;
                return Ok(false);
            };
            if let Some(current) = self.take(nearest)? {
                match &current {
                    Current::Own(key, _) => self.end_run(Some(key)),
                    Current::Nothing | Current::Overlay(..) | Current::Base(_) => self.end_run(None),
                }
                self.current = current;
                return Ok(true);
            }
        }
    }

    /// The entry's key within its keyspace; empty before the first [`advance`](Self::advance) and after the last.
    pub(crate) fn key(&self) -> &[u8] {
        match &self.current {
            Current::Nothing => &[],
            Current::Own(key, _) => key.local(),
            Current::Overlay(key, _) => key.local(),
            Current::Base(entry) => entry.key(),
        }
    }

    /// The entry's value.
    pub(crate) fn value(&self) -> &[u8] {
        match &self.current {
            Current::Nothing => &[],
            Current::Own(_, value) => value,
            Current::Overlay(_, value) => value,
            Current::Base(entry) => entry.value(),
        }
    }

    fn has_memory(&self) -> bool {
        self.own.is_some() || self.overlays.iter().any(Option::is_some)
    }

    /// The next entry where the base is all there is: nothing to compare it with, so it is not looked at in advance.
    fn advance_base(&mut self) -> Result<bool, StorageError> {
        let next = self.base.as_mut().map_or(Ok(None), |base| base.range.next(self.order))?;
        let is_there = next.is_some();
        self.current = next.map_or(Current::Nothing, Current::Base);
        Ok(is_there)
    }

    /// Where the nearest key is, in the newest layer where several have it.
    fn nearest(&self) -> Option<Source> {
        let own = self.own.as_ref().and_then(|own| own.next).map(|(key, _)| (Source::Own, key.local()));
        let overlay = |at: usize| {
            let cursor = self.overlays[at].as_ref()?;
            cursor.peek().map(|(key, _)| (Source::Overlay(at), key.local()))
        };
        let base = self.base.as_ref().and_then(|base| base.next.as_ref()).map(|entry| (Source::Base, entry.key()));
        let mut nearest: Option<(Source, &[u8])> = own;
        for (source, key) in [overlay(0), overlay(1), base].into_iter().flatten() {
            if nearest.is_none_or(|(_, best)| is_nearer(self.order, key, best)) {
                nearest = Some((source, key));
            }
        }
        nearest.map(|(source, _)| source)
    }

    /// Takes the nearest entry and passes over the same key in older layers; `None` if it was a deletion.
    fn take(&mut self, nearest: Source) -> Result<Option<Current<'a>>, StorageError> {
        match nearest {
            Source::Own => {
                let Some((key, value)) = self.own.as_ref().and_then(|own| own.next) else { return Ok(None) };
                self.pass(key, nearest)?;
                match value {
                    Some(value) => Ok(Some(Current::Own(key, value))),
                    None => self.pass_deletion(key.clone(), true).map(|()| None),
                }
            }
            Source::Overlay(at) => {
                let Some((key, value)) = self.overlays[at].as_mut().and_then(OverlayCursor::next) else {
                    return Ok(None);
                };
                self.pass(&key, nearest)?;
                match value {
                    Some(value) => Ok(Some(Current::Overlay(key, value))),
                    None => self.pass_deletion(key, false).map(|()| None),
                }
            }
            Source::Base => {
                let Some(base) = &mut self.base else { return Ok(None) };
                let entry = base.next.take();
                base.step(self.order)?;
                Ok(entry.map(Current::Base))
            }
        }
    }

    /// Steps the layers from `newest` down that stand at `key`. An overlay that was taken from has stepped already.
    fn pass(&mut self, key: &Key, newest: Source) -> Result<(), StorageError> {
        if let Some(own) = self.own.as_mut().filter(|_| newest == Source::Own) {
            own.step(self.order);
        }
        for cursor in self.overlays.iter_mut().flatten() {
            if cursor.peek().is_some_and(|(other, _)| other == key) {
                cursor.next();
            }
        }
        if let Some(base) = &mut self.base
            && base.next.as_ref().is_some_and(|other| other.key() == key.local())
        {
            base.step(self.order)?;
        }
        Ok(())
    }

    /// Adds a deletion to the run, and jumps over the range around it that is known to be empty.
    fn pass_deletion(&mut self, key: Key, is_own: bool) -> Result<(), StorageError> {
        let run = self.run.get_or_insert_with(|| match (&self.current, self.order) {
            // Nothing stood before it in the range either.
            (Current::Nothing, Order::Ascending) => DeletionRun::from_start(self.start.clone(), &key),
            (Current::Nothing, Order::Descending) => DeletionRun::before_end(self.end.clone(), &key),
            (Current::Own(..) | Current::Overlay(..) | Current::Base(_), _) => DeletionRun::at(&key),
        });
        let own = if is_own { self.changes.empty_around(&key) } else { None };
        // Of the committed state: the transaction's own changes in that range still count.
        let is_own_known = own.is_some();
        let known = own.or_else(|| self.layers.empty.around(&key, self.ts));
        run.add(key, self.order, is_own);
        let Some((start, end)) = known else { return Ok(()) };
        run.jump(start.clone(), end.clone(), self.order);
        let (from, to) = match self.order {
            Order::Ascending => (end.clone().max(self.start.clone()), self.end.clone()),
            Order::Descending => (self.start.clone(), start.clone().min(self.end.clone())),
        };
        self.overlays.iter_mut().flatten().for_each(|cursor| cursor.skip(&start, &end));
        if is_own_known {
            self.seek_own(&from, &to);
        }
        self.seek_base(&from, &to)
    }

    /// Notes the run of deletions that has ended, at one of the transaction's own keys or elsewhere.
    fn end_run(&mut self, own_key: Option<&Key>) {
        let Some(run) = self.run.take() else { return };
        let has_own = run.has_own();
        let Some((mut low, mut high)) = run.range() else { return };
        if !has_own {
            return self.layers.empty.add(low, high, self.ts);
        }
        // A jump over what is empty in the committed state may have gone past keys of the transaction's own.
        (low, high) = (low.max(self.start.clone()), high.min(self.end.clone()));
        match (own_key, self.order) {
            (Some(key), Order::Ascending) => high = high.min(key.clone()),
            (Some(key), Order::Descending) => low = low.max(after(key)),
            (None, _) => {}
        }
        if low < high {
            self.changes.note_empty(low, high);
        }
    }

    fn seek_own(&mut self, from: &Key, to: &Key) {
        let is_crossed = from >= to;
        self.own = (!self.changes.is_empty())
            .then(|| OwnLayer::new(self.changes.range(if is_crossed { to } else { from }, to), self.order));
    }

    fn seek_base(&mut self, from: &[u8], to: &[u8]) -> Result<(), StorageError> {
        self.base = None;
        if from >= to {
            return Ok(());
        }
        let (keyspace, local_start) = split(from);
        let local_end = (split(to).0 == keyspace).then(|| split(to).1);
        let range = self.layers.base.range(keyspace, local_start, local_end)?;
        self.base = range.map(|range| BaseLayer { range, next: None });
        if self.has_memory()
            && let Some(base) = &mut self.base
        {
            base.step(self.order)?;
        }
        Ok(())
    }
}

fn is_nearer(order: Order, key: &[u8], than: &[u8]) -> bool {
    match order {
        Order::Ascending => key < than,
        Order::Descending => key > than,
    }
}

/// A composite key's keyspace and what follows it.
pub(super) fn split(key: &[u8]) -> (u32, &[u8]) {
    match key.split_first_chunk::<KEYSPACE_BYTES>() {
        Some((keyspace, local)) => (u32::from_be_bytes(*keyspace), local),
        None => (u32::MAX, key),
    }
}
