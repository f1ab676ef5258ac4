use super::*;

/// A catalog with one table, "items".
fn items(fields: Vec<FieldDefinition>) -> Catalog {
    created(&[table("items", fields, vec![])])
}

fn evolved(stored: &Catalog, fields: Vec<FieldDefinition>) -> CatalogTable {
    with_rows(stored, &[table("items", fields, vec![])]).unwrap().tables.remove(0)
}

fn error(stored: &Catalog, fields: Vec<FieldDefinition>) -> SchemaError {
    schema_error(with_rows(stored, &[table("items", fields, vec![])]))
}

fn ids(table: &CatalogTable) -> Vec<u32> {
    table.current_layout().fields.iter().map(|field| field.id).collect()
}

fn liveness(table: &CatalogTable) -> Vec<bool> {
    table.layouts.iter().map(|layout| layout.is_live).collect()
}

fn evolved_dropping(dropped: &'static [&'static str], stored: &Catalog, fields: Vec<FieldDefinition>) -> CatalogTable {
    with_rows(stored, &[dropping(dropped, "items", fields, vec![])]).unwrap().tables.remove(0)
}

/// A catalog in which "age" was `u64`, is `String`, and some rows may not be rewritten yet.
fn interrupted() -> Catalog {
    let stored = items(vec![field("name", "String"), field("age", "u64")]);
    let table = evolved(&stored, vec![field("name", "String"), converted("age", "String", "u64")]);
    assert!(table.is_rewriting);
    Catalog { tables: vec![table], ..stored }
}

#[test]
fn fields_keep_their_ids_in_another_order() {
    let stored = items(vec![field("a", "u8"), field("b", "u16")]);
    let table = evolved(&stored, vec![field("b", "u16"), field("a", "u8")]);
    assert_eq!((ids(&table), liveness(&table)), (vec![1, 0], vec![true, true]));
}

#[test]
fn a_renamed_field_keeps_its_id() {
    let stored = items(vec![field("name", "String")]);
    let table = evolved(&stored, vec![was("title", "name", "String")]);
    assert_eq!((ids(&table), table.current_layout().fields[0].name.as_str()), (vec![0], "title"));
    let stored = Catalog { tables: vec![table.clone()], ..stored };
    assert_eq!(evolved(&stored, vec![was("title", "name", "String")]), table);
    assert_eq!(ids(&evolved(&stored, vec![was("heading", "title", "String")])), [0]);
}

#[test]
fn a_rename_from_a_name_that_was_never_stored_is_an_added_field() {
    let stored = items(vec![field("name", "String")]);
    let table = evolved(&stored, vec![field("name", "String"), was("title", "heading", "Option<String>")]);
    assert_eq!(ids(&table), [0, 1]);
}

#[test]
fn a_rename_from_a_field_that_is_still_declared_is_refused() {
    let fields = || vec![field("name", "String"), was("title", "name", "String")];
    let error = schema_error(without_rows(&Catalog::default(), &[table("items", fields(), vec![])]));
    let SchemaError::RenameClash { table, field, was } = error else { panic!("got {error:?}") };
    assert_eq!((table.as_str(), field.as_str(), was.as_str()), ("items", "title", "name"));
}

#[test]
fn two_renames_from_one_field_are_refused() {
    let stored = items(vec![field("name", "String")]);
    let error = error(&stored, vec![was("first", "name", "String"), was("last", "name", "String")]);
    assert!(matches!(error, SchemaError::RenameClash { field, .. } if field == "last"));
}

#[test]
fn a_field_that_was_removed_and_comes_back_is_a_new_field() {
    let stored = items(vec![field("a", "u8"), field("b", "u8")]);
    let without = evolved_dropping(&["b"], &stored, vec![field("a", "u8")]);
    let without = Catalog { tables: vec![without], ..stored };
    let table = evolved(&without, vec![field("a", "u8"), with_default("b", "u8")]);
    assert_eq!((ids(&table), table.default_of(2)), (vec![0, 2], Some(&[7][..])));
}

#[test]
fn a_field_that_is_not_declared_any_more_is_refused() {
    let stored = items(vec![field("name", "String"), field("note", "Option<String>")]);
    let error = error(&stored, vec![field("name", "String")]);
    assert!(error.to_string().contains("dropped \"note\";"), "{error}");
    let SchemaError::UndeclaredField { table, field, stored, owner } = error else { panic!("got {error:?}") };
    let found = [table.as_str(), field.as_str(), stored.as_str(), owner.as_str()];
    assert_eq!(found, ["items", "note", "Option<String>", "the table"]);
}

#[test]
fn a_dropped_field_goes_and_is_not_missed_by_later_programs() {
    let stored = items(vec![field("name", "String"), field("note", "String")]);
    let table = evolved_dropping(&["note", "never_there"], &stored, vec![field("name", "String")]);
    assert_eq!((ids(&table), table.is_rewriting), (vec![0], false));
    let stored = Catalog { tables: vec![table.clone()], ..stored };
    assert_eq!(evolved(&stored, vec![field("name", "String")]), table);
}

#[test]
fn a_rename_that_only_a_skipped_program_declared_is_refused() {
    let stored = items(vec![field("name", "String")]);
    let error = error(&stored, vec![with_default("title", "String")]);
    assert!(matches!(error, SchemaError::UndeclaredField { field, .. } if field == "name"));
}

#[test]
fn a_field_of_an_empty_table_goes_without_a_word() {
    let evolved = without_rows(&items(vec![field("a", "u8")]), &[table("items", vec![], vec![])]).unwrap();
    assert!(ids(&evolved.tables[0]).is_empty());
}

#[test]
fn a_field_that_is_declared_or_was_renamed_cannot_be_dropped() {
    let stored = items(vec![field("name", "String")]);
    for fields in [vec![field("name", "String")], vec![was("title", "name", "String")]] {
        let error = schema_error(with_rows(&stored, &[dropping(&["name"], "items", fields, vec![])]));
        assert!(matches!(error, SchemaError::DroppedClash { dropped, .. } if dropped == "name"));
    }
}

#[test]
fn an_added_field_without_a_default_is_refused() {
    let error = error(&items(vec![]), vec![field("size", "some::Size")]);
    let SchemaError::MissingDefault { table, field, field_type } = error else { panic!("got {error:?}") };
    assert_eq!((table.as_str(), field.as_str(), field_type.as_str()), ("items", "size", "some::Size"));
}

#[test]
fn an_added_field_in_an_empty_table_needs_no_default_and_leaves_no_earlier_layout_alive() {
    let evolved = without_rows(&items(vec![]), &[table("items", vec![field("size", "u8")], vec![])]).unwrap();
    assert_eq!(liveness(&evolved.tables[0]), [false, true]);
    assert_eq!(evolved.tables[0].defaults, []);
}

#[test]
fn an_added_option_is_none_in_earlier_rows() {
    let table = evolved(&items(vec![]), vec![field("size", "std :: option :: Option < u8 >")]);
    assert_eq!(decode_value::<Option<u8>>(table.default_of(0).unwrap()), Ok(None));
}

#[test]
fn an_added_option_with_a_default_has_it_in_earlier_rows() {
    let table = evolved(&items(vec![]), vec![with_default("size", "Option<u8>")]);
    assert_eq!(table.default_of(0), Some(&[7][..]));
}

#[test]
fn a_default_stays_as_it_was_when_the_field_was_added() {
    let stored = items(vec![]);
    let stored = Catalog { tables: vec![evolved(&stored, vec![with_default("size", "u8")])], ..stored };
    let other_default = FieldDefinition { default: Some(|| Ok(vec![9])), ..field("size", "u8") };
    assert_eq!(evolved(&stored, vec![other_default]), stored.tables[0]);
    assert_eq!(evolved(&stored, vec![field("size", "u8")]), stored.tables[0]);
}

#[test]
fn a_default_that_does_not_encode_is_an_error_that_names_the_field() {
    let broken = FieldDefinition { default: Some(|| Err("too odd".to_owned())), ..field("size", "u8") };
    let result = with_rows(&items(vec![]), &[table("items", vec![broken], vec![])]);
    let Err(OpenError::Row(error)) = result else { panic!("got {result:?}") };
    assert!(error.to_string().contains("items.size") && error.to_string().contains("too odd"), "{error}");
}

#[test]
fn the_default_of_a_removed_field_is_forgotten() {
    let stored = items(vec![]);
    let stored = Catalog { tables: vec![evolved(&stored, vec![with_default("size", "u8")])], ..stored };
    assert_eq!(evolved_dropping(&["size"], &stored, vec![]).defaults, []);
}

#[test]
fn formatting_and_paths_of_a_type_do_not_change_it() {
    let stored = items(vec![field("tags", "Vec<String>")]);
    assert_eq!(evolved(&stored, vec![field("tags", "std :: vec :: Vec < String >")]), stored.tables[0]);
}

#[test]
fn an_alias_that_means_another_type_is_refused() {
    let stored = items(vec![field("size", "u64")]);
    let aliased = |of| FieldDefinition { of, ..field("size", "u64") };
    let error = error(&stored, vec![aliased(made_of("String"))]);
    let SchemaError::ChangedType { stored, declared, .. } = error else { panic!("got {error:?}") };
    assert_eq!((stored.as_str(), declared.as_str()), ("u64", "String"));
}

#[test]
fn an_alias_that_means_the_same_type_is_taken_up() {
    let stored = items(vec![field("size", "u64")]);
    let table = evolved(&stored, vec![FieldDefinition { type_name: "Bytes", ..field("size", "u64") }]);
    assert_eq!((table.layouts.len(), table.is_rewriting), (1, false));
    assert_eq!(table.current_layout().fields[0].type_name, "Bytes");
}

#[test]
fn a_conversion_between_names_of_one_type_is_carried_out_once() {
    fn doubled(bytes: &[u8]) -> Result<Vec<u8>, String> {
        encode_value(&(decode_value::<u64>(bytes)? * 2))
    }
    let named = |type_name| FieldDefinition { type_name, ..with_default("length", "u64") };
    let conversion = || Conversion { from: "Feet", of: made_of("u64"), convert: doubled };
    let metres = || FieldDefinition { conversion: Some(conversion()), ..named("Metres") };
    let stored = items(vec![]);
    let stored = Catalog { tables: vec![evolved(&stored, vec![named("Feet")])], ..stored };
    let table = evolved(&stored, vec![metres()]);
    assert_eq!((table.is_rewriting, table.default_of(0)), (true, Some(&[14][..])));
    let stored = Catalog { tables: vec![table.clone()], ..stored };
    assert_eq!(evolved(&stored, vec![metres()]), table);
    // Rows of before the conversion are still there, and look the same.
    assert!(matches!(error(&stored, vec![named("Metres")]), SchemaError::ChangedType { .. }));
}

#[test]
fn a_changed_type_without_a_conversion_is_refused() {
    let error = error(&items(vec![field("age", "u8")]), vec![field("age", "String")]);
    let SchemaError::ChangedType { table, field, stored, declared } = error else { panic!("got {error:?}") };
    assert_eq!((table.as_str(), field.as_str(), stored.as_str(), declared.as_str()), ("items", "age", "u8", "String"));
}

#[test]
fn a_changed_type_with_a_conversion_from_another_type_is_refused() {
    let error = error(&items(vec![field("age", "u8")]), vec![converted("age", "String", "u64")]);
    assert!(matches!(error, SchemaError::ChangedType { stored, .. } if stored == "u8"));
}

#[test]
fn a_changed_type_in_an_empty_table_is_accepted() {
    let catalog =
        without_rows(&items(vec![field("age", "u8")]), &[table("items", vec![field("age", "String")], vec![])]);
    let table = catalog.unwrap().tables.remove(0);
    assert_eq!((ids(&table), liveness(&table), table.is_rewriting), (vec![0], vec![false, true], false));
}

#[test]
fn a_changed_type_with_a_conversion_has_the_rows_rewritten() {
    let stored = items(vec![field("age", "u64")]);
    let table = evolved(&stored, vec![converted("age", "String", "some :: u64")]);
    assert_eq!((ids(&table), liveness(&table), table.is_rewriting), (vec![0], vec![true, true], true));
}

#[test]
fn a_renamed_field_may_change_its_type_at_once() {
    let stored = items(vec![field("age", "u64")]);
    let table = evolved(&stored, vec![FieldDefinition { was: Some("age"), ..converted("years", "String", "u64") }]);
    assert_eq!((ids(&table), table.is_rewriting), (vec![0], true));
}

#[test]
fn a_frozen_default_is_converted_with_its_field() {
    let stored = items(vec![]);
    let stored = Catalog { tables: vec![evolved(&stored, vec![with_default("age", "u64")])], ..stored };
    let table = evolved(&stored, vec![converted("age", "String", "u64")]);
    assert_eq!(decode_value::<String>(table.default_of(0).unwrap()), Ok("7".to_owned()));
}

#[test]
fn a_frozen_default_that_does_not_convert_is_an_error_that_names_the_field() {
    let stored = items(vec![]);
    let broken = FieldDefinition { default: Some(|| Ok(vec![])), ..field("age", "u64") };
    let stored = Catalog { tables: vec![evolved(&stored, vec![broken])], ..stored };
    let result = with_rows(&stored, &[table("items", vec![converted("age", "String", "u64")], vec![])]);
    assert!(matches!(result, Err(OpenError::Row(crate::error::RowError::Decode { field, .. })) if field == "age"));
}

#[test]
fn an_interrupted_conversion_goes_on_while_other_fields_change() {
    let stored = interrupted();
    let same = vec![field("name", "String"), converted("age", "String", "u64")];
    assert_eq!(evolved(&stored, same), stored.tables[0]);
    let more = vec![with_default("size", "u8"), converted("age", "String", "u64")];
    let table = evolved_dropping(&["name"], &stored, more);
    assert_eq!((table.is_rewriting, liveness(&table)), (true, vec![true; 3]));
}

#[test]
fn an_interrupted_conversion_cannot_be_taken_away() {
    let error = error(&interrupted(), vec![field("name", "String"), field("age", "String")]);
    assert!(matches!(error, SchemaError::ChangedType { stored, .. } if stored == "u64"));
}

#[test]
fn another_change_of_type_during_an_interrupted_conversion_is_refused() {
    let error = error(&interrupted(), vec![field("name", "String"), converted("age", "Vec<u8>", "String")]);
    let SchemaError::ChangedType { stored, declared, .. } = error else { panic!("got {error:?}") };
    assert_eq!(declared, "Vec<u8>");
    assert!(stored.starts_with("String (and u64 in rows"), "{stored}");
}

#[test]
fn an_interrupted_conversion_is_over_when_the_rows_are_gone() {
    let fields = vec![field("name", "String"), field("age", "String")];
    let catalog = without_rows(&interrupted(), &[table("items", fields, vec![])]).unwrap();
    let table = &catalog.tables[0];
    assert_eq!((table.is_rewriting, liveness(table)), (false, vec![false, true]));
}
