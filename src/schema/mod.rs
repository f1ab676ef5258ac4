//! What a table is: how a host declares it, what its rows, ids and indexes are, and what the database remembers of it.
//!
//! Nothing in here reads or writes a database. Bytes are made on the floor below, by `encoding`; which rows exist, the
//! floors above know.
//!
//! - `naming`, `misuse` and `text_enum` serve `schema!`: names, compile errors, enums.
//! - `definition` is what was declared, as constants; `key_type` and `reference` say which fields may be part of an
//!   index, and `index_visitor` is shown them.
//! - `table` is a type of rows; `id` and `doc` are what they are known and handed out by.
//! - `index` is `Index` and the typed prefixes of its key; `keys` makes a row's keys.
//! - `draft` and `json` are rows and documents in the formats of serde.
//! - `table_ops` is what can be done with rows without their type: `TableOps` for one table, `Tables` for many.
//! - `draft_macro`, `table_macro` and `macros` are `schema!`.
//! - `catalog` is what the database remembers of its tables, and `evolution` compares it with what is declared.

mod naming;
mod misuse;
mod text_enum;
mod definition;
mod key_type;
mod reference;
mod index_visitor;
mod draft;
mod table;
mod id;
mod index;
mod doc;
mod json;
mod keys;
mod table_ops;
mod draft_macro;
mod table_macro;
mod macros;
pub(crate) mod catalog;
pub(crate) mod evolution;

pub(crate) use self::{
    definition::{IndexKind, OnDelete},
    id::id_text,
    keys::{IndexKeys, referenced},
    table::{decode_row, encode_row},
    table_ops::TableOps,
};
pub use self::{
    doc::Doc,
    id::Id,
    index::{AsPart, Index, NextPart, Prefix},
    key_type::KeyType,
    table::Table,
    table_ops::Tables,
    text_enum::UnknownVariant,
};

/// What the code that `schema!` writes names; no part of the interface.
pub(crate) mod macro_support {
    pub use serde;

    pub use super::{
        definition::*,
        draft::{Draft, FieldSerializer, absent, deserialize_named, read_once, serialize_named},
        id::Id,
        index::{AsPart, Index, NextPart, OnePart, Prefix, TupleOfParts},
        index_visitor::IndexVisitor,
        json::{deserialize_row, serialize_row},
        key_type::{KeyType, MultiField, UnknownField},
        keys::{key_types, reference_target},
        misuse::*,
        naming::*,
        reference::{NullableReference, ReferenceField, clear_reference},
        table::Table,
        table_ops::TableOps,
        text_enum::{TextEnum, UnknownVariant, describe_enum, deserialize_variant, parse_variant},
    };
    pub use crate::{
        encoding::{KeyPart, KeyWriter, Layouts, RowReader, RowWriter, decode_value, encode_value},
        error::RowError,
    };
}
