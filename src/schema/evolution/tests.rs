//! Every rule of evolution as a sentence: tables here, fields and indexes in files of their own, in `rows` whether rows of
//! any age read back right, and in `structures` what becomes of values when the structure of their type changes.

mod fields;
mod indexes;
mod rows;
mod structures;

use super::*;
use crate::{
    encoding::{Type, decode_value, encode_value},
    schema::{
        catalog::{CatalogIndex, IndexState},
        definition::{Conversion, IndexDefinition, IndexKind, OnDelete, Reference},
    },
};

fn table(name: &'static str, fields: Vec<FieldDefinition>, indexes: Vec<IndexDefinition>) -> &'static TableDefinition {
    dropping(&[], name, fields, indexes)
}

/// A table that says `dropped` of some fields.
fn dropping(
    dropped: &'static [&'static str],
    name: &'static str,
    fields: Vec<FieldDefinition>,
    indexes: Vec<IndexDefinition>,
) -> &'static TableDefinition {
    Box::leak(Box::new(TableDefinition { name, fields: fields.leak(), indexes: indexes.leak(), dropped }))
}

/// What a type of these tests is made of.
fn made_of(type_name: &str) -> fn() -> &'static Type {
    match super::fields::normalised(type_name).as_str() {
        "u8" | "Size" => Type::of::<u8>,
        "u16" => Type::of::<u16>,
        "u64" => Type::of::<u64>,
        "String" => Type::of::<String>,
        "Vec<u8>" => Type::of::<Vec<u8>>,
        "Vec<String>" => Type::of::<Vec<String>>,
        "Option<u8>" => Type::of::<Option<u8>>,
        "Option<String>" => Type::of::<Option<String>>,
        "Id<Owner>" => Type::of::<()>,
        other => panic!("{other} is not among the types of these tests"),
    }
}

fn field(name: &'static str, type_name: &'static str) -> FieldDefinition {
    FieldDefinition { name, type_name, of: made_of(type_name), was: None, default: None, conversion: None }
}

fn was(name: &'static str, was: &'static str, type_name: &'static str) -> FieldDefinition {
    FieldDefinition { was: Some(was), ..field(name, type_name) }
}

fn with_default(name: &'static str, type_name: &'static str) -> FieldDefinition {
    FieldDefinition { default: Some(|| Ok(vec![7])), ..field(name, type_name) }
}

fn converted(name: &'static str, type_name: &'static str, from: &'static str) -> FieldDefinition {
    FieldDefinition {
        conversion: Some(Conversion { from, of: made_of(from), convert: number_to_text }),
        ..field(name, type_name)
    }
}

fn number_to_text(bytes: &[u8]) -> Result<Vec<u8>, String> {
    encode_value(&decode_value::<u64>(bytes)?.to_string())
}

fn index(name: &'static str, fields: &'static [&'static str]) -> IndexDefinition {
    let key_types = || vec!["enum(a|b)".to_owned()];
    IndexDefinition { name, kind: IndexKind::Plain, fields, key_types, reference: None }
}

/// Evolves a database whose tables all have rows.
fn with_rows(stored: &Catalog, declared: &[&'static TableDefinition]) -> Result<Catalog, OpenError> {
    evolve(stored, declared, &[], &mut |_| Ok(true))
}

/// Evolves a database without a single row.
fn without_rows(stored: &Catalog, declared: &[&'static TableDefinition]) -> Result<Catalog, OpenError> {
    evolve(stored, declared, &[], &mut |_| Ok(false))
}

/// The catalog of a new database with these tables.
fn created(declared: &[&'static TableDefinition]) -> Catalog {
    let nobody_asks = &mut |keyspace| panic!("a new table is empty, and keyspace {keyspace} was asked for");
    evolve(&Catalog::default(), declared, &[], nobody_asks).unwrap()
}

fn schema_error(result: Result<Catalog, OpenError>) -> SchemaError {
    match result {
        Err(OpenError::Schema(error)) => error,
        other => panic!("expected a schema error, got {other:?}"),
    }
}

fn people() -> &'static TableDefinition {
    table("people", vec![field("name", "String"), field("age", "u8")], vec![index("by_name", &["name"])])
}

fn pets() -> &'static TableDefinition {
    table("pets", vec![field("name", "String")], vec![])
}

#[test]
fn a_new_table_gets_keyspaces_for_its_rows_and_for_each_index() {
    let catalog = created(&[pets(), people()]);
    assert_eq!(catalog.table("pets").unwrap().keyspace, 16);
    let people = catalog.table("people").unwrap();
    assert_eq!(people.keyspace, 17);
    assert_eq!((people.indexes[0].keyspace, people.indexes[0].state), (18, IndexState::Ready));
    assert_eq!(catalog.next_keyspace, 19);
}

#[test]
fn the_same_declaration_in_any_order_of_tables_leaves_the_catalog_as_it_is() {
    let catalog = created(&[people(), pets()]);
    let nobody_asks = &mut |keyspace| panic!("nothing changed, and keyspace {keyspace} was asked for");
    assert_eq!(evolve(&catalog, &[pets(), people()], &[], nobody_asks).unwrap(), catalog);
}

#[test]
fn two_tables_of_one_name_are_refused() {
    let error = schema_error(without_rows(&Catalog::default(), &[pets(), people(), pets()]));
    assert!(matches!(error, SchemaError::DuplicateTable { table } if table == "pets"));
}

#[test]
fn a_table_with_rows_that_is_not_declared_is_refused() {
    let error = schema_error(with_rows(&created(&[people(), pets()]), &[pets()]));
    assert!(matches!(error, SchemaError::UndeclaredTable { table } if table == "people"));
}

/// The first table of `created`, and its index.
fn people_dropped() -> [Dropped; 2] {
    let dropped = |keyspace, index| Dropped { keyspace, table: "people".to_owned(), index };
    [dropped(16, None), dropped(17, Some(people().indexes[0].name.to_owned()))]
}

#[test]
fn a_table_without_rows_that_is_not_declared_goes_with_its_keyspaces() {
    let catalog = created(&[people(), pets()]);
    let evolved = without_rows(&catalog, &[pets()]).unwrap();
    assert_eq!(evolved.tables, [catalog.table("pets").unwrap().clone()]);
    assert_eq!(evolved.dropping, people_dropped());
    assert_eq!(evolved.next_keyspace, catalog.next_keyspace);
}

#[test]
fn a_table_that_is_dropped_by_name_goes_with_its_rows() {
    let catalog = created(&[people(), pets()]);
    let evolved = evolve(&catalog, &[pets()], &["people".to_owned()], &mut |_| Ok(true)).unwrap();
    assert!(evolved.table("people").is_none());
    assert_eq!(evolved.dropping, people_dropped());
}

#[test]
fn a_table_that_is_declared_stays_even_if_it_is_named_to_be_dropped() {
    let catalog = created(&[people()]);
    let drop_tables = ["people".to_owned(), "never_there".to_owned()];
    assert_eq!(evolve(&catalog, &[people()], &drop_tables, &mut |_| Ok(true)).unwrap(), catalog);
}

#[test]
fn a_table_that_comes_back_gets_keyspaces_that_were_never_used() {
    let gone = without_rows(&created(&[people()]), &[]).unwrap();
    let back = without_rows(&gone, &[people()]).unwrap();
    assert_eq!(back.table("people").unwrap().keyspace, 18);
    assert_eq!(back.dropping, people_dropped());
}

#[test]
fn an_error_while_rows_are_looked_for_is_passed_on() {
    let fail = &mut |_| Err(OpenError::NotADatabase { path: String::new(), reason: String::new() });
    let result = evolve(&created(&[people()]), &[], &[], fail);
    assert!(matches!(result, Err(OpenError::NotADatabase { .. })));
}

#[test]
fn used_up_keyspaces_are_an_error() {
    let stored = Catalog { next_keyspace: u32::MAX, ..Catalog::default() };
    assert!(matches!(schema_error(without_rows(&stored, &[pets()])), SchemaError::DamagedCatalog { .. }));
}

#[test]
fn an_evolved_catalog_survives_encoding() {
    let catalog = created(&[people(), pets()]);
    let fields = vec![with_default("size", "u64"), was("title", "name", "String"), converted("age", "String", "u8")];
    let changed = table("people", fields, vec![index("by_size", &["size"])]);
    let evolved = with_rows(&catalog, &[pets(), changed]).unwrap();
    assert_eq!(Catalog::decode(&evolved.encode()).unwrap(), evolved);
}
