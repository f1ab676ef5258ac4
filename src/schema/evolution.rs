//! From the stored catalog and the declared tables to the catalog that fits both, or to the reason why none does.
//!
//! Pure: nothing here reads or writes a database. What is left to do afterwards shows in the new catalog, so that an
//! opening that is interrupted is taken up by the next one: keyspaces to empty in `dropping`, rows to rewrite in
//! `is_rewriting`, indexes to build in their state.
//!
//! - `names` checks what a declaration says of earlier names.
//! - `shape` is what stored values show of a type; `transcoder` turns those of one type into those of another, and `fit`
//!   decides whether that loses nothing.
//! - `passage` is how values of a stored field become those of the declared one: by `fit`, or by the program.
//! - `fields` finds each declared field among the stored ones, and decides on layouts, defaults and conversions.
//! - `indexes` decides which indexes stay, are built and go.

mod names;
mod shape;
mod transcoder;
mod fit;
mod passage;
mod fields;
mod indexes;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc};

use self::passage::{Passage, passage};
use super::{
    catalog::{Catalog, CatalogField, CatalogLayout, CatalogTable, Dropped},
    definition::{FieldDefinition, TableDefinition},
};
use crate::{
    encoding::{FieldSource, LayoutPlan, Layouts},
    error::{OpenError, SchemaError},
};

/// The catalog for the declared tables. Equal to the stored one if there is nothing to change.
///
/// Behaviour:
/// 1. Tables, fields and indexes are found by name, a field also by its old one (`was`). A field that was removed and
///    comes back is a new field.
/// 2. A table that is not declared any more goes if it is empty or named in `drop_tables`; one that is declared stays,
///    whatever `drop_tables` says.
/// 3. A table without rows may change in any way. In one with rows an added field needs a default or an `Option`, and
///    a field or variant that is not declared any more needs `dropped`, also within structs.
/// 4. A type may grow where that loses nothing (`fit`); any other change of type needs a conversion.
/// 5. An index that differs, or is over a field whose values get other bytes, is built anew in another keyspace.
///
/// `has_rows` tells of a table's keyspace whether it holds anything; it is asked only where that matters.
///
/// # Errors
///
/// A [`SchemaError`] for what cannot be reconciled; [`RowError`](crate::RowError) for a default that does not encode
/// or convert; what `has_rows` answers.
pub(crate) fn evolve(
    stored: &Catalog,
    declared: &[&'static TableDefinition],
    drop_tables: &[String],
    has_rows: &mut dyn FnMut(u32) -> Result<bool, OpenError>,
) -> Result<Catalog, OpenError> {
    check_names_and_references(declared)?;
    let Catalog { next_keyspace, tables, dropping } = stored.clone();
    let mut keyspaces = Keyspaces { next: next_keyspace, dropping };
    let mut evolved = Vec::with_capacity(declared.len());
    for mut table in tables {
        let mut rows = Rows { keyspace: table.keyspace, exist: None, ask: has_rows };
        if let Some(definition) = declared.iter().find(|definition| definition.name == table.name) {
            evolve_table(&mut table, definition, &mut rows, &mut keyspaces)?;
            evolved.push(table);
        } else if drop_tables.contains(&table.name) || !rows.exist()? {
            keyspaces.dropping.push(Dropped { keyspace: table.keyspace, table: table.name.clone(), index: None });
            keyspaces.dropping.extend(table.indexes.iter().map(|index| table.dropped_index(index)));
        } else {
            return Err(SchemaError::UndeclaredTable { table: table.name }.into());
        }
    }
    for definition in declared.iter().filter(|definition| stored.table(definition.name).is_none()) {
        let mut table = new_table(definition.name, keyspaces.take()?);
        let mut rows = Rows { keyspace: table.keyspace, exist: Some(false), ask: has_rows };
        evolve_table(&mut table, definition, &mut rows, &mut keyspaces)?;
        evolved.push(table);
    }
    let Keyspaces { next, dropping } = keyspaces;
    Ok(Catalog { next_keyspace: next, tables: evolved, dropping })
}

/// How rows of each layout of a table are read as what is declared, which [`evolve`] made the table's current layout.
pub(crate) fn layouts(table: &CatalogTable, definition: &TableDefinition) -> Layouts {
    let current = table.layouts.len() - 1;
    let plan = |(number, layout): (usize, &CatalogLayout)| {
        if number == current {
            return LayoutPlan::Current;
        }
        let fields = table.current_layout().fields.iter().zip(definition.fields);
        let sources = fields.map(|(field, declared)| field_source(table, layout, field, declared));
        match layout.is_live {
            true => sources.collect::<Option<_>>().map_or(LayoutPlan::Retired, LayoutPlan::Mapped),
            false => LayoutPlan::Retired,
        }
    };
    Layouts {
        current: u32::try_from(current).expect("each layout was an opening of the database"),
        plans: table.layouts.iter().enumerate().map(plan).collect(),
    }
}

/// Where a field comes from in rows of a layout; `None` if from nowhere, so that no such row can be there.
fn field_source(
    table: &CatalogTable,
    layout: &CatalogLayout,
    field: &CatalogField,
    declared: &FieldDefinition,
) -> Option<FieldSource> {
    match layout.field(field.id) {
        Some((position, stored)) => match passage(&table.name, stored, field, declared).ok()? {
            Passage::Same => Some(FieldSource::Stored(position)),
            Passage::Converted(conversion) => Some(FieldSource::Converted(position, Arc::new(conversion))),
        },
        None => table.default_of(field.id).map(|bytes| FieldSource::Default(Arc::from(bytes))),
    }
}

fn check_names_and_references(declared: &[&'static TableDefinition]) -> Result<(), SchemaError> {
    let mut names = HashSet::new();
    for table in declared {
        if !names.insert(table.name) {
            return Err(SchemaError::DuplicateTable { table: table.name.to_owned() });
        }
    }
    for table in declared {
        for index in table.indexes {
            let Some(target) = index.reference.as_ref().map(|reference| (reference.target)()) else { continue };
            if !names.contains(target) {
                let (table, index) = (table.name.to_owned(), index.name.to_owned());
                return Err(SchemaError::UnknownReference { table, index, target: target.to_owned() });
            }
        }
    }
    Ok(())
}

/// Gives a stored or a new table the declared fields and indexes.
fn evolve_table(
    table: &mut CatalogTable,
    definition: &TableDefinition,
    rows: &mut Rows<'_>,
    keyspaces: &mut Keyspaces,
) -> Result<(), OpenError> {
    let converted = fields::evolve_fields(table, definition, rows)?;
    table.indexes = indexes::evolve_indexes(table, definition, &converted, rows, keyspaces)?;
    Ok(())
}

/// A table that has yet to get its first layout.
fn new_table(name: &str, keyspace: u32) -> CatalogTable {
    CatalogTable {
        name: name.to_owned(),
        keyspace,
        next_field_id: 0,
        defaults: Vec::new(),
        layouts: Vec::new(),
        is_rewriting: false,
        indexes: Vec::new(),
    }
}

/// Gives out keyspaces and takes them back.
struct Keyspaces {
    next: u32,
    dropping: Vec<Dropped>,
}

impl Keyspaces {
    fn take(&mut self) -> Result<u32, SchemaError> {
        let taken = self.next;
        let used_up = || SchemaError::DamagedCatalog { reason: "its keyspaces are used up".to_owned() };
        self.next = taken.checked_add(1).ok_or_else(used_up)?;
        Ok(taken)
    }
}

/// Whether a table has rows, asked for at most once and only when it matters.
struct Rows<'a> {
    keyspace: u32,
    exist: Option<bool>,
    ask: &'a mut dyn FnMut(u32) -> Result<bool, OpenError>,
}

impl Rows<'_> {
    fn exist(&mut self) -> Result<bool, OpenError> {
        if let Some(exist) = self.exist {
            return Ok(exist);
        }
        let exist = (self.ask)(self.keyspace)?;
        self.exist = Some(exist);
        Ok(exist)
    }
}
