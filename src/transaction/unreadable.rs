//! [`UnreadableRow`]: rows that do not decode, found one by one.

use super::{read::ReadTx, read_set::ReadOn};
use crate::{
    encoding::{ByteRange, prefix_end},
    error::{Error, RowError},
    schema::{Id, Table},
    storage::Order,
};

/// A row that does not decode: which one, and why.
///
/// [`WriteTx::delete`](crate::WriteTx::delete) removes it, [`WriteTx::replace`](crate::WriteTx::replace) puts a value
/// in its place, and [`ReadTx::row_of`] shows what can be read of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UnreadableRow<T: Table> {
    /// Which row it is.
    pub id: Id<T>,
    /// Why it does not decode.
    pub error: RowError,
}

impl ReadTx {
    /// The rows of a table that do not decode, in the order of their ids. Reads the whole table.
    ///
    /// Rows do not decode where a [`Json<T>`](crate::Json) field holds what its type no longer takes, or where a file was
    /// damaged in a way that no checksum shows. They keep nobody from reading the others.
    ///
    /// # Errors
    ///
    /// A storage failure, or a table that is not registered.
    pub fn unreadable<T: Table>(&self) -> Result<Vec<UnreadableRow<T>>, Error> {
        let table = self.tables.of::<T>()?;
        let start = table.keyspace.to_be_bytes();
        let Some(end) = prefix_end(&start) else { return Ok(Vec::new()) };
        self.track_range(ByteRange::between(&start, &end), ReadOn::Rows);
        let mut unreadable = Vec::new();
        let mut scan = self.scan(&start, &end, Order::Ascending)?;
        while scan.advance()? {
            let Some(id) = scan.key().first_chunk::<8>().map(|id| u64::from_be_bytes(*id)) else { continue };
            let id = Id::from_raw(id);
            self.count_document();
            if let Err(error) = super::read::decode::<T>(scan.value(), table, id) {
                unreadable.push(UnreadableRow { id, error });
            }
        }
        Ok(unreadable)
    }
}
