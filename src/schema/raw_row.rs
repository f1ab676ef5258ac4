//! [`RawRow`]: a row whose fields are taken as they are stored, by the description of their types.
//!
//! A row that does not decode as a whole is not lost: each field has its bounds, and its type is described. So most
//! fields are known all the same, and with them most index keys.

use std::{borrow::Cow, sync::Arc};

use super::definition::{IndexDefinition, IndexKind, TableDefinition};
use crate::{
    encoding::{DecodeError, Key, KeyWriter, Layouts, RowReader, RowWriter, StoredReader, Type, write_key_part},
    error::RowError,
    time::Timestamp,
};

/// The stored form of a reference that is null.
const STORED_NONE: &[u8] = &[0];

/// A row, field by field as declared, each as it is stored or with the reason why it is not known.
pub(crate) struct RawRow<'a> {
    definition: &'static TableDefinition,
    created_at: Timestamp,
    fields: Vec<Result<Cow<'a, [u8]>, RowError>>,
}

/// The index keys of a row, as far as its fields can be read.
pub(crate) struct RawKeys {
    /// Ordered by the position of the index and then by themselves.
    pub(crate) keys: Vec<(usize, Key)>,
    /// The positions of the indexes over fields that cannot be read.
    pub(crate) unknown: Vec<usize>,
}

impl<'a> RawRow<'a> {
    /// Takes a stored row apart.
    ///
    /// # Errors
    ///
    /// A header that cannot be read, or that names an unknown layout.
    pub(crate) fn read(
        definition: &'static TableDefinition,
        row: &'a [u8],
        layouts: &'a Layouts,
    ) -> Result<Self, RowError> {
        let mut reader = RowReader::new(row, layouts)?;
        let fields = definition.fields.iter().map(|field| reader.raw_field(field.name)).collect();
        Ok(Self { definition, created_at: reader.created_at(), fields })
    }

    /// The keys of the row in all indexes; `keyspaces` has that of each.
    pub(crate) fn index_keys(&self, keyspaces: &[u32], id: u64) -> RawKeys {
        let mut found = RawKeys { keys: Vec::new(), unknown: Vec::new() };
        for (position, (index, keyspace)) in self.definition.indexes.iter().zip(keyspaces).enumerate() {
            match self.keys_of(index, *keyspace, id) {
                Ok(mut keys) => {
                    keys.sort_unstable();
                    keys.dedup();
                    found.keys.extend(keys.into_iter().map(|key| (position, key)));
                }
                Err(_) => found.unknown.push(position),
            }
        }
        found
    }

    /// The same row in this layout, which must be the declared one. With the position of an index: its reference is null
    /// there.
    ///
    /// # Errors
    ///
    /// A field that is not known.
    pub(crate) fn rewritten(&self, layout: u32, cleared_index: Option<usize>) -> Result<Arc<[u8]>, RowError> {
        let cleared = cleared_index.map(|index| self.definition.indexes[index].fields[0]);
        let mut row = RowWriter::new(layout, self.created_at);
        for (field, stored) in self.definition.fields.iter().zip(&self.fields) {
            match stored {
                _ if cleared == Some(field.name) => row.raw_field(STORED_NONE),
                Ok(stored) => row.raw_field(stored),
                Err(error) => return Err(error.clone()),
            }
        }
        Ok(row.finish())
    }

    fn keys_of(&self, index: &IndexDefinition, keyspace: u32, id: u64) -> Result<Vec<Key>, DecodeError> {
        match index.kind {
            IndexKind::Plain | IndexKind::Unique => {
                let mut key = KeyWriter::new(keyspace);
                for name in index.fields {
                    let (of, mut stored) = self.field(name)?;
                    write_key_part(of, &mut stored, &mut key)?;
                    stored.end()?;
                }
                key.id(id);
                Ok(vec![key.finish()])
            }
            IndexKind::Multi => {
                let (of, mut stored) = self.field(index.fields[0])?;
                let count = stored.count()?;
                let mut keys = Vec::new();
                for _ in 0..count {
                    let mut key = KeyWriter::new(keyspace);
                    match of {
                        Type::List(element) => write_key_part(element, &mut stored, &mut key)?,
                        Type::Bytes => key.part(&stored.byte()?),
                        other => return Err(DecodeError::new(format!("{other} has no elements"))),
                    }
                    key.id(id);
                    keys.push(key.finish());
                }
                stored.end()?;
                Ok(keys)
            }
        }
    }

    fn field(&self, name: &str) -> Result<(&'static Type, StoredReader<'_>), DecodeError> {
        let position = self.definition.fields.iter().position(|field| field.name == name);
        let position = position.ok_or_else(|| DecodeError::new("the index names no field"))?;
        match &self.fields[position] {
            Ok(stored) => Ok(((self.definition.fields[position].of)(), StoredReader::new(stored))),
            Err(error) => Err(DecodeError::new(error.to_string())),
        }
    }
}
