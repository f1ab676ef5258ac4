//! What a declaration says of earlier names must not contradict the names it has.

use crate::{
    encoding::{EnumType, FieldType, StructType, Type},
    error::SchemaError,
    schema::definition::TableDefinition,
};

/// Checks every `was` and `dropped` of a table: its own, and those of the structs and enums in its fields.
pub(super) fn check_names(definition: &TableDefinition) -> Result<(), SchemaError> {
    let table = definition.name;
    let fields: Vec<_> = definition.fields.iter().map(|field| (field.name, field.was)).collect();
    check(table, "", &fields, definition.dropped)?;
    definition.fields.iter().try_for_each(|field| check_type(table, field.name, (field.of)()))
}

fn check_type(table: &str, path: &str, of: &Type) -> Result<(), SchemaError> {
    match of {
        Type::Optional(of) | Type::List(of) | Type::Array(of, _) | Type::Set(of) => check_type(table, path, of),
        Type::Map(key, value) => check_type(table, path, key).and_then(|()| check_type(table, path, value)),
        Type::Tuple(parts) => parts.iter().try_for_each(|part| check_type(table, path, part)),
        Type::Enum(EnumType { variants, renamed, dropped, .. }) => {
            let earlier = |text: &str| renamed.iter().find(|(_, now)| now == text).map(|(was, _)| was.as_str());
            let names: Vec<_> = variants.iter().map(|text| (text.as_str(), earlier(text))).collect();
            check(table, path, &names, dropped)
        }
        Type::Struct(StructType { fields, dropped, .. }) => {
            let names: Vec<_> = fields.iter().map(|field| (field.name.as_str(), field.was.as_deref())).collect();
            check(table, path, &names, dropped)?;
            let inner = |field: &FieldType| check_type(table, &format!("{path}.{}", field.name), &field.of);
            fields.iter().try_for_each(inner)
        }
        _ => Ok(()),
    }
}

/// `names`: what is declared, each with its earlier name.
fn check(
    table: &str,
    path: &str,
    names: &[(&str, Option<&str>)],
    dropped: &[impl AsRef<str>],
) -> Result<(), SchemaError> {
    let is_declared = |name: &str| names.iter().any(|(declared, _)| *declared == name);
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (position, (name, was)) in names.iter().enumerate() {
        let Some(was) = *was else { continue };
        if is_declared(was) || names[..position].iter().any(|(_, other)| *other == Some(was)) {
            return Err(SchemaError::RenameClash { table: table.to_owned(), field: at(name), was: was.to_owned() });
        }
    }
    for name in dropped.iter().map(AsRef::as_ref) {
        if is_declared(name) || names.iter().any(|(_, was)| *was == Some(name)) {
            return Err(SchemaError::DroppedClash { table: table.to_owned(), dropped: at(name) });
        }
    }
    Ok(())
}
