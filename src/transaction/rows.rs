//! [`Rows`]: walks the range of a query and reads what it finds.

use super::{
    met_rows::{Met, MetRows},
    read::{ReadTx, decode},
    read_set::ReadOn,
    tables::OpenTable,
};
use crate::{
    encoding::{ByteRange, KEYSPACE_BYTES},
    error::{Error, RowError, StorageError},
    schema::{Doc, Id, IndexKind, Table},
    storage::{Order, Scan},
};

/// How far [`Rows::has_more`] looks over entries that would repeat rows.
const LOOK_AHEAD_ENTRIES: usize = 64;

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
    /// Whether rows that do not decode are passed over.
    skips_unreadable: bool,
    /// Whether the scan has come to the end of the range.
    is_exhausted: bool,
    on: ReadOn,
    /// Whether the walk began where the whole range begins, and not at a cursor.
    is_from_beginning: bool,
    /// The rows met so far, where they have several entries.
    met: MetRows,
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
        Ok(Self {
            tx,
            table,
            source,
            is_from_beginning: range == whole,
            range,
            whole,
            scan,
            remaining: limit,
            filter,
            skips_unreadable: false,
            is_exhausted: false,
            on: ReadOn::Rows,
            met: MetRows::default(),
        })
    }

    /// Passes over rows that do not decode.
    pub(super) fn skip_unreadable(mut self, skips: bool) -> Self {
        self.skips_unreadable = skips;
        self
    }

    /// The composite key's part after the keyspace, of the row returned last.
    pub(super) fn key(&self) -> &[u8] {
        self.scan.key()
    }

    pub(super) fn count_rows(mut self) -> Result<usize, Error> {
        if self.filter.is_some() || self.skips_unreadable {
            return self.try_fold(0, |count, row| row.map(|_| count + 1));
        }
        if !matches!(self.source, Source::MultiIndex { .. }) {
            self.on = ReadOn::Keys;
        }
        let mut count = 0;
        while count < self.remaining && self.advance()? {
            count += usize::from(self.is_first_of_row()?);
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

    /// Whether there is another row, as far as that shows in a few entries: `true` if it does not, or if a filter would
    /// have to look at rows. Depends on the entries that it looked at, not on the rows behind them.
    pub(super) fn has_more(mut self) -> Result<bool, Error> {
        if self.is_exhausted {
            return Ok(false);
        }
        self.track_consumed();
        self.leave_consumed();
        self.on = ReadOn::Keys;
        for _ in 0..LOOK_AHEAD_ENTRIES {
            if !self.advance()? {
                return Ok(false);
            }
            if self.is_first_of_row()? {
                return Ok(true);
            }
        }
        Ok(true)
    }

    fn advance(&mut self) -> Result<bool, Error> {
        let advanced = self.tx.noting_failure(self.scan.advance())?;
        self.is_exhausted |= !advanced;
        Ok(advanced)
    }

    /// The next row that passes, or `None` at the end.
    fn next_row(&mut self) -> Result<Option<Doc<T>>, Error> {
        while self.remaining > 0 && self.advance()? {
            if !self.is_first_of_row()? {
                continue;
            }
            let doc = match self.source {
                Source::Table => self.row_at_scan(),
                Source::Index | Source::MultiIndex { .. } => self.row_behind_entry(),
            };
            self.tx.count_document();
            let doc = match doc {
                Err(Error::Row(RowError::Decode { .. })) if self.skips_unreadable => continue,
                doc => doc?,
            };
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
            None => Err(self.dangling_entry(id)),
        }
    }

    /// Whether this entry is the first of the row's entries in the whole range; the others would repeat the row.
    ///
    /// A walk over the whole range meets that entry first. One that begins at a cursor has to look at the row, once.
    fn is_first_of_row(&mut self) -> Result<bool, Error> {
        let Source::MultiIndex { position } = self.source else { return Ok(true) };
        let id = self.id_at_scan()?;
        match self.met.meet(id.as_u64()) {
            Met::Before => Ok(false),
            Met::First if self.is_from_beginning => Ok(true),
            Met::First | Met::Unknown => self.is_first_by_row(position, id),
        }
    }

    fn is_first_by_row(&self, position: usize, id: Id<T>) -> Result<bool, Error> {
        let Some(keys) = self.tx.keys_of_row_in(self.table, id.as_u64(), position)? else {
            return Err(self.dangling_entry(id));
        };
        // In the order of the index.
        let mut in_range = keys.iter().filter(|key| *self.whole.start <= ***key && ***key < *self.whole.end);
        let first = match self.whole.order {
            Order::Ascending => in_range.next(),
            Order::Descending => in_range.next_back(),
        };
        Ok(first.is_some_and(|first| first.local() == self.scan.key()))
    }

    fn id_at_scan(&self) -> Result<Id<T>, Error> {
        let key = self.scan.key();
        let id = key.last_chunk::<8>().ok_or_else(|| self.broken_entry("it is shorter than an id"))?;
        Ok(Id::from_raw(u64::from_be_bytes(*id)))
    }

    fn dangling_entry(&self, id: Id<T>) -> Error {
        self.broken_entry(&format!("it points to {id}, which does not exist"))
    }

    fn broken_entry(&self, reason: &str) -> Error {
        let reason = format!("table {:?} has a broken index entry: {reason}", self.table.name());
        StorageError::Inconsistent { reason }.into()
    }

    /// The part of the range that was looked at.
    fn consumed(&self) -> Option<ByteRange> {
        if self.is_exhausted {
            return Some(ByteRange::between(&self.range.start, &self.range.end));
        }
        if self.scan.key().is_empty() {
            return None;
        }
        let mut last = self.range.start[..KEYSPACE_BYTES].to_vec();
        last.extend_from_slice(self.scan.key());
        Some(match self.range.order {
            Order::Ascending => {
                last.push(0);
                ByteRange::between(&self.range.start, &last)
            }
            Order::Descending => ByteRange::between(&last, &self.range.end),
        })
    }

    fn track_consumed(&self) {
        if self.tx.is_tracked()
            && let Some(range) = self.consumed()
        {
            self.tx.track_range(range, self.on);
        }
    }

    /// Goes on as if the range began after the entry that was looked at last.
    fn leave_consumed(&mut self) {
        if self.scan.key().is_empty() {
            return;
        }
        let mut last = self.range.start[..KEYSPACE_BYTES].to_vec();
        last.extend_from_slice(self.scan.key());
        match self.range.order {
            Order::Ascending => {
                last.push(0);
                self.range.start = last;
            }
            Order::Descending => self.range.end = last,
        }
    }
}

/// A row that does not decode is an error, after which the others follow. Any other error is the last item.
impl<T: Table> Iterator for Rows<'_, T> {
    type Item = Result<Doc<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.next_row();
        if row.as_ref().is_err_and(|error| !matches!(error, Error::Row(RowError::Decode { .. }))) {
            self.remaining = 0;
        }
        row.transpose()
    }
}

impl<T: Table> Drop for Rows<'_, T> {
    fn drop(&mut self) {
        self.track_consumed();
    }
}
