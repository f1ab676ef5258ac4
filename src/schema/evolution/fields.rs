//! Declared fields against stored ones: which is which, and how rows get from one to the other.

use super::Rows;
use crate::{
    error::{OpenError, RowError, SchemaError},
    schema::{
        catalog::{CatalogField, CatalogLayout, CatalogTable},
        definition::{Conversion, FieldDefinition, TableDefinition},
    },
};

/// The stored form of `None`.
const ENCODED_NONE: u8 = 0;

/// Makes the declared fields the table's current layout. Answers the ids of those whose type changed while there are
/// rows.
pub(super) fn evolve_fields(
    table: &mut CatalogTable,
    definition: &TableDefinition,
    rows: &mut Rows<'_>,
) -> Result<Vec<u32>, OpenError> {
    check_renames(definition)?;
    let fields = identify(table, definition)?;
    let has_changed = table.layouts.last().is_none_or(|current| current.fields != fields);
    if !has_changed && !table.is_rewriting {
        return Ok(Vec::new());
    }
    let converted = if rows.exist()? {
        fit_rows(table, &fields, definition)?
    } else {
        retire_all(table);
        Vec::new()
    };
    if has_changed {
        table.layouts.push(CatalogLayout { fields, is_live: true });
    } else if let Some(current) = table.layouts.last_mut() {
        current.is_live = true;
    }
    Ok(converted)
}

/// The declared field's conversion, if it is from this stored type.
pub(super) fn conversion_from<'a>(declared: &'a FieldDefinition, stored_type: &str) -> Option<&'a Conversion> {
    declared.conversion.as_ref().filter(|conversion| normalised(conversion.from) == stored_type)
}

/// A type's name without whitespace and paths, so that neither formatting nor an import makes another type of it.
pub(super) fn normalised(type_name: &str) -> String {
    let compact: String = type_name.chars().filter(|character| !character.is_whitespace()).collect();
    let is_in_path = |character: char| character.is_alphanumeric() || "_$#".contains(character);
    let mut normalised = String::with_capacity(compact.len());
    let mut rest = compact.as_str();
    while let Some((before, after)) = rest.split_once("::") {
        // In `Vec::<u8>` what stands before is the type itself.
        let kept = if after.starts_with('<') { before } else { before.trim_end_matches(is_in_path) };
        normalised.push_str(kept);
        rest = after;
    }
    normalised + rest
}

fn check_renames(definition: &TableDefinition) -> Result<(), SchemaError> {
    for (position, field) in definition.fields.iter().enumerate() {
        let Some(was) = field.was else { continue };
        let is_declared = definition.fields.iter().any(|other| other.name == was);
        let is_claimed = definition.fields[..position].iter().any(|other| other.was == Some(was));
        if is_declared || is_claimed {
            let (table, field) = (definition.name.to_owned(), field.name.to_owned());
            return Err(SchemaError::RenameClash { table, field, was: was.to_owned() });
        }
    }
    Ok(())
}

/// The declared fields, with the ids of the stored ones that they are and new ids for the others.
fn identify(table: &mut CatalogTable, definition: &TableDefinition) -> Result<Vec<CatalogField>, SchemaError> {
    let mut fields = Vec::with_capacity(definition.fields.len());
    for declared in definition.fields {
        let stored = table
            .layouts
            .last()
            .and_then(|current| current.field_named(declared.name).or_else(|| current.field_named(declared.was?)));
        let id = match stored {
            Some(stored) => stored.id,
            None => take_field_id(table)?,
        };
        let (name, type_name) = (declared.name.to_owned(), normalised(declared.type_name));
        fields.push(CatalogField { id, name, type_name, of: (declared.of)().clone() });
    }
    Ok(fields)
}

fn take_field_id(table: &mut CatalogTable) -> Result<u32, SchemaError> {
    let taken = table.next_field_id;
    let used_up = || SchemaError::DamagedCatalog { reason: format!("the field ids of {:?} are used up", table.name) };
    table.next_field_id = taken.checked_add(1).ok_or_else(used_up)?;
    Ok(taken)
}

/// Without rows there is none in an earlier layout either, and every change is free.
fn retire_all(table: &mut CatalogTable) {
    table.layouts.iter_mut().for_each(|layout| layout.is_live = false);
    table.defaults.clear();
    table.is_rewriting = false;
}

/// Makes sure that every stored row can be read as the new fields: freezes the defaults of those that are added, and
/// finds the conversions of those that changed, whose ids it answers.
fn fit_rows(
    table: &mut CatalogTable,
    fields: &[CatalogField],
    definition: &TableDefinition,
) -> Result<Vec<u32>, OpenError> {
    let mut converted = Vec::new();
    for (field, declared) in fields.iter().zip(definition.fields) {
        check_types(table, field, declared)?;
        match table.current_layout().field(field.id) {
            None => {
                let default = default_bytes(table, field, declared)?;
                table.defaults.push((field.id, default));
            }
            Some((_, stored)) if stored.type_name != field.type_name => {
                convert_default(table, field.id, declared)?;
                converted.push(field.id);
            }
            Some(_) => {}
        }
    }
    table.defaults.retain(|(id, _)| fields.iter().any(|field| field.id == *id));
    table.is_rewriting |= !converted.is_empty();
    Ok(converted)
}

/// Every type in which rows may hold the field must be the declared one, or the one that its conversion is from.
fn check_types(table: &CatalogTable, field: &CatalogField, declared: &FieldDefinition) -> Result<(), SchemaError> {
    let mut other_types: Vec<&str> = Vec::new();
    for layout in table.layouts.iter().filter(|layout| layout.is_live) {
        let Some((_, stored)) = layout.field(field.id) else { continue };
        let is_another = stored.type_name != field.type_name || !stored.of.reads_as(&field.of);
        if is_another && !other_types.contains(&stored.type_name.as_str()) {
            other_types.push(&stored.type_name);
        }
    }
    let stored = match other_types[..] {
        [] => return Ok(()),
        [only] if conversion_from(declared, only).is_some() => return Ok(()),
        [only] => only.to_owned(),
        [ref earlier @ .., newest] => format!(
            "{newest} (and {} in rows that an interrupted conversion did not reach: first open once with the schema of {newest})",
            earlier.join(", ")
        ),
    };
    let (table, field, declared) = (table.name.clone(), field.name.clone(), field.type_name.clone());
    Err(SchemaError::ChangedType { table, field, stored, declared })
}

/// What rows that were written before the field existed hold in it.
fn default_bytes(table: &CatalogTable, field: &CatalogField, declared: &FieldDefinition) -> Result<Vec<u8>, OpenError> {
    if let Some(default) = declared.default {
        let field = format!("{}.{}", table.name, field.name);
        return default().map_err(|reason| RowError::Encode { field, reason }.into());
    }
    if field.type_name.starts_with("Option<") {
        return Ok(vec![ENCODED_NONE]);
    }
    let (table, field, field_type) = (table.name.clone(), field.name.clone(), declared.type_name.to_owned());
    Err(SchemaError::MissingDefault { table, field, field_type }.into())
}

/// A frozen default follows its field's type, as the values in the rows do.
fn convert_default(table: &mut CatalogTable, field: u32, declared: &FieldDefinition) -> Result<(), RowError> {
    let frozen = table.defaults.iter_mut().find(|(id, _)| *id == field);
    if let (Some((_, bytes)), Some(conversion)) = (frozen, &declared.conversion) {
        *bytes = (conversion.convert)(bytes).map_err(|reason| RowError::Decode {
            row: format!("the default in table {:?}", table.name),
            field: declared.name.to_owned(),
            reason,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_and_paths_do_not_make_another_type() {
        for (written, expected) in [
            ("u8", "u8"),
            ("Vec < u8 >", "Vec<u8>"),
            ("std :: string :: String", "String"),
            ("::std::collections::BTreeMap<crate::Name, Vec<super::a::B>>", "BTreeMap<Name,Vec<B>>"),
            ("$crate::Timestamp", "Timestamp"),
            ("r#mod::Kind", "Kind"),
            ("Option::<a::B>", "Option<B>"),
            ("(a::B, [c::D; 3])", "(B,[D;3])"),
            ("Ünïcode::Größe", "Größe"),
        ] {
            assert_eq!(normalised(written), expected);
        }
    }

    #[test]
    fn different_types_stay_different() {
        for (one, other) in [("Vec<u8>", "Vec<u16>"), ("Option<u8>", "u8"), ("(u8, u16)", "(u16, u8)")] {
            assert_ne!(normalised(one), normalised(other));
        }
    }
}
