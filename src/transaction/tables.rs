//! The registered tables as they stand in this database: keyspaces, layouts, references.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use super::{id_sequence::IdSequence, index_readiness::IndexReadiness};
use crate::{
    encoding::{Key, KeyWriter, Layouts},
    error::TransactionError,
    schema::{OnDelete, Table, TableOps, catalog::Catalog},
};

/// Reserved keyspace: the catalog.
const CATALOG_KEYSPACE: u32 = 0;

/// Where the catalog is stored.
pub(super) fn catalog_key() -> Key {
    KeyWriter::new(CATALOG_KEYSPACE).finish()
}

/// Every table of the database, found by its Rust type.
pub(crate) struct OpenTables {
    tables: Vec<OpenTable>,
    /// All that is stored, also tables that the program has not declared, as it was when the database had opened.
    catalog: Catalog,
    by_type: HashMap<TypeId, usize, BuildHasherDefault<TypeIdHasher>>,
    /// What the floors above want at hand in a transaction. This floor does not look into it.
    companion: Option<Companion>,
}

/// Something of a floor above, carried through transactions.
pub(crate) type Companion = Arc<dyn Any + Send + Sync>;

/// One table of the database.
pub(crate) struct OpenTable {
    pub(super) ops: TableOps,
    pub(super) keyspace: u32,
    /// By position in the definition.
    pub(super) index_keyspaces: Vec<u32>,
    /// By position in the definition.
    pub(super) readiness: Vec<IndexReadiness>,
    pub(super) layouts: Layouts,
    /// The ids that were given out in it.
    pub(super) ids: IdSequence,
    /// Which table each index with a reference points to.
    pub(super) references: Vec<OpenReference>,
    /// The references that point here.
    pub(super) referrers: Vec<Referrer>,
}

/// A reference out of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenReference {
    pub(super) index: usize,
    pub(super) target: usize,
}

/// A reference into a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Referrer {
    pub(super) table: usize,
    pub(super) index: usize,
    pub(super) on_delete: OnDelete,
    /// Whether the reference is an `Option`, which shows in the index key.
    pub(super) is_optional: bool,
}

impl OpenTables {
    /// Puts the tables together and finds who refers to whom. Targets were checked when the schema was compared.
    pub(super) fn new(mut tables: Vec<OpenTable>, catalog: Catalog) -> Self {
        let by_name: HashMap<&str, usize> =
            tables.iter().enumerate().map(|(at, table)| (table.ops.definition.name, at)).collect();
        let mut found = Vec::new();
        for (at, table) in tables.iter().enumerate() {
            for (index, definition) in table.ops.definition.indexes.iter().enumerate() {
                let Some(reference) = &definition.reference else { continue };
                let Some(&target) = by_name.get((reference.target)()) else { continue };
                let is_optional = table.is_optional_reference(index);
                found.push((target, Referrer { table: at, index, on_delete: reference.on_delete, is_optional }));
            }
        }
        for (target, referrer) in found {
            tables[referrer.table].references.push(OpenReference { index: referrer.index, target });
            tables[target].referrers.push(referrer);
        }
        let by_type = tables.iter().enumerate().map(|(at, table)| ((table.ops.type_id)(), at)).collect();
        Self { tables, catalog, by_type, companion: None }
    }

    /// The same tables with something for every transaction to carry.
    pub(super) fn with_companion(self, companion: Companion) -> Self {
        Self { companion: Some(companion), ..self }
    }

    /// All that is stored, as it was when the database had opened.
    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// A number that no other opened tables of the process have.
    pub(super) fn identity(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    pub(super) fn companion<C: 'static>(&self) -> Option<&C> {
        self.companion.as_deref()?.downcast_ref()
    }

    pub(super) fn companion_handle<C: Send + Sync + 'static>(&self) -> Option<Arc<C>> {
        self.companion.clone()?.downcast().ok()
    }

    /// The table of a type.
    pub(super) fn of<T: Table>(&self) -> Result<&OpenTable, TransactionError> {
        self.position::<T>().map(|at| &self.tables[at])
    }

    /// The table's place among the registered ones.
    pub(super) fn position<T: Table>(&self) -> Result<usize, TransactionError> {
        let unknown = TransactionError::UnknownTable { table: T::DEFINITION.name };
        self.by_type.get(&TypeId::of::<T>()).copied().ok_or(unknown)
    }

    pub(super) fn at(&self, position: usize) -> &OpenTable {
        &self.tables[position]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &OpenTable> {
        self.tables.iter()
    }
}

impl OpenTable {
    /// The name in the schema.
    pub(super) fn name(&self) -> &'static str {
        self.ops.definition.name
    }

    /// The keyspace of an index, or of the rows themselves.
    pub(super) fn keyspace_of(&self, index: Option<usize>) -> u32 {
        index.map_or(self.keyspace, |position| self.index_keyspaces[position])
    }

    /// Whether the reference of the index at this position is an `Option`, which shows in its keys.
    fn is_optional_reference(&self, index: usize) -> bool {
        let key_types = (self.ops.definition.indexes[index].key_types)();
        key_types.first().is_some_and(|name| name.starts_with("Option<"))
    }

    /// The id that the reference of an index holds, by a key in it; `None` if it is null.
    pub(super) fn referenced_in(&self, index: usize, key: &Key) -> Option<u64> {
        let id = match self.is_optional_reference(index) {
            true => key.local().strip_prefix(&[1])?,
            false => key.local(),
        };
        id.first_chunk::<8>().map(|id| u64::from_be_bytes(*id))
    }

    /// The row's key.
    pub(super) fn row_key(&self, id: u64) -> Key {
        let mut key = KeyWriter::new(self.keyspace);
        key.id(id);
        key.finish()
    }

    /// An id of this table as text.
    pub(super) fn id_text(&self, id: u64) -> String {
        crate::schema::id_text(self.name(), id)
    }
}

/// A `TypeId` is a hash already.
#[derive(Default)]
struct TypeIdHasher(u64);

impl Hasher for TypeIdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_ne_bytes(word);
        }
    }
}
