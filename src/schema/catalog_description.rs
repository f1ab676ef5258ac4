//! [`CatalogDescription`]: what the database says of itself.

use super::{
    catalog::{Catalog, CatalogField, CatalogIndex, CatalogTable, IndexState},
    definition::{IndexKind, OnDelete},
    naming::json_name_of,
    value::Value,
};
use crate::encoding::{INDEX_KEYSPACE, Type};

/// Every table of a database, as it is stored: what [`Db::catalog`](crate::Db::catalog) answers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CatalogDescription {
    /// The tables, in the order in which they were first declared.
    pub tables: Vec<TableDescription>,
}

/// One table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TableDescription {
    /// Its name.
    pub name: String,
    /// The number of the keyspace that its rows are in.
    pub keyspace: u32,
    /// Its fields, in the order in which rows are written now.
    pub fields: Vec<FieldDescription>,
    /// Its indexes. `by_id`, which is the table itself, is none of them.
    pub indexes: Vec<IndexDescription>,
    /// Every layout that rows were ever written in, by its number; the last is the current one.
    pub layouts: Vec<LayoutDescription>,
    /// Whether rows of earlier layouts are still to be rewritten: the opening that did so was cut short.
    pub is_rewriting: bool,
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FieldDescription {
    /// What the field is known by, whatever its name.
    pub id: u32,
    /// Its name in Rust.
    pub name: String,
    /// Its name in JSON.
    pub json_name: String,
    /// Its type as it was written in Rust.
    pub type_name: String,
    /// What its type is made of.
    pub of: Type,
    /// What rows hold in it that were written before it was added.
    pub default: Option<Value>,
}

/// The fields of rows that were written at one time.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LayoutDescription {
    /// The fields, in the order in which they are stored.
    pub fields: Vec<FieldDescription>,
    /// Whether there can be rows in it.
    pub is_live: bool,
}

/// One index.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexDescription {
    /// Its name.
    pub name: String,
    /// The number of the keyspace that its entries are in.
    pub keyspace: u32,
    /// What it keeps of a row.
    pub kind: IndexKind,
    /// The names of the fields of its key, in order.
    pub fields: Vec<String>,
    /// What the parts of its key are made of.
    pub key_types: Vec<String>,
    /// What its first field refers to, if it says `on delete`.
    pub reference: Option<ReferenceDescription>,
    /// Whether it has an entry for every row. If not, it is being built.
    pub is_ready: bool,
}

/// That an index's first field refers to rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReferenceDescription {
    /// The table.
    pub table: String,
    /// What deleting a row of it does to those that refer to it.
    pub on_delete: OnDelete,
}

impl CatalogDescription {
    /// The table with this name.
    pub fn table(&self, name: &str) -> Option<&TableDescription> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl TableDescription {
    /// The field with this name, in Rust or in JSON.
    pub fn field(&self, name: &str) -> Option<&FieldDescription> {
        self.fields.iter().find(|field| field.name == name || field.json_name == name)
    }

    /// The index with this name.
    pub fn index(&self, name: &str) -> Option<&IndexDescription> {
        self.indexes.iter().find(|index| index.name == name)
    }
}

impl From<&Catalog> for CatalogDescription {
    fn from(catalog: &Catalog) -> Self {
        Self { tables: catalog.tables.iter().map(TableDescription::from).collect() }
    }
}

impl From<&CatalogTable> for TableDescription {
    fn from(table: &CatalogTable) -> Self {
        let field = |field: &CatalogField| FieldDescription {
            id: field.id,
            name: field.name.clone(),
            json_name: json_name_of(&field.name),
            type_name: field.type_name.clone(),
            of: field.of.clone(),
            default: table.default_of(field.id).and_then(|bytes| Value::decode(&field.of, bytes).ok()),
        };
        let fields = |fields: &[CatalogField]| fields.iter().map(field).collect();
        let layouts = table.layouts.iter();
        Self {
            name: table.name.clone(),
            keyspace: table.keyspace,
            fields: fields(&table.current_layout().fields),
            indexes: table.indexes.iter().map(|index| describe_index(table, index)).collect(),
            layouts: layouts
                .map(|layout| LayoutDescription { fields: fields(&layout.fields), is_live: layout.is_live })
                .collect(),
            is_rewriting: table.is_rewriting,
        }
    }
}

fn describe_index(table: &CatalogTable, index: &CatalogIndex) -> IndexDescription {
    let name_of = |id: &u32| table.current_layout().field(*id).map(|(_, field)| field.name.clone());
    let reference = index.reference.as_ref();
    IndexDescription {
        name: index.name.clone(),
        keyspace: index.keyspace | INDEX_KEYSPACE,
        kind: index.kind,
        fields: index.fields.iter().filter_map(name_of).collect(),
        key_types: index.key_types.clone(),
        reference: reference
            .map(|reference| ReferenceDescription { table: reference.target.clone(), on_delete: reference.on_delete }),
        is_ready: index.state == IndexState::Ready,
    }
}
