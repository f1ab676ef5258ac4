//! [`Catalog`]: what the database remembers of its tables, as one value in the store.
//!
//! The first byte is the catalog's version; the rest is described in `docs/format.md`. Fields have ids that outlive
//! renames and are never given twice, and keyspaces are never reused: so nothing that was removed can show up again
//! under a name that was taken up later.

mod bytes;

use std::collections::HashSet;

use super::definition::{IndexDefinition, IndexKind, OnDelete};
use crate::encoding::{FIRST_KEYSPACE, Type};

/// Every table of the database, and the work that an interrupted opening left.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Catalog {
    /// The keyspace that the next table or index gets.
    pub(crate) next_keyspace: u32,
    /// In the order in which they were first declared.
    pub(crate) tables: Vec<CatalogTable>,
    /// What is still to be emptied: dropped tables and indexes, and indexes whose building was cut short.
    pub(crate) dropping: Vec<Dropped>,
}

/// A keyspace that nothing refers to any more.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dropped {
    pub(crate) keyspace: u32,
    /// Name of the table whose rows are in it, or whose index.
    pub(crate) table: String,
    /// Name of the index whose entries are in it; `None` if it has rows.
    pub(crate) index: Option<String>,
}

/// One stored table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CatalogTable {
    pub(crate) name: String,
    /// Where its rows are.
    pub(crate) keyspace: u32,
    pub(crate) next_field_id: u32,
    /// For rows that were written before a field existed: its encoded default, frozen when the field was added, so
    /// that what indexes say of such a row stays true. In the type of the current layout.
    pub(crate) defaults: Vec<(u32, Vec<u8>)>,
    /// Every layout that rows were ever written in, by layout number; the last is the current one. Never empty.
    pub(crate) layouts: Vec<CatalogLayout>,
    /// Rows of earlier layouts are still to be rewritten, for a field has another type now.
    pub(crate) is_rewriting: bool,
    pub(crate) indexes: Vec<CatalogIndex>,
}

/// The fields of a row, in the order in which they are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CatalogLayout {
    pub(crate) fields: Vec<CatalogField>,
    /// Whether there can be rows in this layout.
    pub(crate) is_live: bool,
}

/// One field of a layout.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CatalogField {
    /// What the field is known by, whatever its name.
    pub(crate) id: u32,
    pub(crate) name: String,
    /// As it is written in Rust, without whitespace and paths.
    pub(crate) type_name: String,
    /// What its type is made of.
    pub(crate) of: Type,
}

/// One stored index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CatalogIndex {
    pub(crate) name: String,
    /// Where its entries are.
    pub(crate) keyspace: u32,
    pub(crate) kind: IndexKind,
    /// Ids of the fields of its key, in order.
    pub(crate) fields: Vec<u32>,
    /// What the parts of its key are made of.
    pub(crate) key_types: Vec<String>,
    pub(crate) reference: Option<CatalogReference>,
    pub(crate) state: IndexState,
}

/// That an index's first field refers to rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CatalogReference {
    pub(crate) target: String,
    pub(crate) on_delete: OnDelete,
}

/// Whether an index covers all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IndexState {
    /// It covers the rows below this id.
    Building {
        /// The row to go on with.
        next_id: u64,
    },
    /// It covers every row.
    Ready,
}

impl Default for Catalog {
    fn default() -> Self {
        Self { next_keyspace: FIRST_KEYSPACE, tables: Vec::new(), dropping: Vec::new() }
    }
}

impl Catalog {
    /// The stored table of this name.
    pub(crate) fn table(&self, name: &str) -> Option<&CatalogTable> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// What all who use a catalog rely on.
    fn check(&self) -> Result<(), String> {
        let mut keyspaces = HashSet::new();
        let indexes = self.tables.iter().flat_map(|table| &table.indexes);
        let in_tables = self.tables.iter().map(|table| table.keyspace).chain(indexes.map(|index| index.keyspace));
        for keyspace in in_tables.chain(self.dropping.iter().map(|dropped| dropped.keyspace)) {
            if !(FIRST_KEYSPACE..self.next_keyspace).contains(&keyspace) || !keyspaces.insert(keyspace) {
                return Err(format!("keyspace {keyspace} is out of bounds or used twice"));
            }
        }
        let names: HashSet<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        if names.len() != self.tables.len() {
            return Err("two tables have one name".to_owned());
        }
        self.tables.iter().try_for_each(CatalogTable::check)
    }
}

impl CatalogTable {
    /// The layout that rows are written in.
    pub(crate) fn current_layout(&self) -> &CatalogLayout {
        self.layouts.last().expect("a table is made with a layout, and one without does not decode")
    }

    /// The stored index of this name.
    pub(crate) fn index(&self, name: &str) -> Option<&CatalogIndex> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// The frozen default of a field.
    pub(super) fn default_of(&self, field: u32) -> Option<&[u8]> {
        self.defaults.iter().find(|(id, _)| *id == field).map(|(_, bytes)| bytes.as_slice())
    }

    /// One of its indexes as something to be emptied.
    pub(crate) fn dropped_index(&self, index: &CatalogIndex) -> Dropped {
        Dropped { keyspace: index.keyspace, table: self.name.clone(), index: Some(index.name.clone()) }
    }

    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if !self.layouts.last().is_some_and(|current| current.is_live) {
            return Err(format!("table {name:?} has no current layout"));
        }
        for layout in &self.layouts {
            let ids: HashSet<u32> = layout.fields.iter().map(|field| field.id).collect();
            if ids.len() != layout.fields.len() || ids.iter().any(|id| *id >= self.next_field_id) {
                return Err(format!("table {name:?} has a field id out of bounds or twice in a layout"));
            }
        }
        Ok(())
    }
}

impl CatalogLayout {
    /// The field with this id, and its position in the row.
    pub(super) fn field(&self, id: u32) -> Option<(usize, &CatalogField)> {
        self.fields.iter().enumerate().find(|(_, field)| field.id == id)
    }

    /// The field with this name.
    pub(super) fn field_named(&self, name: &str) -> Option<&CatalogField> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl CatalogReference {
    /// What an index declares.
    pub(super) fn declared(index: &IndexDefinition) -> Option<Self> {
        let reference = index.reference.as_ref()?;
        Some(Self { target: (reference.target)().to_owned(), on_delete: reference.on_delete })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{bytes::VERSION, *};
    use crate::error::{OpenError, SchemaError};

    fn index(name: &str, keyspace: u32, kind: IndexKind, on_delete: OnDelete, state: IndexState) -> CatalogIndex {
        let reference = Some(CatalogReference { target: "projects".to_owned(), on_delete });
        let key_types = vec!["Id<projects>".to_owned()];
        CatalogIndex { name: name.to_owned(), keyspace, kind, fields: vec![3, 0], key_types, reference, state }
    }

    fn catalog() -> Catalog {
        let field = |id, name: &str| CatalogField {
            id,
            name: name.to_owned(),
            type_name: "Vec<u8>".to_owned(),
            of: Type::Bytes,
        };
        let layouts = vec![
            CatalogLayout { fields: vec![field(0, "a"), field(3, "b")], is_live: false },
            CatalogLayout { fields: vec![field(3, "c"), field(4, "d")], is_live: true },
        ];
        let indexes = vec![
            index("one", 17, IndexKind::Plain, OnDelete::Cascade, IndexState::Ready),
            index("two", 18, IndexKind::Unique, OnDelete::Restrict, IndexState::Building { next_id: 0 }),
            index("three", 19, IndexKind::Multi, OnDelete::SetNull, IndexState::Building { next_id: u64::MAX }),
        ];
        let defaults = vec![(4, vec![1, 2, 3])];
        let name = "tasks".to_owned();
        let table =
            CatalogTable { name, keyspace: 16, next_field_id: 5, defaults, layouts, is_rewriting: true, indexes };
        let dropped = |keyspace, index: Option<&str>| {
            let index = index.map(str::to_owned);
            Dropped { keyspace, table: "gone".to_owned(), index }
        };
        Catalog { next_keyspace: 30, tables: vec![table], dropping: vec![dropped(20, None), dropped(29, Some("by_a"))] }
    }

    fn reason(bytes: &[u8]) -> String {
        match Catalog::decode(bytes) {
            Err(OpenError::Schema(SchemaError::DamagedCatalog { reason })) => reason,
            other => panic!("expected a damaged catalog, got {other:?}"),
        }
    }

    #[test]
    fn a_catalog_decodes_to_what_was_encoded() {
        let catalog = catalog();
        assert_eq!(Catalog::decode(&catalog.encode()).unwrap(), catalog);
        assert_eq!(Catalog::decode(&Catalog::default().encode()).unwrap(), Catalog::default());
    }

    #[test]
    fn a_newer_version_is_named_as_such() {
        let mut bytes = catalog().encode();
        bytes[0] = 9;
        let error = Catalog::decode(&bytes).unwrap_err();
        assert!(matches!(error, OpenError::NewerFormat { found: 9, supported: 2, .. }), "{error}");
    }

    #[test]
    fn a_version_from_before_the_first_release_is_named_as_such() {
        let mut bytes = catalog().encode();
        bytes[0] = 1;
        let error = Catalog::decode(&bytes).unwrap_err();
        assert!(matches!(error, OpenError::Schema(SchemaError::EarlierFormat { found: 1, .. })), "{error}");
    }

    #[test]
    fn an_empty_or_cut_catalog_is_damaged() {
        let bytes = catalog().encode();
        for len in 0..bytes.len() {
            reason(&bytes[..len]);
        }
        reason(&[&bytes[..], &[0]].concat());
        reason(&[0]);
    }

    #[test]
    fn a_catalog_that_contradicts_itself_is_damaged() {
        type Damage = fn(&mut Catalog);
        let cases: [(Damage, &str); 8] = [
            (|catalog| catalog.next_keyspace = 29, "keyspace 29"),
            (|catalog| catalog.tables[0].keyspace = 15, "keyspace 15"),
            (|catalog| catalog.tables[0].indexes[2].keyspace = 16, "keyspace 16"),
            (|catalog| catalog.dropping[0].keyspace = 17, "keyspace 17"),
            (|catalog| catalog.tables[0].layouts.clear(), "no current layout"),
            (|catalog| catalog.tables[0].next_field_id = 4, "field id"),
            (|catalog| catalog.tables[0].layouts[1].fields[0].id = 4, "field id"),
            (
                |catalog| {
                    let mut twin = catalog.tables[0].clone();
                    (twin.keyspace, twin.indexes) = (21, Vec::new());
                    catalog.tables.push(twin);
                },
                "one name",
            ),
        ];
        for (damage, expected) in cases {
            let mut catalog = catalog();
            damage(&mut catalog);
            let reason = reason(&catalog.encode());
            assert!(reason.contains(expected), "{reason}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_no_catalog_and_no_panic(bytes: Vec<u8>) {
            drop(Catalog::decode(&[&[VERSION], bytes.as_slice()].concat()));
        }

        #[test]
        fn a_flipped_byte_never_panics(at: prop::sample::Index, with: u8) {
            let mut bytes = catalog().encode();
            let at = at.index(bytes.len());
            bytes[at] = with;
            if let Ok(catalog) = Catalog::decode(&bytes) {
                catalog.tables.iter().for_each(|table| assert!(table.current_layout().is_live));
            }
        }
    }
}
