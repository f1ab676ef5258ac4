use super::*;

fn fields() -> Vec<FieldDefinition> {
    vec![field("owner", "Id<Owner>"), field("age", "u64")]
}

/// A table with one index.
fn items(index: IndexDefinition) -> &'static TableDefinition {
    table("items", fields(), vec![index])
}

fn owners() -> &'static TableDefinition {
    table("owners", vec![], vec![])
}

fn pets_as_owners() -> &'static TableDefinition {
    table("pets", vec![], vec![])
}

fn referring(target: fn() -> &'static str, on_delete: OnDelete) -> IndexDefinition {
    IndexDefinition { reference: Some(Reference { target, on_delete }), ..index("by_owner", &["owner"]) }
}

fn only_index(catalog: &Catalog) -> &CatalogIndex {
    let [index] = &catalog.table("items").unwrap().indexes[..] else { panic!("expected one index in {catalog:?}") };
    index
}

/// The keyspaces that are to be emptied, all of them of indexes.
fn dropped(catalog: &Catalog) -> Vec<u32> {
    assert!(catalog.dropping.iter().all(|dropped| dropped.table == "items" && dropped.index.is_some()));
    catalog.dropping.iter().map(|dropped| dropped.keyspace).collect()
}

/// Evolves from one index to another, with rows; answers whether it is built anew, after checking what goes with that.
fn is_rebuilt(from: IndexDefinition, to: IndexDefinition) -> bool {
    let stored = created(&[owners(), pets_as_owners(), items(from)]);
    let evolved = with_rows(&stored, &[owners(), pets_as_owners(), items(to)]).unwrap();
    let (old, new) = (only_index(&stored), only_index(&evolved));
    let is_rebuilt = new.keyspace != old.keyspace;
    let expected = if is_rebuilt { IndexState::Building { next_id: 0 } } else { IndexState::Ready };
    assert_eq!(new.state, expected);
    assert_eq!(dropped(&evolved), if is_rebuilt { vec![old.keyspace] } else { vec![] });
    assert!(!is_rebuilt || new.keyspace == stored.next_keyspace);
    is_rebuilt
}

#[test]
fn a_new_index_on_a_table_with_rows_is_to_be_built() {
    let stored = created(&[table("items", fields(), vec![])]);
    let evolved = with_rows(&stored, &[items(index("by_age", &["age"]))]).unwrap();
    assert_eq!(only_index(&evolved).state, IndexState::Building { next_id: 0 });
    assert_eq!(only_index(&evolved).fields, [1]);
}

#[test]
fn a_new_index_on_an_empty_table_is_ready() {
    let stored = created(&[table("items", fields(), vec![])]);
    let evolved = without_rows(&stored, &[items(index("by_age", &["age"]))]).unwrap();
    assert_eq!(only_index(&evolved).state, IndexState::Ready);
}

#[test]
fn a_removed_index_goes_with_its_keyspace() {
    let stored = created(&[items(index("by_age", &["age"]))]);
    let evolved = with_rows(&stored, &[table("items", fields(), vec![])]).unwrap();
    assert_eq!((evolved.tables[0].indexes.len(), dropped(&evolved)), (0, vec![17]));
}

#[test]
fn an_unchanged_index_stays_and_so_does_the_progress_of_its_building() {
    let mut stored = created(&[items(index("by_age", &["age"]))]);
    stored.tables[0].indexes[0].state = IndexState::Building { next_id: 77 };
    assert_eq!(with_rows(&stored, &[items(index("by_age", &["age"]))]).unwrap(), stored);
}

#[test]
fn indexes_are_in_the_order_of_their_declaration_and_keep_their_keyspaces() {
    let (by_age, by_owner) = (|| index("by_age", &["age"]), || index("by_owner", &["owner"]));
    let stored = created(&[table("items", fields(), vec![by_age(), by_owner()])]);
    let evolved = with_rows(&stored, &[table("items", fields(), vec![by_owner(), by_age()])]).unwrap();
    let expected = [&stored.tables[0].indexes[1], &stored.tables[0].indexes[0]];
    assert_eq!(evolved.tables[0].indexes.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn another_kind_or_other_fields_are_another_index() {
    let by_age = || index("by_age", &["age"]);
    assert!(!is_rebuilt(by_age(), by_age()));
    assert!(is_rebuilt(by_age(), IndexDefinition { kind: IndexKind::Unique, ..by_age() }));
    assert!(is_rebuilt(by_age(), index("by_age", &["owner"])));
    assert!(is_rebuilt(by_age(), index("by_age", &["age", "owner"])));
}

#[test]
fn another_key_type_is_another_index() {
    let other = IndexDefinition { key_types: || vec!["enum(b|a)".to_owned()], ..index("by_age", &["age"]) };
    assert!(is_rebuilt(index("by_age", &["age"]), other));
    let longer = IndexDefinition { key_types: || vec!["enum(a|b)".to_owned(); 2], ..index("by_age", &["age"]) };
    assert!(is_rebuilt(index("by_age", &["age"]), longer));
}

#[test]
fn an_enum_that_grew_at_its_end_is_taken_up_without_a_rebuild() {
    let grown = || IndexDefinition { key_types: || vec!["enum(a|b|c)".to_owned()], ..index("by_age", &["age"]) };
    assert!(!is_rebuilt(index("by_age", &["age"]), grown()));
    let evolved = with_rows(&created(&[items(index("by_age", &["age"]))]), &[items(grown())]).unwrap();
    assert_eq!(only_index(&evolved).key_types, ["enum(a|b|c)"]);
    assert!(is_rebuilt(grown(), index("by_age", &["age"])));
}

#[test]
fn an_index_over_a_renamed_field_stays() {
    let stored = created(&[items(index("by_age", &["age"]))]);
    let renamed = vec![field("owner", "Id<Owner>"), was("years", "age", "u64")];
    let evolved = with_rows(&stored, &[table("items", renamed, vec![index("by_age", &["years"])])]).unwrap();
    assert_eq!(only_index(&evolved), only_index(&stored));
}

#[test]
fn an_index_over_a_field_that_was_removed_and_added_anew_is_rebuilt() {
    let stored = created(&[items(index("by_age", &["age"]))]);
    let without = dropping(&["age"], "items", vec![field("owner", "Id<Owner>")], vec![]);
    let without = with_rows(&stored, &[without]).unwrap();
    let again = vec![field("owner", "Id<Owner>"), with_default("age", "u64")];
    let evolved = with_rows(&without, &[table("items", again, vec![index("by_age", &["age"])])]).unwrap();
    assert_eq!(only_index(&evolved).state, IndexState::Building { next_id: 0 });
    assert_eq!((only_index(&evolved).fields.as_slice(), only_index(&evolved).keyspace), (&[2][..], 18));
}

#[test]
fn an_index_over_a_converted_field_is_rebuilt_once() {
    let stored = created(&[items(index("by_age", &["age"]))]);
    let changed = || vec![field("owner", "Id<Owner>"), converted("age", "String", "u64")];
    let declared = table("items", changed(), vec![index("by_age", &["age"])]);
    let evolved = with_rows(&stored, &[declared]).unwrap();
    assert_eq!(only_index(&evolved).state, IndexState::Building { next_id: 0 });
    assert_eq!(dropped(&evolved), [17]);
    assert_eq!(with_rows(&evolved, &[declared]).unwrap(), evolved);
}

#[test]
fn an_index_over_another_field_than_the_converted_one_stays() {
    let stored = created(&[items(index("by_owner", &["owner"]))]);
    let changed = vec![field("owner", "Id<Owner>"), converted("age", "String", "u64")];
    let evolved = with_rows(&stored, &[table("items", changed, vec![index("by_owner", &["owner"])])]).unwrap();
    assert_eq!(only_index(&evolved), only_index(&stored));
}

#[test]
fn a_reference_to_a_table_that_is_not_declared_is_refused() {
    let declared = items(referring(|| "owners", OnDelete::Cascade));
    let SchemaError::UnknownReference { table, index, target } =
        schema_error(without_rows(&Catalog::default(), &[declared]))
    else {
        panic!("expected an unknown reference")
    };
    assert_eq!((table.as_str(), index.as_str(), target.as_str()), ("items", "by_owner", "owners"));
}

#[test]
fn an_index_that_becomes_a_reference_is_rebuilt() {
    assert!(is_rebuilt(index("by_owner", &["owner"]), referring(|| "owners", OnDelete::Cascade)));
}

#[test]
fn a_reference_to_another_table_is_rebuilt() {
    assert!(is_rebuilt(referring(|| "owners", OnDelete::Cascade), referring(|| "pets", OnDelete::Cascade)));
}

#[test]
fn another_rule_for_deletes_is_just_taken_up() {
    let cascade = || referring(|| "owners", OnDelete::Cascade);
    let set_null = || referring(|| "owners", OnDelete::SetNull);
    assert!(!is_rebuilt(cascade(), set_null()));
    let stored = created(&[owners(), items(cascade())]);
    let evolved = with_rows(&stored, &[owners(), items(set_null())]).unwrap();
    assert_eq!(only_index(&evolved).reference.as_ref().unwrap().on_delete, OnDelete::SetNull);
}

#[test]
fn a_reference_that_is_taken_back_leaves_the_index() {
    assert!(!is_rebuilt(referring(|| "owners", OnDelete::Cascade), index("by_owner", &["owner"])));
    let stored = created(&[owners(), items(referring(|| "owners", OnDelete::Cascade))]);
    let evolved = with_rows(&stored, &[owners(), items(index("by_owner", &["owner"]))]).unwrap();
    assert_eq!(only_index(&evolved).reference, None);
}
