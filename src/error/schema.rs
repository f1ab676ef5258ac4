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
    #[error("table {table:?} gained field {field:?} without a default; write `{}: {field_type} = …`", last_name(field))]
    MissingDefault {
        /// The table.
        table: String,
        /// The new field, or where it is: `steps[].note`.
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
    /// Something within a field has another type than in its stored rows.
    #[error(
        "table {table:?} field {path:?} is stored as `{stored}` and declared as `{declared}`; declare the stored type of {field:?} under another name, and write `convert {field}: … => |old| …;` with that type in the table's `with` block"
    )]
    ChangedNestedType {
        /// The table.
        table: String,
        /// The table's field.
        field: String,
        /// Where in it: `steps[].note`.
        path: String,
        /// The type the rows were written with.
        stored: String,
        /// The type in the schema now.
        declared: String,
    },
    /// Rows hold a field that is not declared any more.
    #[error(
        "table {table:?} stores field {field:?} of type `{stored}`, and it is not declared; declare it; or, if it has another name now, write `was {name:?}` after that name; or write `dropped {name:?};` in the `with` block of {owner}, and its values are lost", name = last_name(field)
    )]
    UndeclaredField {
        /// The table.
        table: String,
        /// The stored field, or where it is: `steps[].note`.
        field: String,
        /// Its stored type.
        stored: String,
        /// What it was a field of: the table, or a struct.
        owner: String,
    },
    /// Rows may hold a variant that is not declared any more.
    #[error(
        "table {table:?} field {field:?} is stored with the variant {variant:?} of enum `{enumeration}`, and it is not declared; declare it; or, if it has another text now, write `was {variant:?}` after that text; or write `dropped {variant:?};` in the `with` block of enum `{enumeration}`, once no row holds it"
    )]
    UndeclaredVariant {
        /// The table.
        table: String,
        /// The field, or where in it: `steps[].state`.
        field: String,
        /// The enum.
        enumeration: String,
        /// The stored variant.
        variant: String,
    },
    /// `dropped "…"` names something that is declared.
    #[error(
        "table {table:?} says that {dropped:?} was dropped, and declares {:?} as well, or as an earlier name; remove one of the two",
        last_name(dropped)
    )]
    DroppedClash {
        /// The table.
        table: String,
        /// The field or variant, or where it is: `steps[].note`.
        dropped: String,
    },
    /// `was "…"` names a field or a variant that is declared as well.
    #[error(
        "table {table:?} field {field:?} says it was {was:?}, but {was:?} is still declared; remove one of the two"
    )]
    RenameClash {
        /// The table.
        table: String,
        /// The renamed field or variant, or where it is: `steps[].note`.
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

/// The field's own name, of where it is.
fn last_name(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, name)| name)
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        Self::Open(OpenError::Schema(error))
    }
}
