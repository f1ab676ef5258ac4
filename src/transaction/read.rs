//! [`ReadTx`]: documents at one commit timestamp.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::{
    buffer::WriteBuffer,
    read_set::{ReadOn, ReadSet},
    tables::{OpenTable, OpenTables, catalog_key},
};
use crate::{
    encoding::{ByteRange, Key},
    error::{Error, RowError, StorageError, TransactionError},
    schema::{Doc, Id, Table, decode_row},
    storage::{Change, Order, Scan, Snapshot},
    time::Ts,
};

/// A transaction that reads: the database as it stood after one commit, whatever is written meanwhile.
///
/// It holds no lock and keeps nobody waiting. As long as it lives, space that newer commits replaced is not reused.
/// A [`WriteTx`](crate::WriteTx) can be used wherever a `&ReadTx` is wanted, and then also sees its own changes.
pub struct ReadTx {
    pub(super) tables: Arc<OpenTables>,
    pub(super) snapshot: Snapshot,
    /// A write transaction's own changes; empty in one that only reads.
    pub(super) buffer: WriteBuffer,
    /// Collected where somebody asked for it.
    reads: Option<RefCell<ReadSet>>,
    /// How many rows were read, for whoever measures.
    pub(super) documents_read: Cell<u64>,
}

impl ReadTx {
    pub(super) fn new(tables: Arc<OpenTables>, snapshot: Snapshot) -> Self {
        Self { tables, snapshot, buffer: WriteBuffer::default(), reads: None, documents_read: Cell::new(0) }
    }

    pub(super) fn tracked(tables: Arc<OpenTables>, snapshot: Snapshot) -> Self {
        Self { reads: Some(RefCell::default()), ..Self::new(tables, snapshot) }
    }

    /// The document with this id, or `None`. One point read.
    ///
    /// # Errors
    ///
    /// A row that does not decode, a storage failure, or a table that is not registered.
    pub fn get<T: Table>(&self, id: Id<T>) -> Result<Option<Doc<T>>, Error> {
        let table = self.tables.of::<T>()?;
        if let Some(reads) = &self.reads {
            reads.borrow_mut().add_key(&table.row_key(id.as_u64()));
        }
        self.count_document();
        match self.read_row(table, id.as_u64(), |row| decode(row, table, id))? {
            Some(doc) => doc.map(Some).map_err(Error::from),
            None => Ok(None),
        }
    }

    /// The document with this id, which must be there.
    ///
    /// # Errors
    ///
    /// `NotFound`, and what [`get`](Self::get) answers.
    pub fn existing<T: Table>(&self, id: Id<T>) -> Result<Doc<T>, Error> {
        self.get(id)?.ok_or_else(|| TransactionError::NotFound { id: id.to_string() }.into())
    }

    /// The commit that this transaction sees; for a write transaction, the one before its own.
    pub fn ts(&self) -> Ts {
        Ts::from_u64(self.snapshot.ts)
    }

    /// A number that tells the database of this transaction from others of the process.
    pub(crate) fn database(&self) -> usize {
        self.tables.identity()
    }

    /// How many rows this transaction has read.
    pub(crate) fn documents_read(&self) -> u64 {
        self.documents_read.get()
    }

    /// What the floors above gave the database to carry, if it is of type `C`.
    pub(crate) fn companion<C: 'static>(&self) -> Option<&C> {
        self.tables.companion()
    }

    /// The same, for those who also change the transaction.
    pub(crate) fn companion_handle<C: Send + Sync + 'static>(&self) -> Option<Arc<C>> {
        self.tables.companion_handle()
    }

    /// What was read so far, where it was collected.
    pub(super) fn into_reads(self) -> ReadSet {
        self.reads.map(RefCell::into_inner).unwrap_or_default().normalised()
    }

    pub(super) fn count_document(&self) {
        self.documents_read.set(self.documents_read.get() + 1);
    }

    pub(super) fn is_tracked(&self) -> bool {
        self.reads.is_some()
    }

    /// Refuses an index that does not cover every row at the commit that the transaction sees. Who was refused depends on
    /// the catalog, which changes when the index is ready.
    pub(super) fn check_ready(&self, table: &OpenTable, index: Option<usize>) -> Result<(), Error> {
        let Some(position) = index else { return Ok(()) };
        let readiness = &table.readiness[position];
        if readiness.is_ready_at(self.snapshot.ts) {
            return Ok(());
        }
        self.track_key(&catalog_key());
        let (rows_done, rows_at_most) = readiness.progress();
        let (table, index) = (table.name(), table.ops.definition.indexes[position].name);
        let failure = readiness.failure();
        Err(TransactionError::IndexNotReady { table, index, rows_done, rows_at_most, failure }.into())
    }

    /// Depends on one key.
    pub(super) fn track_key(&self, key: &Key) {
        let mut end = key.to_vec();
        end.push(0);
        self.track_range(ByteRange::between(key, &end), ReadOn::Rows);
    }

    pub(super) fn track_range(&self, range: ByteRange, on: ReadOn) {
        if let Some(reads) = &self.reads {
            reads.borrow_mut().add(range, on);
        }
    }

    /// Reads one value in place, own changes first.
    pub(super) fn read_value<R>(&self, key: &Key, read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, Error> {
        match self.buffer.changes().get(key) {
            Some(Change::Put(value)) => Ok(Some(read(value))),
            Some(Change::Delete) => Ok(None),
            Some(Change::Touch) | None => self.noting_failure(self.snapshot.get(key, read)),
        }
    }

    /// Reads one row in place, own changes first.
    pub(super) fn read_row<R>(
        &self,
        table: &OpenTable,
        id: u64,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Error> {
        if self.buffer.changes().is_empty() {
            return self.noting_failure(self.snapshot.get_row(table.keyspace, id, read));
        }
        self.read_value(&table.row_key(id), read)
    }

    pub(super) fn scan(&self, start: &[u8], end: &[u8], order: Order) -> Result<Scan<'_>, Error> {
        self.noting_failure(self.snapshot.scan(self.buffer.changes(), start, end, order))
    }

    /// Has whoever tracks the reads know of one that failed.
    pub(super) fn noting_failure<R>(&self, read: Result<R, StorageError>) -> Result<R, Error> {
        Ok(read.inspect_err(|error| {
            if let Some(reads) = &self.reads {
                reads.borrow_mut().add_failure(error.kind());
            }
        })?)
    }
}

/// Makes a document of a stored row.
pub(super) fn decode<T: Table>(row: &[u8], table: &OpenTable, id: Id<T>) -> Result<Doc<T>, RowError> {
    let decoded = decode_row::<T>(row, &table.layouts);
    let (value, created_at) = decoded.map_err(|error| with_row(error, || id.to_string()))?;
    Ok(Doc::new(id, created_at, Arc::new(value)))
}

/// Says which row it was that did not decode.
pub(super) fn with_row(error: RowError, id: impl FnOnce() -> String) -> RowError {
    match error {
        RowError::Decode { field, reason, .. } => RowError::Decode { row: id(), field, reason },
        RowError::Encode { .. } => error,
    }
}
