//! The stored form of the catalog. `docs/format.md` has it.

use super::{
    Catalog, CatalogField, CatalogIndex, CatalogLayout, CatalogReference, CatalogTable, Dropped, IndexKind, IndexState,
    OnDelete,
};
use crate::{
    encoding::{Type, decode_value, encode_value},
    error::{OpenError, SchemaError},
};

/// The version that this release writes, and the newest that it reads.
pub(super) const VERSION: u8 = 2;

type StoredCatalog = (u32, Vec<StoredTable>, Vec<StoredDropped>);
type StoredDropped = (u32, String, Option<String>);
type StoredTable = (String, u32, u32, Vec<(u32, Vec<u8>)>, Vec<StoredLayout>, bool, Vec<StoredIndex>);
type StoredLayout = (Vec<StoredField>, bool);
/// Id, name, type as it is written, and the stored form of its description.
type StoredField = (u32, String, String, Vec<u8>);
/// Name, keyspace, kind, fields, key types, reference, and the next id while it is being built.
type StoredIndex = (String, u32, u8, Vec<u32>, Vec<String>, Option<(String, u8)>, Option<u64>);

impl Catalog {
    /// The stored form.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let tables = self.tables.iter().map(CatalogTable::to_stored).collect();
        let dropping = self.dropping.iter().cloned().map(|dropped| (dropped.keyspace, dropped.table, dropped.index));
        let stored: StoredCatalog = (self.next_keyspace, tables, dropping.collect());
        let mut bytes = vec![VERSION];
        bytes.extend(encode_value(&stored).expect("numbers, strings and lists of them always encode"));
        bytes
    }

    /// Reads the stored form.
    ///
    /// # Errors
    ///
    /// [`OpenError::NewerFormat`], and [`SchemaError::DamagedCatalog`] if the bytes are no catalog or contradict
    /// themselves.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, OpenError> {
        let (&version, bytes) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
        if version > VERSION {
            let (found, supported) = (u32::from(version), u32::from(VERSION));
            return Err(OpenError::NewerFormat { file: "the catalog".to_owned(), found, supported });
        }
        if version == 0 {
            return Err(damaged("version 0 never existed").into());
        }
        if version < VERSION {
            return Err(SchemaError::EarlierFormat { found: version, supported: VERSION }.into());
        }
        let (next_keyspace, tables, dropping): StoredCatalog = decode_value(bytes).map_err(damaged)?;
        let tables = tables.into_iter().map(CatalogTable::from_stored).collect::<Result<_, _>>()?;
        let dropped = |(keyspace, table, index)| Dropped { keyspace, table, index };
        let catalog = Self { next_keyspace, tables, dropping: dropping.into_iter().map(dropped).collect() };
        catalog.check().map_err(damaged)?;
        Ok(catalog)
    }
}

impl CatalogTable {
    fn to_stored(&self) -> StoredTable {
        let layout = |layout: &CatalogLayout| {
            let fields = layout.fields.iter().map(CatalogField::to_stored);
            (fields.collect(), layout.is_live)
        };
        (
            self.name.clone(),
            self.keyspace,
            self.next_field_id,
            self.defaults.clone(),
            self.layouts.iter().map(layout).collect(),
            self.is_rewriting,
            self.indexes.iter().map(CatalogIndex::to_stored).collect(),
        )
    }

    fn from_stored(stored: StoredTable) -> Result<Self, SchemaError> {
        let (name, keyspace, next_field_id, defaults, layouts, is_rewriting, indexes) = stored;
        let layout = |(fields, is_live): StoredLayout| {
            let fields = fields.into_iter().map(CatalogField::from_stored).collect::<Result<_, _>>()?;
            Ok::<_, SchemaError>(CatalogLayout { fields, is_live })
        };
        let layouts = layouts.into_iter().map(layout).collect::<Result<_, _>>()?;
        let indexes = indexes.into_iter().map(CatalogIndex::from_stored).collect::<Result<_, _>>()?;
        Ok(Self { name, keyspace, next_field_id, defaults, layouts, is_rewriting, indexes })
    }
}

impl CatalogField {
    fn to_stored(&self) -> StoredField {
        (self.id, self.name.clone(), self.type_name.clone(), self.of.to_bytes())
    }

    fn from_stored((id, name, type_name, of): StoredField) -> Result<Self, SchemaError> {
        let of = Type::from_bytes(&of).map_err(|error| damaged(format!("the type of field {name:?}: {error}")))?;
        Ok(Self { id, name, type_name, of })
    }
}

impl CatalogIndex {
    fn to_stored(&self) -> StoredIndex {
        let reference = self.reference.as_ref();
        let building = match self.state {
            IndexState::Building { next_id } => Some(next_id),
            IndexState::Ready => None,
        };
        (
            self.name.clone(),
            self.keyspace,
            kind_to_stored(self.kind),
            self.fields.clone(),
            self.key_types.clone(),
            reference.map(|reference| (reference.target.clone(), on_delete_to_stored(reference.on_delete))),
            building,
        )
    }

    fn from_stored(stored: StoredIndex) -> Result<Self, SchemaError> {
        let (name, keyspace, kind, fields, key_types, reference, building) = stored;
        let reference = reference.map(|(target, on_delete)| {
            Ok::<_, SchemaError>(CatalogReference { target, on_delete: on_delete_from_stored(on_delete)? })
        });
        Ok(Self {
            name,
            keyspace,
            kind: kind_from_stored(kind)?,
            fields,
            key_types,
            reference: reference.transpose()?,
            state: building.map_or(IndexState::Ready, |next_id| IndexState::Building { next_id }),
        })
    }
}

fn kind_to_stored(kind: IndexKind) -> u8 {
    match kind {
        IndexKind::Plain => 0,
        IndexKind::Unique => 1,
        IndexKind::Multi => 2,
    }
}

fn kind_from_stored(kind: u8) -> Result<IndexKind, SchemaError> {
    match kind {
        0 => Ok(IndexKind::Plain),
        1 => Ok(IndexKind::Unique),
        2 => Ok(IndexKind::Multi),
        unknown => Err(damaged(format!("an index is of unknown kind {unknown}"))),
    }
}

fn on_delete_to_stored(on_delete: OnDelete) -> u8 {
    match on_delete {
        OnDelete::Cascade => 0,
        OnDelete::Restrict => 1,
        OnDelete::SetNull => 2,
    }
}

fn on_delete_from_stored(on_delete: u8) -> Result<OnDelete, SchemaError> {
    match on_delete {
        0 => Ok(OnDelete::Cascade),
        1 => Ok(OnDelete::Restrict),
        2 => Ok(OnDelete::SetNull),
        unknown => Err(damaged(format!("a reference has the unknown rule {unknown}"))),
    }
}

fn damaged(reason: impl Into<String>) -> SchemaError {
    SchemaError::DamagedCatalog { reason: reason.into() }
}
