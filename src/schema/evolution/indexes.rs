//! Declared indexes against stored ones: which stay, which are built, which go.

use super::{Keyspaces, Rows};
use crate::{
    error::OpenError,
    schema::{
        catalog::{CatalogIndex, CatalogLayout, CatalogReference, CatalogTable, IndexState},
        definition::{IndexDefinition, TableDefinition},
    },
};

const ENUM: &str = "enum(";

/// The declared indexes, in their order. One that differs from the stored one of its name gets a new keyspace, so that
/// entries of the two never mix.
pub(super) fn evolve_indexes(
    table: &CatalogTable,
    definition: &TableDefinition,
    converted: &[u32],
    rows: &mut Rows<'_>,
    keyspaces: &mut Keyspaces,
) -> Result<Vec<CatalogIndex>, OpenError> {
    let mut stored: Vec<&CatalogIndex> = table.indexes.iter().collect();
    let mut evolved = Vec::with_capacity(definition.indexes.len());
    for declared in definition.indexes {
        let mut index = unbuilt(declared, table.current_layout());
        let same_name = stored.iter().position(|stored| stored.name == index.name);
        match same_name.map(|position| stored.remove(position)) {
            Some(known) if covers(known, &index, converted) => {
                (index.keyspace, index.state) = (known.keyspace, known.state);
            }
            other => {
                keyspaces.dropping.extend(other.map(|replaced| table.dropped_index(replaced)));
                index.keyspace = keyspaces.take()?;
                index.state = if rows.exist()? { IndexState::Building { next_id: 0 } } else { IndexState::Ready };
            }
        }
        evolved.push(index);
    }
    keyspaces.dropping.extend(stored.iter().map(|removed| table.dropped_index(removed)));
    Ok(evolved)
}

/// What is declared, in the catalog's terms; keyspace and state are the caller's to fill in.
fn unbuilt(declared: &IndexDefinition, layout: &CatalogLayout) -> CatalogIndex {
    let id_of =
        |name: &&str| layout.field_named(name).expect("`schema!` lets an index name only fields of its table").id;
    CatalogIndex {
        name: declared.name.to_owned(),
        keyspace: 0,
        kind: declared.kind,
        fields: declared.fields.iter().map(id_of).collect(),
        key_types: (declared.key_types)(),
        reference: CatalogReference::declared(declared),
        state: IndexState::Ready,
    }
}

/// Whether the entries of the stored index are just those of the declared one.
///
/// That no row points at nothing is found out when a reference is built, so one that is added or points elsewhere
/// needs another index.
fn covers(stored: &CatalogIndex, declared: &CatalogIndex, converted: &[u32]) -> bool {
    let same_reference = match (&stored.reference, &declared.reference) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(stored), Some(declared)) => stored.target == declared.target,
    };
    let mut key_types = stored.key_types.iter().zip(&declared.key_types);
    same_reference
        && stored.kind == declared.kind
        && stored.fields == declared.fields
        && stored.key_types.len() == declared.key_types.len()
        && key_types.all(|(stored, declared)| is_same_or_grown(stored, declared))
        && !declared.fields.iter().any(|field| converted.contains(field))
}

/// Whether keys of the stored type are keys of the declared one: it is the same, but that enums within it, whose
/// variants are their positions in keys, may have more variants at the end.
fn is_same_or_grown(stored: &str, declared: &str) -> bool {
    let (mut stored, mut declared) = (stored, declared);
    loop {
        let (Some((before, stored_enum)), Some((declared_before, declared_enum))) =
            (stored.split_once(ENUM), declared.split_once(ENUM))
        else {
            return stored == declared;
        };
        let (variants, stored_rest) = split_at_end_of_enum(stored_enum);
        let (declared_variants, declared_rest) = split_at_end_of_enum(declared_enum);
        let added = declared_variants.strip_prefix(variants);
        if before != declared_before || !added.is_some_and(|added| added.is_empty() || added.starts_with('|')) {
            return false;
        }
        (stored, declared) = (stored_rest, declared_rest);
    }
}

/// The variants, and what follows the parenthesis that closes them; one within a variant's text is escaped.
fn split_at_end_of_enum(text: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = text.find(|character| {
        let is_end = character == ')' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        is_end
    });
    end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enum_may_only_grow_at_its_end() {
        for (stored, declared, expected) in [
            ("u8", "u8", true),
            ("u8", "u16", false),
            ("enum(a|b)", "enum(a|b)", true),
            ("enum(a|b)", "enum(a|b|c)", true),
            ("enum(a|b)", "enum(a|bc)", false),
            ("enum(a|b)", "enum(b|a)", false),
            ("enum(a|b)", "enum(c|a|b)", false),
            ("enum(a|b)", "enum(a)", false),
            ("enum(a|b)", "String", false),
            ("String", "enum(a|b)", false),
            ("Option<enum(a)>", "Option<enum(a|b)>", true),
            ("Option<enum(a)>", "enum(a)", false),
            ("(enum(a),u8)", "(enum(a|b),u8)", true),
            ("(enum(a),u8)", "(enum(a|b),u16)", false),
            ("(enum(a),enum(x))", "(enum(a|b),enum(x|y))", true),
            ("(enum(a),enum(x))", "(enum(a|b),enum(y))", false),
        ] {
            assert_eq!(is_same_or_grown(stored, declared), expected, "{stored} to {declared}");
        }
    }

    #[test]
    fn escaped_separators_belong_to_a_variant() {
        assert!(is_same_or_grown(r"enum(a\))", r"enum(a\)|b)"));
        assert!(is_same_or_grown(r"(enum(a\\),u8)", r"(enum(a\\|b),u8)"));
        assert!(!is_same_or_grown(r"enum(a)", r"enum(a\|b)"));
        assert!(!is_same_or_grown(r"enum(a\|b)", r"enum(a|b)"));
    }
}
