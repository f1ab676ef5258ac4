//! Values of known types in JSON, and in the other formats of serde.

use std::{
    cell::{Cell, RefCell},
    fmt,
    marker::PhantomData,
};

use serde::{Deserializer, Serialize, Serializer, de, ser::Error as _};
use serde_json::Value;

use super::{
    json_reader::{UnknownFields, read},
    json_writer::{NonFinite, Stored},
};
use crate::{
    encoding::{StoredReader, Type, Typed, decode_value, encode_value},
    error::JsonError,
};

fn unreadable(reason: impl Into<String>) -> JsonError {
    JsonError::Unreadable { reason: reason.into() }
}

/// The JSON form of a value.
///
/// # Errors
///
/// A value that has no stored form.
pub(crate) fn to_json<T: Typed>(value: &T) -> Result<Value, JsonError> {
    let stored = encode_value(value).map_err(unreadable)?;
    stored_to_json(Type::of::<T>(), &stored)
}

/// The JSON form of a stored value of this type.
///
/// # Errors
///
/// Bytes that are no such value.
pub(crate) fn stored_to_json(of: &Type, stored: &[u8]) -> Result<Value, JsonError> {
    let reader = Cell::new(StoredReader::new(stored));
    let json = serde_json::to_value(Stored::new(of, &reader, NonFinite::Text))
        .map_err(|error| unreadable(error.to_string()))?;
    reader.get().end().map_err(|error| unreadable(error.to_string()))?;
    Ok(json)
}

/// The JSON form of a value, as text.
///
/// # Errors
///
/// A value that has no stored form.
pub(crate) fn to_json_text<T: Typed>(value: &T, non_finite: NonFinite) -> Result<String, JsonError> {
    let stored = encode_value(value).map_err(unreadable)?;
    let reader = Cell::new(StoredReader::new(&stored));
    serde_json::to_string(&Stored::new(Type::of::<T>(), &reader, non_finite))
        .map_err(|error| unreadable(error.to_string()))
}

/// The value with this JSON form.
///
/// # Errors
///
/// JSON that is no such value.
pub(crate) fn from_json<T: Typed>(json: &Value, unknown: UnknownFields) -> Result<T, JsonError> {
    from_deserializer(json, unknown)
}

/// The value whose JSON form is this text.
///
/// # Errors
///
/// A text that is no JSON, or no such value.
pub(crate) fn from_json_text<T: Typed>(text: &str, unknown: UnknownFields) -> Result<T, JsonError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = from_deserializer(&mut json, unknown)?;
    json.end().map_err(|error| unreadable(error.to_string()))?;
    Ok(value)
}

fn from_deserializer<'de, T: Typed, D: Deserializer<'de>>(
    deserializer: D,
    unknown: UnknownFields,
) -> Result<T, JsonError> {
    let failure = RefCell::new(None);
    let stored = read(Type::of::<T>(), unknown, &failure, deserializer);
    let stored = stored.map_err(|error| failure.take().unwrap_or_else(|| unreadable(error.to_string())))?;
    decode_value(&stored).map_err(unreadable)
}

/// Writes a value in a format of serde: as JSON has it where people read, and else its stored form.
pub fn serialize<T: Typed, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let stored = encode_value(value).map_err(S::Error::custom)?;
    if serializer.is_human_readable() {
        let reader = Cell::new(StoredReader::new(&stored));
        Stored::new(Type::of::<T>(), &reader, NonFinite::Text).serialize(serializer)
    } else {
        serializer.serialize_bytes(&stored)
    }
}

/// Reads a value from a format of serde.
pub fn deserialize<'de, T: Typed, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    if !deserializer.is_human_readable() {
        return deserializer.deserialize_bytes(StoredForm(PhantomData));
    }
    let stored = read(Type::of::<T>(), UnknownFields::Refuse, &RefCell::new(None), deserializer)?;
    decode_value(&stored).map_err(de::Error::custom)
}

/// Reads a value from its stored form.
struct StoredForm<T>(PhantomData<T>);

impl<T: Typed> de::Visitor<'_> for StoredForm<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stored form of a value")
    }

    fn visit_bytes<E: de::Error>(self, stored: &[u8]) -> Result<T, E> {
        decode_value(stored).map_err(E::custom)
    }
}
