//! Why the declared tables do not fit the stored ones.

use super::{Error, OpenError};

/// Why the declared tables do not fit the stored ones.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Two declared tables have one name.
    #[error("two tables are declared as {table:?}; names must differ")]
    DuplicateTable {
        /// The name.
        table: String,
    },
    /// A table holds rows and is not declared any more.
    #[error(
        "the database holds table {table:?} with rows, and it is not declared; add it to `.tables::<…>()`, or drop it with `.drop_table({table:?})`"
    )]
    UndeclaredTable {
        /// The stored table.
        table: String,
    },
    /// A field appeared that stored rows have no value for.
    #[error("table {table:?} gained field {field:?} without a default; write `{field}: {field_type} = …`")]
    MissingDefault {
        /// The table.
        table: String,
        /// The new field.
        field: String,
        /// Its declared type.
        field_type: String,
    },
    /// A field has another type than its stored rows.
    #[error(
        "table {table:?} field {field:?} is stored as `{stored}` and declared as `{declared}`; write `convert {field}: {stored} => |old| …;` in the table's `with` block"
    )]
    ChangedType {
        /// The table.
        table: String,
        /// The field.
        field: String,
        /// The type the rows were written with.
        stored: String,
        /// The type in the schema now.
        declared: String,
    },
    /// `was "…"` names a field that the declared table has as well.
    #[error(
        "table {table:?} field {field:?} says it was {was:?}, but {was:?} is still declared; remove one of the two"
    )]
    RenameClash {
        /// The table.
        table: String,
        /// The renamed field.
        field: String,
        /// Its old name.
        was: String,
    },
    /// A reference points to a table that was not registered.
    #[error(
        "table {table:?} index {index:?} refers to table {target:?}, which is not declared; add it to `.tables::<…>()`"
    )]
    UnknownReference {
        /// The table with the reference.
        table: String,
        /// The index that declares it.
        index: String,
        /// The table it points to.
        target: String,
    },
    /// A unique index cannot be built, for two rows share its key.
    #[error(
        "table {table:?} cannot have the unique index {index:?}: {first} and {second} have the same key; change one of them first"
    )]
    DuplicateKey {
        /// The table.
        table: String,
        /// The new unique index.
        index: String,
        /// Id of one row, as text.
        first: String,
        /// Id of the other, as text.
        second: String,
    },
    /// A reference cannot be declared, for a stored row points at nothing.
    #[error(
        "table {table:?} index {index:?} cannot become a reference: {id} points to {missing}, which does not exist; mend the row first"
    )]
    DanglingReference {
        /// The table.
        table: String,
        /// The index that declares the reference.
        index: String,
        /// The row that points at nothing, as text.
        id: String,
        /// The id it points to, as text.
        missing: String,
    },
    /// The database was written by a version of this crate from before its first release.
    #[error(
        "the catalog has format {found}, of a version before the first release, and this release reads format {supported}; export the data with that version"
    )]
    EarlierFormat {
        /// The format number found.
        found: u8,
        /// The format that this release reads.
        supported: u8,
    },
    /// The stored catalog cannot be read.
    #[error("the catalog is damaged ({reason}); restore the database from a backup")]
    DamagedCatalog {
        /// What did not decode.
        reason: String,
    },
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        Self::Open(OpenError::Schema(error))
    }
}
