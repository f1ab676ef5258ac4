//! [`DynamicRows`]: the rows of any table, by what the catalog says of it.

use super::{read::ReadTx, read_set::ReadOn, tables::catalog_key};
use crate::{
    encoding::{ByteRange, KEYSPACE_BYTES, Key, KeyWriter, prefix_end},
    error::{Error, IdError, TransactionError},
    schema::{CatalogDescription, DynamicRow, DynamicTable, catalog::Catalog, id_of_any_table},
    storage::{Order, Scan},
};

impl ReadTx {
    /// What the database says of itself: tables, fields with their types, indexes, layouts.
    ///
    /// # Errors
    ///
    /// A storage failure.
    pub fn catalog(&self) -> Result<CatalogDescription, Error> {
        self.track_key(&catalog_key());
        let catalog = self.snapshot.get(&catalog_key(), Catalog::decode)?.transpose().map_err(Error::Open)?;
        Ok(CatalogDescription::from(&catalog.unwrap_or_default()))
    }

    /// The rows of the table with this name, in the order of their ids. The program need not have declared it.
    ///
    /// They are read one by one. A row that does not decode is an error, after which the others follow.
    ///
    /// # Errors
    ///
    /// [`NoSuchTable`](TransactionError::NoSuchTable).
    pub fn rows_of(&self, table: &str) -> Result<DynamicRows<'_>, Error> {
        let no_such_table = || TransactionError::NoSuchTable { table: table.to_owned() };
        let table = self.tables.catalog().table(table).ok_or_else(no_such_table)?;
        let start = table.keyspace.to_be_bytes();
        let end = prefix_end(&start).unwrap_or_default();
        Ok(DynamicRows {
            tx: self,
            table: DynamicTable::new(table),
            start: start.to_vec(),
            end,
            scan: None,
            is_exhausted: false,
        })
    }

    /// The row with this id as text, of whatever table it names, or `None`.
    ///
    /// # Errors
    ///
    /// A text that is no id; [`NoSuchTable`](TransactionError::NoSuchTable); a row that does not decode; a storage
    /// failure.
    pub fn row_of(&self, id: &str) -> Result<Option<DynamicRow>, Error> {
        let (name, number) = id_of_any_table(id).map_err(|reason| IdError::NoId { text: id.to_owned(), reason })?;
        let no_such_table = || TransactionError::NoSuchTable { table: name.to_owned() };
        let table = self.tables.catalog().table(name).ok_or_else(no_such_table)?;
        let key = row_key(table.keyspace, number);
        self.track_key(&key);
        self.count_document();
        let row = self.read_value(&key, |row| DynamicTable::new(table).read(number, row))?;
        Ok(row.transpose()?)
    }
}

fn row_key(keyspace: u32, number: u64) -> Key {
    let mut key = KeyWriter::new(keyspace);
    key.id(number);
    key.finish()
}

/// The rows of a table, one at a time: see [`ReadTx::rows_of`].
///
/// Reads as it goes: a subscription depends on the rows that were asked for.
pub struct DynamicRows<'tx> {
    tx: &'tx ReadTx,
    table: DynamicTable<'tx>,
    start: Vec<u8>,
    end: Vec<u8>,
    /// `None` until the first row is asked for.
    scan: Option<Scan<'tx>>,
    is_exhausted: bool,
}

impl DynamicRows<'_> {
    /// Only rows whose id has a larger number: to go on where an earlier walk stopped.
    #[must_use]
    pub fn after(mut self, number: u64) -> Self {
        self.start.truncate(KEYSPACE_BYTES);
        self.start.extend_from_slice(&number.to_be_bytes());
        self.start.push(0);
        self
    }

    fn next_row(&mut self) -> Result<Option<DynamicRow>, Error> {
        if self.is_exhausted {
            return Ok(None);
        }
        let scan = match &mut self.scan {
            Some(scan) => scan,
            none => none.insert(self.tx.scan(&self.start, &self.end, Order::Ascending)?),
        };
        if !scan.advance()? {
            self.is_exhausted = true;
            return Ok(None);
        }
        self.tx.count_document();
        let number = scan.key().first_chunk::<8>().map_or(0, |number| u64::from_be_bytes(*number));
        Ok(Some(self.table.read(number, scan.value())?))
    }
}

impl Iterator for DynamicRows<'_> {
    type Item = Result<DynamicRow, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.next_row();
        self.is_exhausted |= row.as_ref().is_err_and(|error| !matches!(error, Error::Row(_)));
        row.transpose()
    }
}

impl Drop for DynamicRows<'_> {
    fn drop(&mut self) {
        let mut end = self.end.clone();
        if !self.is_exhausted {
            let Some(scan) = self.scan.as_ref().filter(|scan| !scan.key().is_empty()) else { return };
            end = [&self.start[..KEYSPACE_BYTES], scan.key(), &[0]].concat();
        }
        self.tx.track_range(ByteRange::between(&self.start, &end), ReadOn::Rows);
    }
}
