//! Rows and documents in the formats of serde: objects with camelCase names, sequences where a format has no names.

use std::sync::Arc;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess},
    ser::SerializeStruct,
};

use super::{
    doc::Doc,
    draft::{Draft, FieldSerializer, deserialize_named, read_once},
    id::Id,
    table::Table,
};
use crate::time::Timestamp;

/// Writes a row as an object of its fields.
pub fn serialize_row<T: Table, S: Serializer>(row: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_struct(T::DEFINITION.name, T::FIELD_NAMES.len())?;
    row.serialize_fields(&mut FieldSerializer::new(&mut object, T::FIELD_NAMES))?;
    object.end()
}

/// Reads a row from an object or a sequence of its fields.
pub fn deserialize_row<'de, T: Table, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserialize_named::<T::Draft, D>("a row of table", T::DEFINITION.name, deserializer)
}

impl<T: Table> Serialize for Doc<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct(T::DEFINITION.name, T::DOCUMENT_NAMES.len())?;
        let mut fields = FieldSerializer::new(&mut object, T::DOCUMENT_NAMES);
        fields.field(&self.id())?;
        fields.field(&self.created_at())?;
        self.serialize_fields(&mut fields)?;
        object.end()
    }
}

impl<'de, T: Table> Deserialize<'de> for Doc<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_named::<DocumentDraft<T>, D>("a row of table", T::DEFINITION.name, deserializer)
    }
}

/// A document's own two fields, and those of its row.
struct DocumentDraft<T: Table> {
    id: Option<Id<T>>,
    created_at: Option<Timestamp>,
    row: T::Draft,
}

impl<T: Table> Default for DocumentDraft<T> {
    fn default() -> Self {
        Self { id: None, created_at: None, row: T::Draft::default() }
    }
}

impl<T: Table> Draft for DocumentDraft<T> {
    type Value = Doc<T>;

    const NAMES: &'static [&'static str] = T::DOCUMENT_NAMES;

    fn read<'de, A: MapAccess<'de>>(&mut self, position: usize, map: &mut A) -> Result<(), A::Error> {
        match position {
            0 => read_once(&mut self.id, Self::NAMES[0], map),
            1 => read_once(&mut self.created_at, Self::NAMES[1], map),
            _ => self.row.read(position - 2, map),
        }
    }

    fn read_all<'de, A: SeqAccess<'de>>(&mut self, sequence: &mut A) -> Result<(), A::Error> {
        self.id = sequence.next_element()?;
        self.created_at = sequence.next_element()?;
        self.row.read_all(sequence)
    }

    fn finish<E: de::Error>(self) -> Result<Doc<T>, E> {
        let id = self.id.ok_or_else(|| E::missing_field(Self::NAMES[0]))?;
        let created_at = self.created_at.ok_or_else(|| E::missing_field(Self::NAMES[1]))?;
        Ok(Doc::new(id, created_at, Arc::new(self.row.finish()?)))
    }
}
