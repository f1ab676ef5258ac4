//! Objects: structs and maps.

use std::collections::BTreeSet;

use serde::de::{IgnoredAny, MapAccess};

use super::{
    Element, Place, UnknownFields, keys,
    words::{Path, expected},
};
use crate::{
    encoding::{Scope, StoredWriter, StructType, Type},
    error::JsonError,
    schema::json_writer::is_nullable,
};

/// Elements in the order of their bytes, each once.
#[derive(Default)]
pub(super) struct Distinct(BTreeSet<Vec<u8>>);

impl Distinct {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes in an element; says whether it is new. That it has no stored form, `stored` is told.
    pub(super) fn insert(&mut self, element: StoredWriter, stored: &mut StoredWriter) -> bool {
        match element.finish() {
            Ok(bytes) => self.0.insert(bytes),
            Err(reason) => {
                stored.fail(&reason);
                true
            }
        }
    }

    pub(super) fn write(self, stored: &mut StoredWriter) {
        stored.count(self.0.len());
        self.0.iter().for_each(|bytes| stored.push(bytes));
    }
}

/// A map from an object.
pub(super) fn map<'de, A: MapAccess<'de>>(
    place: &Place<'_>,
    key: &Type,
    value: &Type,
    mut object: A,
    stored: &mut StoredWriter,
) -> Result<(), A::Error> {
    let (mut entries, mut keys_so_far) = (Distinct::default(), BTreeSet::new());
    while let Some(name) = object.next_key::<String>()? {
        let path = Path::Field(place.path, &name);
        let mut entry = stored.part();
        keys::write(&place.part(key, &path), &name, &mut entry)?;
        if !keys_so_far.insert(entry.written().to_vec()) {
            return Err(place.fail(JsonError::Duplicate { path: path.to_string() }));
        }
        object.next_value_seed(Element { place: place.part(value, &path), stored: &mut entry })?;
        entries.insert(entry, stored);
    }
    entries.write(stored);
    Ok(())
}

/// A struct from an object.
pub(super) fn structure<'de, A: MapAccess<'de>>(
    place: &Place<'_>,
    structure: &StructType,
    outer: Option<&Scope<'_>>,
    mut object: A,
    stored: &mut StoredWriter,
) -> Result<(), A::Error> {
    let scope = Scope::within(structure, outer);
    let mut read: Vec<Option<StoredWriter>> = structure.fields.iter().map(|_| None).collect();
    while let Some(name) = object.next_key::<String>()? {
        let path = Path::Field(place.path, &name);
        let Some(at) = structure.fields.iter().position(|field| field.json_name == name) else {
            unknown(place, structure, &path)?;
            object.next_value::<IgnoredAny>()?;
            continue;
        };
        if read[at].is_some() {
            return Err(place.fail(JsonError::Duplicate { path: path.to_string() }));
        }
        let Some(mut field) = stored.part_of_struct() else {
            return Err(place.wrong("more structs within each other than are stored"));
        };
        let of = match &structure.fields[at].of {
            // Such a field says by its absence that it is none.
            Type::Optional(of) if is_nullable(of) => {
                field.push(&[1]);
                of
            }
            of => of,
        };
        let place = Place { of, scope: Some(&scope), path: &path, reading: place.reading };
        object.next_value_seed(Element { place, stored: &mut field })?;
        read[at] = Some(field);
    }
    for (field, read) in structure.fields.iter().zip(read) {
        match (read, &field.default, &field.of) {
            (Some(read), _, _) => stored.append(read),
            (None, Some(default), _) => stored.push(default),
            (None, None, Type::Optional(_)) => stored.push(&[0]),
            (None, None, of) => {
                let path = Path::Field(place.path, &field.json_name).to_string();
                let expected = expected(of, Some(&scope));
                return Err(place.fail(JsonError::Missing { path, expected }));
            }
        }
    }
    Ok(())
}

fn unknown<E: serde::de::Error>(place: &Place<'_>, structure: &StructType, path: &Path<'_>) -> Result<(), E> {
    match place.reading.unknown {
        UnknownFields::Ignore => Ok(()),
        UnknownFields::Refuse => {
            let known = structure.fields.iter().map(|field| field.json_name.clone()).collect();
            Err(place.fail(JsonError::Unknown { path: path.to_string(), known }))
        }
    }
}
