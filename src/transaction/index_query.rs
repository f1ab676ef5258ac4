//! [`IndexQuery`]: which rows, through which index, in which order.

use std::{
    marker::PhantomData,
    ops::{Bound, RangeBounds},
};

use super::{
    page::{Cursor, Page},
    read::ReadTx,
    rows::{Filter, Range, Rows},
};
use crate::{
    encoding::{ByteRange, KeyWriter, prefix_end},
    error::{Error, TransactionError},
    schema::{AsPart, Doc, Id, Index, NextPart, Prefix, Table},
    storage::Order,
};

/// A query over an index, built step by step and run by [`collect`](Self::collect), [`iter`](Self::iter),
/// [`first`](Self::first), [`unique`](Self::unique), [`count`](Self::count) or [`page`](Self::page).
///
/// `K` is the index's key and `R` what is left of it: `eq` takes a prefix of the key and leaves the rest, and a range
/// is over the next part. A wrong type or order of parts does not compile.
///
/// It reads the rows of the range and no others; a filter looks at each of them. What it depends on, as a
/// subscription, is the range up to the last row that it looked at.
#[must_use = "a query does nothing until it is run"]
pub struct IndexQuery<'tx, T: Table, K, R = K> {
    tx: &'tx ReadTx,
    index: Index<T, K>,
    /// Index key parts that are given, after the keyspace; made when the query runs, for the table may be unknown.
    prefix: Vec<u8>,
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    order: Order,
    limit: usize,
    filter: Option<Filter<'tx, T>>,
    skips_unreadable: bool,
    rest: PhantomData<fn() -> R>,
}

impl ReadTx {
    /// A query over an index: [`eq`](IndexQuery::eq) and [`range`](IndexQuery::range) narrow it, [`collect`](IndexQuery::collect) and
    /// its like run it. Rows come in the order of the index; `T::by_id` is the order in which they were inserted.
    pub fn query<T: Table, K>(&self, index: Index<T, K>) -> IndexQuery<'_, T, K> {
        IndexQuery::new(self, index)
    }
}

impl<'tx, T: Table, K> IndexQuery<'tx, T, K> {
    fn new(tx: &'tx ReadTx, index: Index<T, K>) -> Self {
        Self {
            tx,
            index,
            prefix: Vec::new(),
            lower: Bound::Unbounded,
            upper: Bound::Unbounded,
            order: Order::Ascending,
            limit: usize::MAX,
            filter: None,
            skips_unreadable: false,
            rest: PhantomData,
        }
    }

    /// Only rows whose key begins with these values: one part bare, `eq(project)`, or several as a tuple,
    /// `eq((project, Category::Todo))`.
    pub fn eq<P: Prefix<K, M>, M>(self, prefix: P) -> IndexQuery<'tx, T, K, P::Rest> {
        let mut key = KeyWriter::new(0);
        prefix.write(&mut key);
        let prefix = key.finish().local().to_vec();
        let Self { tx, index, lower, upper, order, limit, filter, skips_unreadable, .. } = self;
        IndexQuery { tx, index, prefix, lower, upper, order, limit, filter, skips_unreadable, rest: PhantomData }
    }
}

impl<'tx, T: Table, K, R> IndexQuery<'tx, T, K, R> {
    /// Only rows whose next part of the key lies in the range: `range(from..)`, `range(..=to)`, `range(from..to)`.
    /// Nothing narrows the key further after it: neither another range nor an `eq`, which would be over another part.
    pub fn range<Q>(self, range: impl RangeBounds<Q>) -> IndexQuery<'tx, T, K, ()>
    where
        R: NextPart,
        Q: AsPart<R::Part>,
    {
        let (lower, upper) = (encoded(range.start_bound()), encoded(range.end_bound()));
        let Self { tx, index, prefix, order, limit, filter, skips_unreadable, .. } = self;
        IndexQuery { tx, index, prefix, lower, upper, order, limit, filter, skips_unreadable, rest: PhantomData }
    }

    /// Largest key first.
    pub fn descending(mut self) -> Self {
        self.order = Order::Descending;
        self
    }

    /// Smallest key first, which is what a query does unless it is told otherwise.
    pub fn ascending(mut self) -> Self {
        self.order = Order::Ascending;
        self
    }

    /// Only rows for which `keep` answers true. Every row of the range is read for it; an index is cheaper where many
    /// are dropped. Several filters must all hold.
    pub fn filter(mut self, keep: impl Fn(&Doc<T>) -> bool + 'tx) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(earlier) => Box::new(move |doc| earlier(doc) && keep(doc)),
            None => Box::new(keep),
        });
        self
    }

    /// Passes over rows that do not decode, which are errors otherwise. [`ReadTx::unreadable`] finds them.
    pub fn skip_unreadable(mut self) -> Self {
        self.skips_unreadable = true;
        self
    }

    /// At most `limit` rows, over all pages together. Reading stops there, and so does what the query depends on.
    pub fn take(mut self, limit: usize) -> Self {
        self.limit = self.limit.min(limit);
        self
    }

    /// Every row, in order.
    ///
    /// # Errors
    ///
    /// A row that does not decode, a storage failure, or a table that is not registered; so for all that run a query.
    /// [`iter`](Self::iter) goes on after a row that does not decode, and [`skip_unreadable`](Self::skip_unreadable)
    /// passes over it.
    pub fn collect(self) -> Result<Vec<Doc<T>>, Error> {
        self.iter()?.collect()
    }

    /// The rows one at a time, without collecting them.
    pub fn iter(self) -> Result<Rows<'tx, T>, Error> {
        let range = self.byte_range()?;
        let rows = Rows::new(self.tx, self.index.position(), range.clone(), range, self.limit, self.filter)?;
        Ok(rows.skip_unreadable(self.skips_unreadable))
    }

    /// The first row. Reads no further.
    pub fn first(self) -> Result<Option<Doc<T>>, Error> {
        self.take(1).iter()?.next().transpose()
    }

    /// The only row, or `None`.
    ///
    /// # Errors
    ///
    /// [`NotUnique`](TransactionError::NotUnique) where there is a second one.
    pub fn unique(self) -> Result<Option<Doc<T>>, Error> {
        let index = self.index.name();
        let mut rows = self.take(2).iter()?;
        let Some(first) = rows.next().transpose()? else { return Ok(None) };
        let Some(second) = rows.next().transpose()? else { return Ok(Some(first)) };
        let (first, second) = (first.id().to_string(), second.id().to_string());
        Err(TransactionError::NotUnique { table: T::DEFINITION.name, index, first, second }.into())
    }

    /// How many rows there are. Reads the index only, unless there is a filter; costs what the range is long.
    pub fn count(self) -> Result<usize, Error> {
        self.iter()?.count_rows()
    }

    /// A page of at most `size` rows, from the beginning or after a cursor, with the cursor of the next one.
    ///
    /// Pages neither repeat nor skip a row that is there throughout, whatever is inserted or deleted between them. The
    /// limit of [`take`](Self::take) holds for all pages together. With a `size` of 0 the page is empty and the last.
    ///
    /// A page reads, and depends on, its rows and the entry after them, which tells whether it is the last. That entry
    /// is not put to the filter, so a filter may leave the last page empty; so may a `multi` index, where many entries
    /// in a row belong to rows that came before.
    ///
    /// # Errors
    ///
    /// [`InvalidCursor`](TransactionError::InvalidCursor) for a cursor of another index, range, order or limit.
    pub fn page(self, size: usize, after: Option<&Cursor>) -> Result<Page<T>, Error> {
        let whole = self.byte_range()?;
        let limit = (self.limit < usize::MAX).then_some(self.limit);
        let mut range = whole.clone();
        if let Some(cursor) = after {
            cursor.narrow(&mut range, limit)?;
        }
        let remaining = after.map_or(limit.map(|limit| limit as u64), Cursor::remaining);
        let size = remaining.map_or(size, |remaining| usize::try_from(remaining).map_or(size, |most| size.min(most)));
        let rows = Rows::new(self.tx, self.index.position(), range, whole.clone(), size, self.filter)?;
        let mut rows = rows.skip_unreadable(self.skips_unreadable);
        let mut docs = Vec::new();
        let mut last_key = Vec::new();
        while let Some(doc) = rows.next().transpose()? {
            docs.push(doc);
            last_key.clear();
            last_key.extend_from_slice(rows.key());
        }
        let remaining = remaining.map(|remaining| remaining - docs.len() as u64);
        let is_last = docs.is_empty() || docs.len() < size || remaining == Some(0) || !rows.has_more()?;
        Ok(Page { docs, next: (!is_last).then(|| Cursor::new(&whole, limit, remaining, &last_key)) })
    }

    /// The keys between which it reads, as a range to depend on.
    pub(crate) fn key_range(&self) -> Result<ByteRange, Error> {
        let range = self.byte_range()?;
        Ok(ByteRange::between(&range.start, &range.end))
    }

    /// Visits the entries of an index as long as `visit` answers true: each as its key after the keyspace, and the id
    /// of its row. Reads no rows, so a filter has no effect.
    pub(crate) fn walk_keys(self, visit: impl FnMut(&[u8], Id<T>) -> bool) -> Result<(), Error> {
        self.iter()?.walk_keys(visit)
    }

    fn byte_range(&self) -> Result<Range, Error> {
        let table = self.tx.tables.of::<T>()?;
        self.tx.check_ready(table, self.index.position())?;
        let keyspace = table.keyspace_of(self.index.position());
        let mut prefix = keyspace.to_be_bytes().to_vec();
        prefix.extend_from_slice(&self.prefix);
        let with = |part: &[u8]| [prefix.as_slice(), part].concat();
        let after = |key: Vec<u8>| prefix_end(&key).unwrap_or(key);
        let start = match &self.lower {
            Bound::Included(part) => with(part),
            Bound::Excluded(part) => after(with(part)),
            Bound::Unbounded => prefix.clone(),
        };
        let end = match &self.upper {
            Bound::Included(part) => after(with(part)),
            Bound::Excluded(part) => with(part),
            Bound::Unbounded => after(prefix.clone()),
        };
        Ok(Range { start, end, order: self.order })
    }
}

fn encoded<Q: AsPart<A>, A>(bound: Bound<&Q>) -> Bound<Vec<u8>> {
    bound.map(|part| {
        let mut key = KeyWriter::new(0);
        part.write_part(&mut key);
        key.finish().local().to_vec()
    })
}

#[cfg(test)]
mod tests;
