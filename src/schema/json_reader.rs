//! From JSON to the stored form of a value, by the description of its type alone. `json_writer` lists the forms.

mod words;
mod scalars;
mod keys;
mod structs;

use std::{cell::RefCell, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, Error, MapAccess, SeqAccess},
};

use self::{
    scalars::Found,
    words::{Path, expected, kind_of},
};
use super::json_writer::is_nullable;
use crate::{
    encoding::{Scope, StoredWriter, StructType, Type},
    error::JsonError,
};

/// What is done with fields that a struct does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownFields {
    /// They are errors.
    Refuse,
    /// They are passed over: for what was stored when there were more.
    Ignore,
}

/// Reads the stored form of a value of this type. The elements of maps and sets are in their order.
///
/// # Errors
///
/// What the deserializer answers; where the JSON is at fault, `failure` says how.
pub(super) fn read<'de, D: Deserializer<'de>>(
    of: &Type,
    unknown: UnknownFields,
    failure: &RefCell<Option<JsonError>>,
    deserializer: D,
) -> Result<Vec<u8>, D::Error> {
    let mut stored = StoredWriter::default();
    let reading = Reading { unknown, failure };
    let place = Place { of, scope: None, path: &Path::Root, reading: &reading };
    Element { place, stored: &mut stored }.deserialize(deserializer)?;
    stored.finish().map_err(D::Error::custom)
}

/// What holds for a whole reading.
struct Reading<'a> {
    unknown: UnknownFields,
    /// Why it failed, for the error of a deserializer is but a message.
    failure: &'a RefCell<Option<JsonError>>,
}

/// A place at which a value is expected.
#[derive(Clone, Copy)]
struct Place<'a> {
    of: &'a Type,
    /// What the type stands in.
    scope: Option<&'a Scope<'a>>,
    path: &'a Path<'a>,
    reading: &'a Reading<'a>,
}

impl<'a> Place<'a> {
    fn part<'b>(&'b self, of: &'b Type, path: &'b Path<'b>) -> Place<'b> {
        Place { of, scope: self.scope, path, reading: self.reading }
    }

    #[cold]
    fn fail<E: Error>(&self, error: JsonError) -> E {
        let message = E::custom(&error);
        self.reading.failure.borrow_mut().get_or_insert(error);
        message
    }

    #[cold]
    fn wrong<E: Error>(&self, found: impl fmt::Display) -> E {
        let (path, expected) = (self.path.to_string(), expected(self.of, self.scope));
        self.fail(JsonError::Wrong { path, expected, found: found.to_string() })
    }
}

/// Reads a value where one must be.
struct Element<'a, 'w> {
    place: Place<'a>,
    stored: &'w mut StoredWriter,
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.place.of {
            Type::Json => {
                let value = serde_json::Value::deserialize(deserializer)?;
                super::json_value::write_json(&value, self.stored);
                Ok(())
            }
            Type::Optional(of) => deserializer.deserialize_any(Visit { of, is_optional: true, element: self }),
            of => deserializer.deserialize_any(Visit { of, is_optional: false, element: self }),
        }
    }
}

/// Takes what the JSON has.
struct Visit<'a, 'w> {
    /// What is expected if there is a value.
    of: &'a Type,
    /// Whether `null` will do.
    is_optional: bool,
    element: Element<'a, 'w>,
}

impl<'a> Visit<'a, '_> {
    fn place(&self) -> Place<'a> {
        Place { of: self.of, ..self.element.place }
    }

    fn found<E: Error>(self, found: Found<'_>) -> Result<(), E> {
        let place = self.place();
        if self.is_optional {
            if is_nullable(self.of) {
                return Err(self.element.place.wrong(found));
            }
            self.element.stored.push(&[1]);
        }
        if found.write(self.of, self.element.stored) { Ok(()) } else { Err(place.wrong(found)) }
    }

    /// The struct that is expected, and what it stands in.
    fn structure(&self) -> Option<(&'a StructType, Option<&'a Scope<'a>>)> {
        match self.of {
            Type::Struct(structure) => Some((structure, self.element.place.scope)),
            Type::Enclosing(levels) => Scope::enclosing(self.element.place.scope, *levels),
            _ => None,
        }
    }
}

impl<'de> de::Visitor<'de> for Visit<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&expected(self.element.place.of, self.element.place.scope))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.found(Found::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.found(Found::Integer(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.found(Found::Integer(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<(), E> {
        self.found(Found::Integer(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<(), E> {
        self.found(Found::Text(&value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.found(Found::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.found(Found::Text(value))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.is_optional {
            self.element.stored.push(&[0]);
            return Ok(());
        }
        self.found(Found::Null)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let (place, is_wrapped) = (self.place(), self.is_optional && is_nullable(self.of));
        let stored = self.element.stored;
        if self.is_optional {
            stored.push(&[1]);
        }
        match self.of {
            of if is_wrapped => fixed(&place, std::slice::from_ref(of).iter(), 1, &mut array, stored),
            Type::List(of) => list(&place, of, &mut array, stored),
            Type::Bytes => {
                const BYTE: Type = Type::Integer(crate::encoding::IntegerType { is_signed: false, bits: 8 });
                list(&place, &BYTE, &mut array, stored)
            }
            Type::Set(of) => set(&place, of, &mut array, stored),
            Type::Array(of, count) => {
                let count = *count as usize;
                fixed(&place, std::iter::repeat_n(&**of, count), count, &mut array, stored)
            }
            Type::Tuple(parts) if !parts.is_empty() => fixed(&place, parts.iter(), parts.len(), &mut array, stored),
            _ => Err(place.wrong("an array")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let place = self.place();
        if self.is_optional && is_nullable(self.of) {
            return Err(self.element.place.wrong("an object"));
        }
        let structure = self.structure();
        let stored = self.element.stored;
        if self.is_optional {
            stored.push(&[1]);
        }
        match (self.of, structure) {
            (Type::Map(key, value), _) => structs::map(&place, key, value, object, stored),
            (_, Some((structure, outer))) => structs::structure(&place, structure, outer, object, stored),
            (_, None) => Err(place.wrong("an object")),
        }
    }
}

/// Elements of one type, any number of them.
fn list<'de, A: SeqAccess<'de>>(
    place: &Place<'_>,
    of: &Type,
    array: &mut A,
    stored: &mut StoredWriter,
) -> Result<(), A::Error> {
    let mut elements = stored.part();
    let mut count = 0;
    while array
        .next_element_seed(Element { place: place.part(of, &Path::Index(place.path, count)), stored: &mut elements })?
        .is_some()
    {
        count += 1;
    }
    stored.count(count);
    stored.append(elements);
    Ok(())
}

/// Elements of one type, each once.
fn set<'de, A: SeqAccess<'de>>(
    place: &Place<'_>,
    of: &Type,
    array: &mut A,
    stored: &mut StoredWriter,
) -> Result<(), A::Error> {
    let mut elements = structs::Distinct::default();
    loop {
        let path = Path::Index(place.path, elements.len());
        let mut element = stored.part();
        let seed = Element { place: place.part(of, &path), stored: &mut element };
        if array.next_element_seed(seed)?.is_none() {
            break;
        }
        if !elements.insert(element, stored) {
            return Err(place.fail(JsonError::Duplicate { path: path.to_string() }));
        }
    }
    elements.write(stored);
    Ok(())
}

/// So many elements, each of its type.
fn fixed<'de, 't, A: SeqAccess<'de>>(
    place: &Place<'_>,
    types: impl Iterator<Item = &'t Type>,
    count: usize,
    array: &mut A,
    stored: &mut StoredWriter,
) -> Result<(), A::Error> {
    for (at, of) in types.enumerate() {
        let path = Path::Index(place.path, at);
        let seed = Element { place: place.part(of, &path), stored: &mut *stored };
        if array.next_element_seed(seed)?.is_none() {
            return Err(place.wrong(format_args!("an array of {at}")));
        }
    }
    match array.next_element::<de::IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(place.wrong(format_args!("an array of more than {count}"))),
    }
}

/// What kind of value this is, for errors.
pub(crate) fn kind_of_json(value: &serde_json::Value) -> &'static str {
    kind_of(value)
}
