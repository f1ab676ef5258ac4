//! [`Doc`]: a row as transactions hand it out.

use std::{fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{id::Id, json, table::Table};
use crate::{
    encoding::{DecodeError, Describer, FieldType, StoredReader, StoredWriter, Type, Typed},
    time::Timestamp,
};

/// A document: a row of table `T` with its id and creation time.
///
/// The row is shared, so a clone costs two words and a count. A `Doc` dereferences to the row, and is the row as it was
/// at one snapshot: later commits make another.
///
/// In JSON it is one flat object: `_id`, `_creationTime` in milliseconds, then the fields in camelCase. When it is
/// read, unknown names are errors.
pub struct Doc<T> {
    id: Id<T>,
    created_at: Timestamp,
    value: Arc<T>,
}

impl<T> Doc<T> {
    /// A document of its three parts.
    pub(crate) const fn new(id: Id<T>, created_at: Timestamp, value: Arc<T>) -> Self {
        Self { id, created_at, value }
    }

    /// Which row it is.
    pub const fn id(&self) -> Id<T> {
        self.id
    }

    /// When the row was inserted, by the clock of the database.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl<T: Clone> Doc<T> {
    /// The row itself; copied if it is still shared.
    pub fn into_inner(self) -> T {
        Arc::unwrap_or_clone(self.value)
    }
}

impl<T> Deref for Doc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Clone for Doc<T> {
    fn clone(&self) -> Self {
        Self { id: self.id, created_at: self.created_at, value: Arc::clone(&self.value) }
    }
}

impl<T: PartialEq> PartialEq for Doc<T> {
    fn eq(&self, other: &Self) -> bool {
        let same_value = Arc::ptr_eq(&self.value, &other.value) || self.value == other.value;
        self.id == other.id && self.created_at == other.created_at && same_value
    }
}

impl<T: Table> fmt::Debug for Doc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, created_at, value } = self;
        f.debug_struct("Doc").field("id", id).field("created_at", created_at).field("value", value).finish()
    }
}

/// A struct of the id, the creation time and the row's fields.
impl<T: Table> Typed for Doc<T> {
    fn describe(describer: &mut Describer) -> Type {
        describer.structure::<Self>(T::DEFINITION.name, |describer| {
            let mut fields = vec![
                FieldType::new("_id", "_id", Id::<T>::describe(describer)),
                FieldType::new("_creation_time", "_creationTime", Timestamp::describe(describer)),
            ];
            fields.extend(T::describe_fields(describer));
            fields
        })
    }

    fn encode(&self, stored: &mut StoredWriter) {
        self.id.encode(stored);
        self.created_at.encode(stored);
        self.value.encode(stored);
    }

    fn decode(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let (id, created_at) = (Id::decode(stored)?, Timestamp::decode(stored)?);
        Ok(Self { id, created_at, value: Arc::new(T::decode(stored)?) })
    }

    fn is_same(&self, other: &Self) -> bool {
        let same_value = Arc::ptr_eq(&self.value, &other.value) || self.value.is_same(&other.value);
        self.id == other.id && self.created_at == other.created_at && same_value
    }
}

impl<T: Table> Serialize for Doc<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json::serialize(self, serializer)
    }
}

impl<'de, T: Table> Deserialize<'de> for Doc<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::schema! {
        pub table Task in "tasks" { title: String, is_done: bool = false, note: Option<String> }
    }

    fn doc() -> Doc<Task> {
        let task = Task { title: "Lift off".to_owned(), is_done: true, note: None };
        Doc::new(Id::from_raw(5), Timestamp::from_millis(1_000), Arc::new(task))
    }

    #[test]
    fn a_document_is_one_flat_object_in_json() {
        let json = serde_json::to_string(&doc()).expect("it is an object");
        let id = doc().id();
        let expected = format!(r#"{{"_id":"{id}","_creationTime":1000,"title":"Lift off","isDone":true,"note":null}}"#);
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Doc<Task>>(&json).expect("it was just written"), doc());
    }

    #[test]
    fn a_document_needs_its_id_and_creation_time() {
        let id = doc().id();
        let without_id = r#"{"_creationTime":1,"title":"x"}"#.to_owned();
        let without_time = format!(r#"{{"_id":"{id}","title":"x"}}"#);
        for (json, field) in [(without_id, "_id"), (without_time, "_creationTime")] {
            let error = serde_json::from_str::<Doc<Task>>(&json).expect_err("a field is missing");
            assert!(error.to_string().contains(&format!("missing field `{field}`")), "{error}");
        }
    }

    #[test]
    fn a_document_reads_back_from_its_stored_form() {
        let bytes = crate::encoding::encode_value(&doc()).expect("it encodes");
        assert_eq!(crate::encoding::decode_value(&bytes), Ok(doc()));
    }

    #[test]
    fn the_row_is_shared_until_it_is_taken() {
        let (doc, shared) = (doc(), doc());
        let clone = shared.clone();
        assert_eq!((doc.title.as_str(), &clone), ("Lift off", &shared));
        assert_eq!(shared.into_inner(), clone.into_inner());
    }
}
