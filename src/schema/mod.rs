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
//! - `json_writer` and `json_reader` are the JSON form of stored values, by the description of their type; `json` is that
//!   of values whose type is known; `json_value` is `Json`, for types of serde's.
//! - `raw_row` is a row as far as it can be read without its type.
//! - `table_ops` is what can be done with rows without their type: `TableOps` for one table, `Tables` for many.
//! - `typed_macro`, `enum_macro`, `struct_macro`, `table_macro` and `macros` are `schema!`.
//! - `value`, `dynamic_row` and `catalog_description` are values, rows and tables by what the catalog says of them.
//! - `catalog` is what the database remembers of its tables, and `evolution` compares it with what is declared.

mod naming;
mod misuse;
mod text_enum;
mod definition;
mod key_type;
mod reference;
mod index_visitor;
mod id_text;
mod json_writer;
mod json_value;
mod json_reader;
mod json;
mod table;
mod id;
mod index;
mod doc;
mod keys;
mod raw_row;
mod table_ops;
mod typed_macro;
mod enum_macro;
mod struct_macro;
mod table_macro;
mod macros;
pub(crate) mod catalog;
mod value;
mod dynamic_row;
mod catalog_description;
pub(crate) mod evolution;

pub use self::catalog_description::{
    CatalogDescription, FieldDescription, IndexDescription, LayoutDescription, ReferenceDescription, TableDescription,
};
pub use self::{
    definition::{IndexKind, OnDelete},
    doc::Doc,
    dynamic_row::DynamicRow,
    id::Id,
    index::{AsPart, Index, NextPart, Prefix},
    json_value::Json,
    key_type::KeyType,
    table::Table,
    table_ops::Tables,
    text_enum::UnknownVariant,
    value::{FieldValue, Value},
};
pub(crate) use self::{
    dynamic_row::DynamicTable,
    id_text::{id_of_any_table, id_text},
    json::{from_json, from_json_text, to_json, to_json_text},
    json_reader::{UnknownFields, kind_of_json as kind_of},
    json_value::exact_text,
    json_writer::NonFinite,
    keys::{IndexKeys, referenced},
    raw_row::{RawKeys, RawRow},
    table::{decode_row, encode_row},
    table_ops::TableOps,
};

/// What the code that `schema!` writes names; no part of the interface.
pub(crate) mod macro_support {
    pub use serde;

    pub use super::{
        definition::*,
        id::Id,
        index::{AsPart, Index, NextPart, OnePart, Prefix, TupleOfParts},
        index_visitor::IndexVisitor,
        json::{deserialize, serialize},
        key_type::{KeyType, MultiField, UnknownField},
        keys::{key_types, reference_target},
        misuse::*,
        naming::*,
        reference::{NullableReference, ReferenceField, clear_reference},
        table::Table,
        table_ops::TableOps,
        text_enum::{
            TextEnum, UnknownVariant, decode_variant, describe_enum, describe_variants, deserialize_text,
            deserialize_variant, parse_variant,
        },
    };
    pub use crate::{
        encoding::{
            DecodeError, Describer, EnumType, FieldType, KeyPart, KeyWriter, Layouts, RowReader, RowWriter,
            StoredReader, StoredWriter, Type, Typed, decode_value, encode_value,
        },
        error::RowError,
    };
}
