//! Overlay and base as one ordered view at a timestamp.
//!
//! Up to four layers, the newest first: a transaction's own changes, the overlay, the overlay that a checkpoint is
//! writing into the base right now, and the base. A key's value is what the newest layer that knows the key says.

use std::{
    collections::{BTreeMap, btree_map},
    ops::Bound,
    sync::Arc,
};

use super::{
    base::{BaseEntry, BaseRange, BaseSnapshot, Order},
    overlay::{Overlay, OverlayRange},
    record::Change,
};
use crate::{
    encoding::{KEYSPACE_BYTES, Key, KeyWriter},
    error::StorageError,
};

/// The database at one commit timestamp. Never changes; cheap to share; holds no lock.
pub(crate) struct Snapshot {
    pub(crate) ts: u64,
    pub(super) overlay: Overlay,
    pub(super) frozen: Option<Arc<Overlay>>,
    pub(super) base: Arc<BaseSnapshot>,
}

/// A transaction's own changes over a snapshot: what its reads look at first.
pub(crate) type Changes = BTreeMap<Key, Change>;

impl Snapshot {
    /// Reads one key's value, in place. A point read of the base and at most two of the overlay.
    pub(crate) fn get<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, StorageError> {
        if let Some(known) = self.overlay.get(key) {
            return Ok(known.map(read));
        }
        if let Some(known) = self.frozen.as_ref().and_then(|frozen| frozen.get(key)) {
            return Ok(known.map(read));
        }
        let (keyspace, local) = split(key);
        self.base.get(keyspace, local, read)
    }

    /// Reads one row in place: [`get`](Self::get) without making the key where nothing but the base can have it.
    pub(crate) fn get_row<R>(
        &self,
        keyspace: u32,
        id: u64,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        if self.overlay.is_empty() && self.frozen.is_none() {
            return self.base.get_row(keyspace, id, read);
        }
        let mut key = KeyWriter::new(keyspace);
        key.id(id);
        self.get(&key.finish(), read)
    }

    /// The entries from one composite key up to, not with, another, with `changes` laid over them. Both lie in one
    /// keyspace, or `end` is where the next one begins.
    pub(crate) fn scan<'a>(
        &'a self,
        changes: &'a Changes,
        start: &[u8],
        end: &[u8],
        order: Order,
    ) -> Result<Scan<'a>, StorageError> {
        // A range of a BTreeMap with its ends crossed panics; here it is merely empty.
        if start >= end {
            return Ok(Scan { layers: [None, None, None], base: None, order, current: Current::Nothing });
        }
        let bounds = (Bound::Included(start), Bound::Excluded(end));
        let (keyspace, local_start) = split(start);
        let local_end = (end.len() > KEYSPACE_BYTES).then(|| split(end).1);
        let frozen = self.frozen.as_deref().filter(|frozen| !frozen.is_empty());
        let overlay = Some(&self.overlay).filter(|overlay| !overlay.is_empty());
        let changes = Some(changes).filter(|changes| !changes.is_empty());
        let mut scan = Scan {
            layers: [
                changes.map(|changes| Layer::new(LayerRange::Changes(changes.range::<[u8], _>(bounds)))),
                overlay.map(|overlay| Layer::new(LayerRange::Overlay(overlay.range(bounds)))),
                frozen.map(|frozen| Layer::new(LayerRange::Overlay(frozen.range(bounds)))),
            ],
            base: self.base.range(keyspace, local_start, local_end)?.map(|range| BaseLayer { range, next: None }),
            order,
            current: Current::Nothing,
        };
        scan.layers.iter_mut().flatten().for_each(|layer| layer.step(order));
        if scan.has_layers()
            && let Some(base) = &mut scan.base
        {
            base.step(order)?;
        }
        Ok(scan)
    }
}

/// A walk over the entries of a range. Holds its place: [`advance`](Self::advance), then look at key and value.
pub(crate) struct Scan<'a> {
    /// The newest first.
    layers: [Option<Layer<'a>>; 3],
    base: Option<BaseLayer>,
    order: Order,
    current: Current<'a>,
}

enum Current<'a> {
    Nothing,
    Memory(&'a Key, &'a Arc<[u8]>),
    Base(BaseEntry),
}

struct Layer<'a> {
    range: LayerRange<'a>,
    /// The nearest entry; without a value where the key was deleted.
    next: Option<(&'a Key, Option<&'a Arc<[u8]>>)>,
}

enum LayerRange<'a> {
    Changes(btree_map::Range<'a, Key, Change>),
    Overlay(OverlayRange<'a>),
}

struct BaseLayer {
    range: BaseRange,
    next: Option<BaseEntry>,
}

impl<'a> Layer<'a> {
    fn new(range: LayerRange<'a>) -> Self {
        Self { range, next: None }
    }

    fn step(&mut self, order: Order) {
        self.next = match &mut self.range {
            LayerRange::Overlay(range) => match order {
                Order::Ascending => range.next(),
                Order::Descending => range.next_back(),
            }
            .map(|(key, value)| (key, value.as_ref())),
            LayerRange::Changes(range) => loop {
                let entry = match order {
                    Order::Ascending => range.next(),
                    Order::Descending => range.next_back(),
                };
                match entry {
                    // A touched key is as the layers below have it.
                    Some((_, Change::Touch)) => {}
                    Some((key, Change::Put(value))) => break Some((key, Some(value))),
                    Some((key, Change::Delete)) => break Some((key, None)),
                    None => break None,
                }
            },
        };
    }
}

impl BaseLayer {
    fn step(&mut self, order: Order) -> Result<(), StorageError> {
        self.next = self.range.next(order)?;
        Ok(())
    }
}

impl Scan<'_> {
    /// Moves to the next entry; `false` when there is none.
    pub(crate) fn advance(&mut self) -> Result<bool, StorageError> {
        if !self.has_layers() {
            return self.advance_base();
        }
        loop {
            let Some(newest) = self.nearest() else {
                self.current = Current::Nothing;
                return Ok(false);
            };
            if newest == self.layers.len() {
                return self.take_base();
            }
            if self.take_memory(newest)? {
                return Ok(true);
            }
        }
    }

    fn has_layers(&self) -> bool {
        self.layers.iter().any(Option::is_some)
    }

    /// The next entry where the base is all there is: nothing to compare it with, so it is not looked at in advance.
    fn advance_base(&mut self) -> Result<bool, StorageError> {
        let next = self.base.as_mut().map_or(Ok(None), |base| base.range.next(self.order))?;
        let is_there = next.is_some();
        self.current = next.map_or(Current::Nothing, Current::Base);
        Ok(is_there)
    }

    /// Which layer has the nearest key, the newest of them where several have it; the base counts as the last.
    fn nearest(&self) -> Option<usize> {
        let mut nearest: Option<(usize, &[u8])> = None;
        for (at, layer) in self.layers.iter().enumerate() {
            let Some((key, _)) = layer.as_ref().and_then(|layer| layer.next) else { continue };
            if nearest.is_none_or(|(_, best)| is_nearer(self.order, key.local(), best)) {
                nearest = Some((at, key.local()));
            }
        }
        if let Some(entry) = self.base.as_ref().and_then(|base| base.next.as_ref())
            && nearest.is_none_or(|(_, best)| is_nearer(self.order, entry.key(), best))
        {
            return Some(self.layers.len());
        }
        nearest.map(|(at, _)| at)
    }

    fn take_base(&mut self) -> Result<bool, StorageError> {
        let Some(base) = &mut self.base else { return Ok(false) };
        let Some(entry) = base.next.take() else { return Ok(false) };
        base.step(self.order)?;
        self.current = Current::Base(entry);
        Ok(true)
    }

    /// Takes the layer's entry and passes over the same key in older layers; `false` if it was a deletion.
    fn take_memory(&mut self, newest: usize) -> Result<bool, StorageError> {
        let Some((key, value)) = self.layers[newest].as_ref().and_then(|layer| layer.next) else { return Ok(false) };
        for layer in self.layers[newest..].iter_mut().flatten() {
            if layer.next.is_some_and(|(other, _)| other == key) {
                layer.step(self.order);
            }
        }
        if let Some(base) = &mut self.base
            && base.next.as_ref().is_some_and(|other| other.key() == key.local())
        {
            base.step(self.order)?;
        }
        let Some(value) = value else { return Ok(false) };
        self.current = Current::Memory(key, value);
        Ok(true)
    }

    /// The entry's key within its keyspace; empty before the first [`advance`](Self::advance) and after the last.
    pub(crate) fn key(&self) -> &[u8] {
        match &self.current {
            Current::Nothing => &[],
            Current::Memory(key, _) => key.local(),
            Current::Base(entry) => entry.key(),
        }
    }

    /// The entry's value.
    pub(crate) fn value(&self) -> &[u8] {
        match &self.current {
            Current::Nothing => &[],
            Current::Memory(_, value) => value,
            Current::Base(entry) => entry.value(),
        }
    }
}

fn is_nearer(order: Order, key: &[u8], than: &[u8]) -> bool {
    match order {
        Order::Ascending => key < than,
        Order::Descending => key > than,
    }
}

fn split(key: &[u8]) -> (u32, &[u8]) {
    match key.split_first_chunk::<KEYSPACE_BYTES>() {
        Some((keyspace, local)) => (u32::from_be_bytes(*keyspace), local),
        None => (u32::MAX, key),
    }
}
