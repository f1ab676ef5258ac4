//! [`Rows`]: walks the range of a query and reads what it finds.

use super::{ReadTx, read::decode, read_set::ReadOn, tables::OpenTable};
use crate::{
    encoding::ByteRange,
    error::{Error, RowError, StorageError},
    schema::{Doc, Id, IndexKeys, IndexKind, Table},
    storage::{Order, Scan},
};

/// The composite keys between which a query reads, and from which end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: Vec<u8>,
    /// Not with it.
    pub(super) end: Vec<u8>,
    pub(super) order: Order,
}

/// Which rows to keep.
pub(super) type Filter<'tx, T> = Box<dyn Fn(&Doc<T>) -> bool + 'tx>;

/// The rows of a query, one at a time.
///
/// Reads as it goes: what was not asked for was not read, and a subscription does not depend on it.
pub struct Rows<'tx, T: Table> {
    tx: &'tx ReadTx,
    table: &'tx OpenTable,
    source: Source,
    range: Range,
    /// The query's whole range, of which a page walks the rest: which entry of a row is its first shows only there.
    whole: Range,
    scan: Scan<'tx>,
    remaining: usize,
    filter: Option<Filter<'tx, T>>,
    /// Whether the scan has come to the end of the range.
    is_exhausted: bool,
    on: ReadOn,
}

/// What the scanned entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Rows themselves.
    Table,
    /// Index entries, one per row.
    Index,
    /// Index entries, possibly several per row.
    MultiIndex { position: usize },
}

impl<'tx, T: Table> Rows<'tx, T> {
    pub(super) fn new(
        tx: &'tx ReadTx,
        index: Option<usize>,
        range: Range,
        whole: Range,
        limit: usize,
        filter: Option<Filter<'tx, T>>,
    ) -> Result<Self, Error> {
        let table = tx.tables.of::<T>()?;
        let source = match index.map(|position| (position, T::DEFINITION.indexes[position].kind)) {
            None => Source::Table,
            Some((_, IndexKind::Plain | IndexKind::Unique)) => Source::Index,
            Some((position, IndexKind::Multi)) => Source::MultiIndex { position },
        };
        let scan = tx.scan(&range.start, &range.end, range.order)?;
        let (remaining, on) = (limit, ReadOn::Rows);
        Ok(Self { tx, table, source, range, whole, scan, remaining, filter, is_exhausted: false, on })
    }

    /// The composite key's part after the keyspace, of the row returned last.
    pub(super) fn key(&self) -> &[u8] {
        self.scan.key()
    }

    pub(super) fn count_rows(mut self) -> Result<usize, Error> {
        if self.filter.is_some() || matches!(self.source, Source::MultiIndex { .. }) {
            return self.try_fold(0, |count, row| row.map(|_| count + 1));
        }
        self.on = ReadOn::Keys;
        let mut count = 0;
        while count < self.remaining && self.advance()? {
            count += 1;
        }
        Ok(count)
    }

    /// Visits the entries without reading their rows, as long as `visit` answers true.
    pub(super) fn walk_keys(mut self, mut visit: impl FnMut(&[u8], Id<T>) -> bool) -> Result<(), Error> {
        self.on = ReadOn::Keys;
        while self.remaining > 0 && self.advance()? {
            self.remaining -= 1;
            if !visit(self.scan.key(), self.id_at_scan()?) {
                break;
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<bool, Error> {
        let advanced = self.scan.advance()?;
        self.is_exhausted |= !advanced;
        Ok(advanced)
    }

    /// The next row that passes, or `None` at the end.
    fn next_row(&mut self) -> Result<Option<Doc<T>>, Error> {
        while self.remaining > 0 && self.advance()? {
            let doc = match self.source {
                Source::Table => self.row_at_scan()?,
                Source::Index => self.row_behind_entry()?,
                Source::MultiIndex { position } => match self.row_behind_first_entry(position)? {
                    Some(doc) => doc,
                    None => continue,
                },
            };
            self.tx.count_document();
            if self.filter.as_ref().is_none_or(|keep| keep(&doc)) {
                self.remaining -= 1;
                return Ok(Some(doc));
            }
        }
        Ok(None)
    }

    fn row_at_scan(&self) -> Result<Doc<T>, Error> {
        let id = self.id_at_scan()?;
        Ok(decode(self.scan.value(), self.table, id)?)
    }

    fn row_behind_entry(&self) -> Result<Doc<T>, Error> {
        let id = self.id_at_scan()?;
        match self.tx.read_row(self.table, id.as_u64(), |row| decode(row, self.table, id))? {
            Some(doc) => Ok(doc?),
            None => Err(self.broken_entry(&format!("it points to {id}, which does not exist"))),
        }
    }

    /// The row, if this entry is the first of the row's entries in the range; the others would repeat it.
    fn row_behind_first_entry(&self, position: usize) -> Result<Option<Doc<T>>, Error> {
        let id = self.id_at_scan()?;
        let read = |row: &[u8]| -> Result<Option<Doc<T>>, RowError> {
            let mut keys = IndexKeys::new(&self.table.index_keyspaces, id.as_u64());
            (self.table.ops.index_keys)(row, &self.table.layouts, &mut keys)?;
            let entries = keys.finish();
            let mut in_range = entries
                .iter()
                .filter(|(index, key)| *index == position && *self.whole.start <= **key && **key < *self.whole.end)
                .map(|(_, key)| key);
            let first = match self.whole.order {
                Order::Ascending => in_range.min(),
                Order::Descending => in_range.by_ref().max(),
            };
            if first.is_none_or(|first| first.local() != self.scan.key()) {
                return Ok(None);
            }
            decode(row, self.table, id).map(Some)
        };
        match self.tx.read_row(self.table, id.as_u64(), read)? {
            Some(doc) => Ok(doc?),
            None => Err(self.broken_entry(&format!("it points to {id}, which does not exist"))),
        }
    }

    fn id_at_scan(&self) -> Result<Id<T>, Error> {
        let key = self.scan.key();
        let id = key.last_chunk::<8>().ok_or_else(|| self.broken_entry("it is shorter than an id"))?;
        Ok(Id::from_raw(u64::from_be_bytes(*id)))
    }

    fn broken_entry(&self, reason: &str) -> Error {
        let reason = format!("table {:?} has a broken index entry: {reason}", self.table.name());
        StorageError::Corrupt { file: "base.redb".to_owned(), offset: 0, reason }.into()
    }

    /// The part of the range that was looked at.
    fn consumed(&self) -> Option<ByteRange> {
        if self.is_exhausted {
            return Some(ByteRange::between(&self.range.start, &self.range.end));
        }
        if self.scan.key().is_empty() {
            return None;
        }
        let mut last = self.range.start[..crate::encoding::KEYSPACE_BYTES].to_vec();
        last.extend_from_slice(self.scan.key());
        Some(match self.range.order {
            Order::Ascending => {
                last.push(0);
                ByteRange::between(&self.range.start, &last)
            }
            Order::Descending => ByteRange::between(&last, &self.range.end),
        })
    }
}

impl<T: Table> Iterator for Rows<'_, T> {
    type Item = Result<Doc<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.next_row();
        if row.is_err() {
            self.remaining = 0;
        }
        row.transpose()
    }
}

impl<T: Table> Drop for Rows<'_, T> {
    fn drop(&mut self) {
        if self.tx.is_tracked()
            && let Some(range) = self.consumed()
        {
            self.tx.track_range(range, self.on);
        }
    }
}
