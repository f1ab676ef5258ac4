//! [`Table`]: what the engine can do with the rows of a type.

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{definition::TableDefinition, index_visitor::IndexVisitor};
use crate::{
    encoding::{Describer, FieldType, Layouts, RowReader, RowWriter, Typed},
    error::RowError,
    time::Timestamp,
};

/// A type whose values are the rows of a table. Only [`schema!`](crate::schema!) implements it.
///
/// In JSON and other formats that name fields, a row is an object with the fields' names in camelCase. When it is read,
/// unknown names are errors, and an absent field takes its default, or `None` if it is an `Option`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a table",
    label = "declare it with `schema! {{ pub table {Self} in \"…\" {{ … }} }}`"
)]
pub trait Table: Typed + Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned {
    /// What was declared.
    const DEFINITION: &'static TableDefinition;

    /// What its fields are made of, in order.
    #[doc(hidden)]
    fn describe_fields(describer: &mut Describer) -> Vec<FieldType>;

    /// Appends every field to a stored row.
    #[doc(hidden)]
    fn write_fields(&self, row: &mut RowWriter) -> Result<(), RowError>;

    /// Reads every field of a stored row.
    #[doc(hidden)]
    fn read_fields(row: &mut RowReader<'_>) -> Result<Self, RowError>;

    /// Shows the fields of the index at this position.
    #[doc(hidden)]
    fn visit_index<V: IndexVisitor<Self>>(index: usize, visitor: &mut V);

    /// Sets the reference of the index at this position, which says `on delete set null`, to `None`.
    #[doc(hidden)]
    fn clear_reference(&mut self, index: usize);
}

/// The bytes of a row.
pub(super) type StoredRow = Result<Arc<[u8]>, RowError>;

/// The row as it is stored, in the layout with this number, which is the declared one.
pub(crate) fn encode_row<T: Table>(value: &T, layout: u32, created_at: Timestamp) -> StoredRow {
    let mut row = RowWriter::new(layout, created_at);
    value.write_fields(&mut row)?;
    Ok(row.finish())
}

/// A stored row of any layout, and when it was created.
pub(crate) fn decode_row<T: Table>(row: &[u8], layouts: &Layouts) -> Result<(T, Timestamp), RowError> {
    let mut reader = RowReader::new(row, layouts)?;
    let value = T::read_fields(&mut reader)?;
    Ok((value, reader.created_at()))
}
