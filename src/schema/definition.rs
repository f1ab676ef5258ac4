//! What [`schema!`](crate::schema!) says about a table, as constants: the declared side that the catalog is compared
//! with.

use crate::encoding::Type;

/// A value's bytes in a row, or why it has none.
pub type EncodedValue = Result<Vec<u8>, String>;

/// A declared table.
#[derive(Debug)]
pub struct TableDefinition {
    /// Its name in the database: `in "…"`.
    pub name: &'static str,
    /// Its fields, in the order of declaration, which is the order of the current row layout.
    pub fields: &'static [FieldDefinition],
    /// Its indexes without `by_id`, which is the table's own keyspace.
    pub indexes: &'static [IndexDefinition],
    /// Fields of earlier rows whose values may go: `dropped "…"`.
    pub dropped: &'static [&'static str],
}

/// A declared field.
#[derive(Debug)]
pub struct FieldDefinition {
    /// Its name in Rust, without `r#`.
    pub name: &'static str,
    /// Its type as it was written.
    pub type_name: &'static str,
    /// What its type is made of.
    pub of: fn() -> &'static Type,
    /// Its name in earlier rows: `was "…"`.
    pub was: Option<&'static str>,
    /// The encoded default for rows that were written before the field existed.
    pub default: Option<fn() -> EncodedValue>,
    /// How values of an earlier type become values of this one.
    pub conversion: Option<Conversion>,
}

/// `convert field: Old => …`: from the encoded value of an earlier type to the encoded value of the declared one.
#[derive(Debug)]
pub struct Conversion {
    /// The earlier type as it was written.
    pub from: &'static str,
    /// What the earlier type is made of.
    pub of: fn() -> &'static Type,
    /// Decodes, converts, encodes.
    pub convert: fn(&[u8]) -> EncodedValue,
}

/// A declared index.
#[derive(Debug)]
pub struct IndexDefinition {
    /// Its name, unique within the table.
    pub name: &'static str,
    /// What it keeps of a row.
    pub kind: IndexKind,
    /// The fields of its key, in order.
    pub fields: &'static [&'static str],
    /// What its key's parts are made of; when this changes, the stored index is rebuilt.
    pub key_types: fn() -> Vec<String>,
    /// What its first field refers to, if it says `on delete`.
    pub reference: Option<Reference>,
}

/// What an index keeps of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// One entry per row.
    Plain,
    /// One entry per row, and no two rows with the same key.
    Unique,
    /// One entry per distinct element of the row's `Vec`.
    Multi,
}

/// That an index's first field holds the id of a row which must exist.
#[derive(Debug)]
pub struct Reference {
    /// Name of the table it refers to.
    pub target: fn() -> &'static str,
    /// What deleting the target does to the row.
    pub on_delete: OnDelete,
}

/// What deleting a row does to the rows that refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// They are deleted too.
    Cascade,
    /// It is refused.
    Restrict,
    /// Their reference becomes `None`.
    SetNull,
}
