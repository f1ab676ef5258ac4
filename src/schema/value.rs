//! [`Value`]: a stored value of any type, known by the description of its type alone.

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap},
};

use super::{
    id_text::id_text,
    json_writer::{USUAL_NAN, USUAL_NAN_32, is_nullable},
};
use crate::{
    encoding::{DecodeError, IntegerType, Scope, StoredReader, StructType, Type, Typed},
    time::Timestamp,
};

/// A value of a type that the program need not know: what a stored description and stored bytes say.
///
/// Its JSON form ([`to_json`](Self::to_json), or serde) is the same that the Rust type has.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number of a type without a sign.
    Unsigned(u128),
    /// A whole number of a type with a sign.
    Signed(i128),
    /// A floating-point number of 32 bits.
    F32(f32),
    /// A floating-point number of 64 bits.
    F64(f64),
    /// One Unicode scalar value.
    Char(char),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Milliseconds since the Unix epoch.
    Timestamp(Timestamp),
    /// The id of a row.
    Id {
        /// The row's table.
        table: String,
        /// The number within the table.
        number: u64,
    },
    /// What a [`Json<T>`](crate::Json) or a `serde_json::Value` holds.
    Json(serde_json::Value),
    /// A value or none.
    Optional(Option<Box<Value>>),
    /// The elements of a list, an array or a set. Those of a set are in the order of their stored forms.
    List(Vec<Value>),
    /// Keys with their values, in the order of the stored forms.
    Map(Vec<(Value, Value)>),
    /// One value of each type.
    Tuple(Vec<Value>),
    /// The text of a variant.
    Enum(String),
    /// Named values.
    Struct(Vec<FieldValue>),
}

/// A field with its value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FieldValue {
    /// The field's name in Rust.
    pub name: String,
    /// Its name in JSON.
    pub json_name: String,
    /// Its value.
    pub value: Value,
    /// Whether the field's JSON form is absent where there is no value, and the value itself where there is one: so it is
    /// for an `Option` of something that can itself be `null`.
    is_absent_if_none: bool,
}

impl Value {
    /// The stored value of this type.
    ///
    /// # Errors
    ///
    /// Bytes that are no such value.
    pub(crate) fn decode(of: &Type, stored: &[u8]) -> Result<Self, DecodeError> {
        let mut stored = StoredReader::new(stored);
        let value = Self::read(of, &mut stored, None)?;
        stored.end()?;
        Ok(value)
    }

    /// The JSON form.
    pub fn to_json(&self) -> serde_json::Value {
        // Only a map with keys that JSON cannot have is refused, and no stored type has such keys.
        serde_json::to_value(self).unwrap_or_default()
    }

    fn read(of: &Type, stored: &mut StoredReader<'_>, scope: Option<&Scope<'_>>) -> Result<Self, DecodeError> {
        Ok(match of {
            Type::Bool => Self::Bool(stored.flag()?),
            Type::Integer(of) => read_integer(*of, stored)?,
            Type::F32 => Self::F32(f32::from_le_bytes(stored.array()?)),
            Type::F64 => Self::F64(f64::from_le_bytes(stored.array()?)),
            Type::Char => Self::Char(char::decode(stored)?),
            Type::Text => Self::Text(stored.text()?.to_owned()),
            Type::Bytes => Self::Bytes(stored.counted()?.to_vec()),
            Type::Timestamp => Self::Timestamp(Timestamp::decode(stored)?),
            Type::Id(table) => Self::Id { table: table.clone(), number: stored.number()? },
            Type::Json => Self::Json(serde_json::Value::decode(stored)?),
            Type::Optional(of) => match stored.flag()? {
                true => Self::Optional(Some(Box::new(Self::read(of, stored, scope)?))),
                false => Self::Optional(None),
            },
            Type::List(of) | Type::Set(of) => Self::read_list(of, stored.count()?, stored, scope)?,
            Type::Array(of, count) => Self::read_list(of, *count as usize, stored, scope)?,
            Type::Map(key, value) => {
                let count = stored.count()?;
                let mut read = || Ok((Self::read(key, stored, scope)?, Self::read(value, stored, scope)?));
                Self::Map((0..count).map(|_| read()).collect::<Result<_, DecodeError>>()?)
            }
            Type::Tuple(parts) => {
                Self::Tuple(parts.iter().map(|part| Self::read(part, stored, scope)).collect::<Result<_, _>>()?)
            }
            Type::Enum(_) => Self::Enum(stored.text()?.to_owned()),
            Type::Struct(structure) => Self::read_structure(structure, stored, scope)?,
            Type::Enclosing(levels) => match Scope::enclosing(scope, *levels) {
                Some((structure, outer)) => Self::read_structure(structure, stored, outer)?,
                None => return Err(DecodeError::new("a type stands in fewer structs than it says")),
            },
        })
    }

    fn read_list(
        of: &Type,
        count: usize,
        stored: &mut StoredReader<'_>,
        scope: Option<&Scope<'_>>,
    ) -> Result<Self, DecodeError> {
        // Not `collect` with the count's size: the count may lie.
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(Self::read(of, stored, scope)?);
        }
        Ok(Self::List(elements))
    }

    fn read_structure(
        structure: &StructType,
        stored: &mut StoredReader<'_>,
        outer: Option<&Scope<'_>>,
    ) -> Result<Self, DecodeError> {
        let scope = Scope::within(structure, outer);
        let fields = stored.structure(|stored| {
            let field = |field: &crate::encoding::FieldType| {
                let value = Self::read(&field.of, stored, Some(&scope))?;
                Ok(FieldValue::new(field.name.clone(), field.json_name.clone(), &field.of, value))
            };
            structure.fields.iter().map(field).collect()
        });
        fields.map(Self::Struct)
    }

    /// Whether its JSON form may be `null`.
    fn is_nullable(&self) -> bool {
        match self {
            Self::Optional(_) | Self::Json(_) => true,
            Self::Tuple(parts) => parts.is_empty(),
            _ => false,
        }
    }

    /// The text that it is as the name of a member of an object.
    fn key_text(&self) -> Option<String> {
        Some(match self {
            Self::Text(text) | Self::Enum(text) => text.clone(),
            Self::Bool(flag) => flag.to_string(),
            Self::Char(character) => character.to_string(),
            Self::Timestamp(time) => time.as_millis().to_string(),
            Self::Id { table, number } => id_text(table, *number),
            Self::Unsigned(number) => number.to_string(),
            Self::Signed(number) => number.to_string(),
            _ => return None,
        })
    }
}

impl FieldValue {
    /// The value of a field of this type.
    pub(super) fn new(name: String, json_name: String, of: &Type, value: Value) -> Self {
        let is_absent_if_none = matches!(of, Type::Optional(of) if is_nullable(of));
        Self { name, json_name, value, is_absent_if_none }
    }

    /// The value as it stands in JSON; `None` if the field is absent there.
    pub(super) fn in_json(&self) -> Option<&Value> {
        match &self.value {
            Value::Optional(value) if self.is_absent_if_none => value.as_deref(),
            value => Some(value),
        }
    }
}

fn read_integer(of: IntegerType, stored: &mut StoredReader<'_>) -> Result<Value, DecodeError> {
    Ok(match (of.is_signed, of.bits) {
        (false, 8) => Value::Unsigned(stored.byte()?.into()),
        (true, 8) => Value::Signed(i8::from_le_bytes(stored.array()?).into()),
        (false, _) => Value::Unsigned(stored.wide()?),
        (true, _) => Value::Signed(stored.signed_wide()?),
    })
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Unsigned(number) => match u64::try_from(*number) {
                Ok(number) => serializer.serialize_u64(number),
                Err(_) => serializer.collect_str(number),
            },
            Self::Signed(number) => match i64::try_from(*number) {
                Ok(number) => serializer.serialize_i64(number),
                Err(_) => serializer.collect_str(number),
            },
            Self::F32(number) => {
                let bits = (number.to_bits() != USUAL_NAN_32).then(|| format!("{:08x}", number.to_bits()));
                serialize_float(f64::from(*number), bits, serializer)
            }
            Self::F64(number) => {
                let bits = (number.to_bits() != USUAL_NAN).then(|| format!("{:016x}", number.to_bits()));
                serialize_float(*number, bits, serializer)
            }
            Self::Char(character) => serializer.serialize_char(*character),
            Self::Text(text) | Self::Enum(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.collect_seq(bytes),
            Self::Timestamp(time) => serializer.serialize_i64(time.as_millis()),
            Self::Id { table, number } => serializer.serialize_str(&id_text(table, *number)),
            Self::Json(json) => json.serialize(serializer),
            Self::Optional(None) => serializer.serialize_none(),
            Self::Optional(Some(value)) if value.is_nullable() => serializer.collect_seq([value]),
            Self::Optional(Some(value)) => value.serialize(serializer),
            Self::Tuple(parts) if parts.is_empty() => serializer.serialize_unit(),
            Self::List(values) | Self::Tuple(values) => serializer.collect_seq(values),
            Self::Map(entries) => {
                let mut object = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    let key = key.key_text().ok_or_else(|| S::Error::custom("a key of a map has no text"))?;
                    object.serialize_entry(&key, value)?;
                }
                object.end()
            }
            Self::Struct(fields) => {
                let mut object = serializer.serialize_map(None)?;
                for field in fields {
                    if let Some(value) = field.in_json() {
                        object.serialize_entry(&field.json_name, value)?;
                    }
                }
                object.end()
            }
        }
    }
}

fn serialize_float<S: Serializer>(number: f64, bits_of_nan: Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match (number, bits_of_nan) {
        (number, _) if number.is_finite() => serializer.serialize_f64(number),
        (f64::INFINITY, _) => serializer.serialize_str("Infinity"),
        (f64::NEG_INFINITY, _) => serializer.serialize_str("-Infinity"),
        (_, None) => serializer.serialize_str("NaN"),
        (_, Some(bits)) => serializer.collect_str(&format_args!("NaN({bits})")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        encoding::encode_value,
        schema::{Id, Json, json::stored_to_json},
    };

    crate::schema! {
        pub enum State { Open = "open", Closed = "closed" }
        pub open enum Kind { Bug = "bug" }
        pub struct Step { name: String, inner: Option<Vec<Step>>, maybe: Option<Option<u8>>, json: Option<Json<u8>> }
        pub table Task in "tasks" { title: String }
    }

    fn has_the_json_of_its_type<T: Typed>(value: &T) {
        let stored = encode_value(value).expect("it has a stored form");
        let of = Type::of::<T>();
        let dynamic = Value::decode(of, &stored).expect("it was just written");
        assert_eq!(dynamic.to_json(), stored_to_json(of, &stored).expect("it was just written"));
    }

    proptest! {
        #[test]
        fn a_value_has_the_json_form_of_its_type(
            wide: u128,
            shift in 0u32..128,
            text: String,
            bytes: Vec<u8>,
            character: char,
            flag: bool,
            maybe: Option<Option<Option<u8>>>,
            numbers: BTreeMap<i64, Vec<Option<u16>>>,
        ) {
            let wide = wide >> shift;
            has_the_json_of_its_type(&(wide as u8, wide as u16, wide as u64, wide, wide as i8, wide as i128));
            has_the_json_of_its_type(&(f32::from_bits(wide as u32), f64::from_bits(wide as u64), character, flag));
            has_the_json_of_its_type(&(maybe, numbers, BTreeSet::from([text.clone()]), bytes, [(), ()]));
            has_the_json_of_its_type(&(Timestamp::from_millis(wide as i64), Id::<Task>::from_raw(wide as u64)));
            has_the_json_of_its_type(&(State::Closed, Kind::from(text.as_str()), BTreeMap::from([(State::Open, ())])));
            let step = |inner| Step { name: text.clone(), inner, maybe: maybe.flatten(), json: Some(Json(1)) };
            has_the_json_of_its_type(&step(Some(vec![step(None), step(Some(vec![step(None)]))])));
            let empty = Step { name: text.clone(), inner: None, maybe: Some(None), json: None };
            has_the_json_of_its_type(&vec![empty.clone(), Step { maybe: None, ..empty }]);
        }

        #[test]
        fn bytes_that_are_no_value_are_errors_and_never_panics(bytes: Vec<u8>) {
            drop(Value::decode(Type::of::<(Vec<Step>, u128, Option<Json<u8>>, char)>(), &bytes));
        }
    }
}
