//! Declared fields against stored ones: which is which, and how rows get from one to the other.

use super::{
    Rows,
    fit::default_of,
    names::check_names,
    passage::{FieldConversion, Passage, changed, passage},
    shape,
};
use crate::{
    encoding::ConvertField,
    error::{OpenError, RowError, SchemaError},
    schema::{
        catalog::{CatalogField, CatalogLayout, CatalogTable},
        definition::{FieldDefinition, TableDefinition},
    },
};

/// Makes the declared fields the table's current layout. Answers the ids of those whose values get other bytes.
pub(super) fn evolve_fields(
    table: &mut CatalogTable,
    definition: &TableDefinition,
    rows: &mut Rows<'_>,
) -> Result<Vec<u32>, OpenError> {
    check_names(definition)?;
    let mut fields = identify(table, definition)?;
    let has_changed = |table: &CatalogTable, fields: &[CatalogField]| {
        table.layouts.last().is_none_or(|current| current.fields != fields)
    };
    if !has_changed(table, &fields) && !table.is_rewriting {
        return Ok(Vec::new());
    }
    let converted = if rows.exist()? {
        fit_rows(table, &mut fields, definition)?
    } else {
        retire_all(table);
        Vec::new()
    };
    if has_changed(table, &fields) {
        table.layouts.push(CatalogLayout { fields, is_live: true });
    } else if let Some(current) = table.layouts.last_mut() {
        current.is_live = true;
    }
    Ok(converted)
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

/// The declared fields, with the ids of the stored ones that they are and new ids for the others.
fn identify(table: &mut CatalogTable, definition: &TableDefinition) -> Result<Vec<CatalogField>, SchemaError> {
    let mut fields = Vec::with_capacity(definition.fields.len());
    for declared in definition.fields {
        let stored = table
            .layouts
            .last()
            .and_then(|current| current.field_named(declared.name).or_else(|| current.field_named(declared.was?)));
        let (id, conversions) = match stored {
            Some(stored) => (stored.id, stored.conversions),
            None => (take_field_id(table)?, 0),
        };
        let (name, type_name) = (declared.name.to_owned(), normalised(declared.type_name));
        fields.push(CatalogField { id, name, type_name, of: shape::stored_form((declared.of)()), conversions });
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
/// finds those whose values get other bytes, whose ids it answers.
fn fit_rows(
    table: &mut CatalogTable,
    fields: &mut [CatalogField],
    definition: &TableDefinition,
) -> Result<Vec<u32>, OpenError> {
    check_undeclared(table, fields, definition)?;
    let mut converted = Vec::new();
    for (field, declared) in fields.iter_mut().zip(definition.fields) {
        let Some(stored) = table.current_layout().field(field.id).map(|(_, stored)| stored.clone()) else {
            let default = default_bytes(table, field, declared)?;
            table.defaults.push((field.id, default));
            continue;
        };
        field.conversions += u32::from(is_converted(&stored, field, declared));
        check_interruption(table, &stored, field)?;
        table.is_rewriting |= fit_earlier_rows(table, field, declared)?;
        if let Passage::Converted(conversion) = passage(&table.name, &stored, field, declared)? {
            convert_default(table, field, &conversion)?;
            converted.push(field.id);
        }
    }
    table.defaults.retain(|(id, _)| fields.iter().any(|field| field.id == *id));
    Ok(converted)
}

/// Nothing is dropped in silence: what rows hold is declared, or the declaration says that it may go.
fn check_undeclared(
    table: &CatalogTable,
    fields: &[CatalogField],
    definition: &TableDefinition,
) -> Result<(), SchemaError> {
    let is_kept = |stored: &&CatalogField| {
        fields.iter().any(|field| field.id == stored.id) || definition.dropped.contains(&stored.name.as_str())
    };
    let Some(lost) = table.current_layout().fields.iter().find(|stored| !is_kept(stored)) else { return Ok(()) };
    let (table, owner) = (table.name.clone(), "the table".to_owned());
    Err(SchemaError::UndeclaredField { table, field: lost.name.clone(), stored: lost.type_name.clone(), owner })
}

/// Whether the program's conversion is to be applied: it is from the stored type, by name or by what that is made of,
/// and the declared one is another.
fn is_converted(stored: &CatalogField, field: &CatalogField, declared: &FieldDefinition) -> bool {
    let Some(conversion) = &declared.conversion else { return false };
    let is_named = stored.type_name == normalised(conversion.from) && stored.type_name != field.type_name;
    is_named || shape::is_same(&stored.of, (conversion.of)()) && !shape::is_same(&stored.of, &field.of)
}

/// While rows of earlier layouts wait to be rewritten, only what they are being rewritten to can be declared.
fn check_interruption(table: &CatalogTable, stored: &CatalogField, field: &CatalogField) -> Result<(), SchemaError> {
    if stored.conversions == field.conversions && shape::is_same(&stored.of, &field.of) {
        return Ok(());
    }
    let mut waiting: Vec<&str> = Vec::new();
    for layout in table.layouts.iter().filter(|layout| layout.is_live) {
        let Some((_, earlier)) = layout.field(field.id) else { continue };
        let is_another = earlier.conversions != stored.conversions || earlier.of != stored.of;
        if is_another && !waiting.contains(&earlier.type_name.as_str()) {
            waiting.push(&earlier.type_name);
        }
    }
    if waiting.is_empty() {
        return Ok(());
    }
    let (newest, waiting) = (&stored.type_name, waiting.join(", "));
    let text = format!(
        "{newest} (and {waiting} in rows that an interrupted conversion did not reach: first open once with the schema of {newest})"
    );
    Err(changed(&table.name, &text, stored, field))
}

/// Finds out how values become those of the declared field, from every layout in which rows may hold it; answers
/// whether any of them get other bytes. What keeps its bytes is known by the declared type from now on.
fn fit_earlier_rows(
    table: &mut CatalogTable,
    field: &CatalogField,
    declared: &FieldDefinition,
) -> Result<bool, SchemaError> {
    let mut are_converted = false;
    for layout in table.layouts.iter_mut().filter(|layout| layout.is_live) {
        let Some(stored) = layout.fields.iter_mut().find(|stored| stored.id == field.id) else { continue };
        match passage(&table.name, stored, field, declared)? {
            Passage::Same => (stored.type_name, stored.of) = (field.type_name.clone(), field.of.clone()),
            Passage::Converted(_) => are_converted = true,
        }
    }
    Ok(are_converted)
}

/// What rows that were written before the field existed hold in it.
fn default_bytes(table: &CatalogTable, field: &CatalogField, declared: &FieldDefinition) -> Result<Vec<u8>, OpenError> {
    if let Some(default) = declared.default {
        let field = format!("{}.{}", table.name, field.name);
        return default().map_err(|reason| RowError::Encode { field, reason }.into());
    }
    let (table, name, field_type) = (table.name.clone(), field.name.clone(), declared.type_name.to_owned());
    default_of(&field.of).ok_or_else(|| SchemaError::MissingDefault { table, field: name, field_type }.into())
}

/// A frozen default follows its field's type, as the values in the rows do.
fn convert_default(
    table: &mut CatalogTable,
    field: &CatalogField,
    conversion: &FieldConversion,
) -> Result<(), RowError> {
    let Some((_, bytes)) = table.defaults.iter_mut().find(|(id, _)| *id == field.id) else { return Ok(()) };
    *bytes = conversion.convert(bytes).map_err(|reason| RowError::Decode {
        row: format!("the default in table {:?}", table.name),
        field: field.name.clone(),
        reason,
    })?;
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
