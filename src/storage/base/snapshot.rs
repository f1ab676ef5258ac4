//! The base at one timestamp, which outlives the instance of redb that it was taken from.

use std::{
    ops::Bound,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use redb::{ReadTransaction, ReadableDatabase, TableHandle};

use super::{
    checked_file::CheckedFile,
    failure::{Failure, failed, guarded},
    figures::{Figures, Found, read_figures},
    instances::{ATTEMPTS, Instances, unavailable},
    key_buffer::KeyBuffer,
    tables::{BaseEntry, BaseValue, ReadTable, TableRange, keyspace_of},
};
use crate::{
    error::{OpenError, StorageError},
    storage::order::Order,
};

/// The base at one timestamp.
///
/// 1. A failed read fails that call alone. The next one finds the same state in a new instance of redb, and so do ranges
///    that were being read.
/// 2. A damaged table or page does not keep others from being read.
/// 3. A snapshot that is older than the last checkpoint ends with the instance that it was taken from: what a new one
///    shows is newer. Reads of it then answer an error that passes with a new snapshot.
pub(crate) struct BaseSnapshot {
    shared: Arc<Shared>,
}

struct Shared {
    instances: Arc<Instances>,
    figures: Figures,
    /// The instance that the snapshot was taken from.
    first: Arc<View>,
    /// The one that took its place when it failed.
    replacement: Mutex<Option<Arc<View>>>,
}

/// One instance's tables at one timestamp. Each is opened when it is first read, since that costs more than a point
/// read, and shared by all.
struct View {
    read: ReadTransaction,
    file: Arc<CheckedFile>,
    /// In the order of the keyspaces' numbers.
    tables: Vec<(u32, OnceLock<ReadTable>)>,
}

impl View {
    fn open(instances: &Instances) -> Result<(Self, Found), StorageError> {
        let ((read, tables, found), file) = instances.with(|database| {
            let read = database.begin_read().map_err(failed)?;
            let found = read_figures(&read)?;
            let names = read.list_tables().map_err(failed)?;
            let mut keyspaces: Vec<u32> = names.filter_map(|table| keyspace_of(table.name())).collect();
            keyspaces.sort_unstable();
            let tables = keyspaces.into_iter().map(|keyspace| (keyspace, OnceLock::new())).collect();
            Ok((read, tables, found))
        })?;
        Ok((Self { read, file, tables }, found))
    }

    fn table(&self, keyspace: u32) -> Result<Option<&ReadTable>, Failure> {
        let Ok(at) = self.tables.binary_search_by_key(&keyspace, |(keyspace, _)| *keyspace) else { return Ok(None) };
        let table = &self.tables[at].1;
        if let Some(table) = table.get() {
            return Ok(Some(table));
        }
        let opened = ReadTable::open(&self.read, keyspace)?;
        Ok(Some(table.get_or_init(|| opened)))
    }

    fn guarded<R>(&self, work: impl FnOnce(&Self) -> Result<R, Failure>) -> Result<R, Failure> {
        guarded(|| self.file.retire(), || work(self))
    }
}

impl Shared {
    /// Reads from the first view that works.
    fn read<R>(&self, mut work: impl FnMut(&Arc<View>) -> Result<R, Failure>) -> Result<R, StorageError> {
        if !self.first.file.is_retired() {
            match work(&self.first) {
                Ok(result) => return Ok(result),
                Err(Failure::Here(error)) => return Err(error),
                Err(Failure::Retired) => self.first.file.retire(),
            }
        }
        self.read_elsewhere(work)
    }

    #[cold]
    fn read_elsewhere<R>(&self, mut work: impl FnMut(&Arc<View>) -> Result<R, Failure>) -> Result<R, StorageError> {
        for _ in 0..ATTEMPTS {
            let view = self.replacement()?;
            match work(&view) {
                Ok(result) => return Ok(result),
                Err(Failure::Here(error)) => return Err(error),
                Err(Failure::Retired) => view.file.retire(),
            }
        }
        Err(unavailable("it fails again and again, in other calls"))
    }

    fn replacement(&self) -> Result<Arc<View>, StorageError> {
        let mut replacement = self.replacement.lock();
        if let Some(view) = replacement.as_ref().filter(|view| !view.file.is_retired()) {
            return Ok(Arc::clone(view));
        }
        let (view, found) = View::open(&self.instances)?;
        match found {
            // Equal timestamps are equal states.
            Found::Figures(figures) if figures.ts == self.figures.ts => {}
            Found::Figures(_) | Found::NewerFormat(_) => {
                return Err(unavailable("it failed, and this snapshot ended with it; begin a new transaction"));
            }
        }
        Ok(Arc::clone(replacement.insert(Arc::new(view))))
    }
}

impl BaseSnapshot {
    /// The base as it stands now.
    pub(super) fn take(instances: &Arc<Instances>) -> Result<(Self, Figures), OpenError> {
        let (view, found) = View::open(instances)?;
        let figures = found.figures()?;
        let shared =
            Shared { instances: Arc::clone(instances), figures, first: Arc::new(view), replacement: Mutex::new(None) };
        Ok((Self { shared: Arc::new(shared) }, figures))
    }

    /// The keyspaces that have a table.
    #[cfg(test)]
    pub(super) fn keyspaces(&self) -> Vec<u32> {
        self.shared.first.tables.iter().map(|(keyspace, _)| *keyspace).collect()
    }

    /// Reads the value of a key within its keyspace, in place.
    pub(in crate::storage) fn get<R>(
        &self,
        keyspace: u32,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        self.find(keyspace, |table| table.get(key), read)
    }

    /// Reads a row in place.
    pub(in crate::storage) fn get_row<R>(
        &self,
        keyspace: u32,
        id: u64,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        self.find(keyspace, |table| table.get_row(id), read)
    }

    fn find<R>(
        &self,
        keyspace: u32,
        find: impl Fn(&ReadTable) -> Result<Option<BaseValue>, Failure>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        let found = self.shared.read(|view| view.guarded(|view| view.table(keyspace)?.map_or(Ok(None), &find)))?;
        Ok(found.map(|value| read(value.as_slice())))
    }

    /// The entries within one keyspace from a key on, up to, not with, another; without one, to the end.
    pub(in crate::storage) fn range(
        &self,
        keyspace: u32,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<Option<BaseRange>, StorageError> {
        let opened = self.shared.read(|view| {
            let range = view.guarded(|view| match view.table(keyspace)? {
                Some(table) => table.range(Bound::Included(start), end),
                None => Ok(None),
            })?;
            Ok(range.map(|range| (range, Arc::clone(view))))
        })?;
        Ok(opened.map(|(range, view)| BaseRange {
            shared: Arc::clone(&self.shared),
            keyspace,
            view,
            range: Some(range),
            is_at_end: false,
            low: KeyBuffer::new(start),
            is_low_taken: false,
            high: end.map(KeyBuffer::new),
        }))
    }
}

/// Entries of one keyspace of the base, from either end.
pub(in crate::storage) struct BaseRange {
    shared: Arc<Shared>,
    keyspace: u32,
    view: Arc<View>,
    /// `None` after an error, and at the end.
    range: Option<TableRange>,
    is_at_end: bool,
    /// What is left begins here.
    low: KeyBuffer,
    is_low_taken: bool,
    /// What is left ends before this.
    high: Option<KeyBuffer>,
}

impl BaseRange {
    /// The next entry from that end.
    pub(in crate::storage) fn next(&mut self, order: Order) -> Result<Option<BaseEntry>, StorageError> {
        if self.is_at_end {
            return Ok(None);
        }
        #[cfg(test)]
        crate::storage::steps::count();
        let next = match &mut self.range {
            Some(range) => guarded(|| self.view.file.retire(), || range.next(order)),
            None => Err(Failure::Retired),
        };
        let next = match next {
            Ok(next) => next,
            // What redb has of the range is of no use after an error; the next call looks for the place again.
            Err(Failure::Here(error)) => {
                self.range = None;
                return Err(error);
            }
            Err(Failure::Retired) => self.next_elsewhere(order)?,
        };
        if let Some(entry) = &next {
            match order {
                Order::Ascending => {
                    self.low.set(entry.key());
                    self.is_low_taken = true;
                }
                Order::Descending => self.high.get_or_insert_default().set(entry.key()),
            }
        }
        Ok(next)
    }

    #[cold]
    fn next_elsewhere(&mut self, order: Order) -> Result<Option<BaseEntry>, StorageError> {
        let low = match self.is_low_taken {
            true => Bound::Excluded(self.low.as_slice()),
            false => Bound::Included(self.low.as_slice()),
        };
        let high = self.high.as_ref().map(KeyBuffer::as_slice);
        self.range = None;
        let (next, range, view) = self.shared.read(|view| {
            view.guarded(|this| {
                let range = match this.table(self.keyspace)? {
                    Some(table) => table.range(low, high)?,
                    None => None,
                };
                let Some(mut range) = range else { return Ok((None, None, Arc::clone(view))) };
                Ok((range.next(order)?, Some(range), Arc::clone(view)))
            })
        })?;
        self.is_at_end = range.is_none();
        (self.range, self.view) = (range, view);
        Ok(next)
    }
}
