//! What a table is: how a host declares it, what its rows, ids and indexes are, and what the database remembers of it.
//!
//! Nothing in here reads or writes a database. Bytes are made on the floor below, by `encoding`; which rows exist, the
//! floors above know.
//!
//! - `macros`, `table_macro` and `draft_macro` are `schema!`, and `misuse` its compile errors; `naming` and `text_enum` serve it.
//! - `definition` is what was declared, as constants.
//! - `table` is what can be done with rows: `Table` with their type, `TableOps` without, `Tables` for many.
//! - `id` and `doc` are what rows are known and handed out by; `json` is both in the formats of serde.
//! - `index` is `Index` and the typed prefixes of its key; `key_type` and `reference` say which fields may be part of
//!   one; `keys` makes a row's keys.
//! - `catalog` is what the database remembers of its tables, and `evolution` compares it with what is declared.

pub(crate) mod catalog;
mod definition;
mod doc;
mod draft_macro;
pub(crate) mod evolution;
mod id;
mod index;
mod json;
mod key_type;
mod keys;
mod macros;
mod misuse;
mod naming;
mod reference;
mod table;
mod table_macro;
mod text_enum;

pub(crate) use self::{
    definition::{IndexKind, OnDelete},
    id::id_text,
    keys::IndexKeys,
    table::{TableOps, decode_row, encode_row},
};
pub use self::{
    doc::Doc,
    id::Id,
    index::{AsPart, Index, NextPart, Prefix},
    key_type::KeyType,
    table::{Table, Tables},
    text_enum::UnknownVariant,
};

/// What the code that `schema!` writes names; no part of the interface.
pub(crate) mod macro_support {
    pub use serde;

    pub use super::{
        definition::*,
        id::Id,
        index::{AsPart, Index, NextPart, OnePart, Prefix, TupleOfParts},
        json::{
            Draft, FieldSerializer, absent, deserialize_named, deserialize_row, read_once, serialize_named,
            serialize_row,
        },
        key_type::{KeyType, MultiField, UnknownField},
        keys::{IndexVisitor, key_types, reference_target},
        misuse::*,
        naming::*,
        reference::{NullableReference, ReferenceField, clear_reference},
        table::{Table, TableOps},
        text_enum::{TextEnum, UnknownVariant, describe_enum, deserialize_variant, parse_variant},
    };
    pub use crate::{
        encoding::{KeyPart, KeyWriter, Layouts, RowReader, RowWriter, decode_value, encode_value},
        error::RowError,
    };
}
