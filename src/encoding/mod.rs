//! Values to bytes and back.
//!
//! This floor knows bytes and their order. It must not know tables, files or transactions.
//!
//! - `key.rs`: composite keys, and the writer that builds them.
//! - `key_part.rs`: values as bytes that sort as the values do.
//! - `row.rs`: rows; the one file that names bincode.
//! - `byte_range.rs`: ranges of keys.

pub(crate) mod byte_range;
mod key;
mod key_part;
mod row;

pub(crate) use byte_range::ByteRange;
pub use key::KeyWriter;
pub(crate) use key::{FIRST_KEYSPACE, INDEX_KEYSPACE, KEYSPACE_BYTES, Key, KeyspaceKind, kind_of, prefix_end};
pub use key_part::KeyPart;
pub(crate) use key_part::timestamp_of_part;
pub(crate) use row::{FieldSource, LayoutPlan, layout_of};
pub use row::{Layouts, RowReader, RowWriter, decode_value, encode_value};
