//! Values to bytes and back.
//!
//! This floor knows bytes and their order, and what types are made of. It must not know tables, files or transactions.
//!
//! - `byte_range`: ranges of keys.
//! - `key`: composite keys, and the writer that builds them.
//! - `key_part`: values as bytes that sort as the values do.
//! - `stored`: the bytes that stored values are made of.
//! - `description`: what a type is made of.
//! - `typed`: types that are known structurally.
//! - `described_key`: key parts of stored values, by the description of their type.
//! - `layouts`: how rows of earlier layouts are read; `row_writer` and `row`: rows, field by field.

pub(crate) mod byte_range;
mod key;
mod key_part;
mod stored;
mod description;
mod typed;
mod described_key;
mod layouts;
mod row_writer;
mod row;

pub(crate) use byte_range::ByteRange;
pub(crate) use described_key::write_key_part;
pub(crate) use description::Scope;
pub use description::{Describer, EnumType, FieldType, IntegerType, StructType, Type};
pub use key::KeyWriter;
pub(crate) use key::{FIRST_KEYSPACE, INDEX_KEYSPACE, KEYSPACE_BYTES, Key, KeyspaceKind, kind_of, prefix_end};
pub use key_part::KeyPart;
pub(crate) use key_part::timestamp_of_part;
pub use layouts::Layouts;
pub(crate) use layouts::{ConvertField, FieldSource, LayoutPlan};
pub use row::RowReader;
pub(crate) use row::{created_at_of, layout_of};
pub use row_writer::RowWriter;
pub use stored::{DecodeError, StoredReader, StoredWriter};
pub use typed::{Typed, decode_value, encode_value};
