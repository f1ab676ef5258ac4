//! The JSON form of a stored value, by the description of its type alone.
//!
//! | type | JSON |
//! |---|---|
//! | integers, floats | a number; an integer of more than 64 bits is its decimal text |
//! | NaN, infinities | `"NaN"`, `"Infinity"`, `"-Infinity"`; a NaN with other bits than Rust's has them: `"NaN(fff8…)"` |
//! | `char`, text, enums, ids | text |
//! | bytes | an array of numbers |
//! | `Timestamp` | the number of its milliseconds |
//! | `Option` | the value, or `null` |
//! | `Option` of what can be `null` itself | a field: the value, or absent; elsewhere an array of the value, or `null` |
//! | lists, sets, arrays, tuples | an array; the empty tuple is `null` |
//! | maps, structs | an object |

use std::cell::Cell;

use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap, SerializeSeq},
};

use super::id_text::id_text;
use crate::encoding::{DecodeError, IntegerType, Scope, StoredReader, StructType, Type};

/// What the bits of a NaN are, unless a program goes out of its way.
pub(super) const USUAL_NAN: u64 = f64::NAN.to_bits();
pub(super) const USUAL_NAN_32: u32 = f32::NAN.to_bits();

/// A stored value that is to be written.
pub(super) struct Stored<'b, 'a> {
    of: &'a Type,
    /// Where the value begins; afterwards, where it ended.
    stored: &'a Cell<StoredReader<'b>>,
    /// What the type stands in.
    scope: Option<&'a Scope<'a>>,
    non_finite: NonFinite,
}

/// What becomes of NaN and infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NonFinite {
    /// They are texts.
    Text,
    /// They are errors.
    Refuse,
}

impl<'b, 'a> Stored<'b, 'a> {
    /// The next value of the reader, of this type.
    pub(super) fn new(of: &'a Type, stored: &'a Cell<StoredReader<'b>>, non_finite: NonFinite) -> Self {
        Self { of, stored, scope: None, non_finite }
    }

    fn part(&self, of: &'a Type) -> Self {
        Self { of, ..*self }
    }

    fn read<R, E: Error>(&self, read: impl FnOnce(&mut StoredReader<'b>) -> Result<R, DecodeError>) -> Result<R, E> {
        let mut stored = self.stored.get();
        let value = read(&mut stored).map_err(E::custom)?;
        self.stored.set(stored);
        Ok(value)
    }

    fn integer<S: Serializer>(&self, of: IntegerType, serializer: S) -> Result<S::Ok, S::Error> {
        match self.integer_value(of)? {
            Integer::Unsigned(number) => match u64::try_from(number) {
                Ok(number) => serializer.serialize_u64(number),
                Err(_) => serializer.collect_str(&number),
            },
            Integer::Signed(number) => match i64::try_from(number) {
                Ok(number) => serializer.serialize_i64(number),
                Err(_) => serializer.collect_str(&number),
            },
        }
    }

    fn integer_value<E: Error>(&self, of: IntegerType) -> Result<Integer, E> {
        self.read(|stored| {
            Ok(match (of.is_signed, of.bits) {
                (false, 8) => Integer::Unsigned(stored.byte()?.into()),
                (true, 8) => Integer::Signed(i8::from_le_bytes(stored.array()?).into()),
                (false, _) => Integer::Unsigned(stored.wide()?),
                (true, _) => Integer::Signed(stored.signed_wide()?),
            })
        })
    }

    fn option<S: Serializer>(&self, of: &'a Type, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.read(StoredReader::flag)? {
            return serializer.serialize_none();
        }
        if !is_nullable(of) {
            return self.part(of).serialize(serializer);
        }
        let mut array = serializer.serialize_seq(Some(1))?;
        array.serialize_element(&self.part(of))?;
        array.end()
    }

    fn float<S: Serializer>(&self, number: f64, bits_of_nan: Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        if number.is_finite() {
            return serializer.serialize_f64(number);
        }
        match (self.non_finite, number, bits_of_nan) {
            (NonFinite::Refuse, ..) => Err(S::Error::custom(format_args!("JSON has no number {number}"))),
            (NonFinite::Text, f64::INFINITY, _) => serializer.serialize_str("Infinity"),
            (NonFinite::Text, f64::NEG_INFINITY, _) => serializer.serialize_str("-Infinity"),
            (NonFinite::Text, _, None) => serializer.serialize_str("NaN"),
            (NonFinite::Text, _, Some(bits)) => serializer.collect_str(&format_args!("NaN({bits})")),
        }
    }

    fn elements<S: Serializer>(&self, of: &'a Type, count: usize, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_seq(Some(count))?;
        (0..count).try_for_each(|_| array.serialize_element(&self.part(of)))?;
        array.end()
    }

    fn tuple<S: Serializer>(&self, parts: &'a [Type], serializer: S) -> Result<S::Ok, S::Error> {
        if parts.is_empty() {
            return serializer.serialize_unit();
        }
        let mut array = serializer.serialize_seq(Some(parts.len()))?;
        parts.iter().try_for_each(|part| array.serialize_element(&self.part(part)))?;
        array.end()
    }

    fn map<S: Serializer>(&self, key: &'a Type, value: &'a Type, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.read(StoredReader::count)?;
        let mut object = serializer.serialize_map(Some(count))?;
        for _ in 0..count {
            let key = self.part(key).key_text()?;
            object.serialize_entry(&key, &self.part(value))?;
        }
        object.end()
    }

    fn key_text<E: Error>(&self) -> Result<String, E> {
        Ok(match self.of {
            Type::Text | Type::Enum(_) => self.read(|stored| stored.text().map(str::to_owned))?,
            Type::Bool => self.read(StoredReader::flag)?.to_string(),
            Type::Char => self.read(character)?.to_string(),
            Type::Timestamp => self.read(StoredReader::signed)?.to_string(),
            Type::Id(table) => id_text(table, self.read(StoredReader::number)?),
            Type::Integer(of) => match self.integer_value(*of)? {
                Integer::Unsigned(number) => number.to_string(),
                Integer::Signed(number) => number.to_string(),
            },
            other => return Err(E::custom(format!("{other} is no type of a map's keys"))),
        })
    }

    fn structure<S: Serializer>(
        &self,
        structure: &'a StructType,
        outer: Option<&Scope<'_>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let scope = Scope::within(structure, outer);
        let mut object = serializer.serialize_map(None)?;
        for field in &structure.fields {
            if let Type::Optional(of) = &field.of
                && is_nullable(of)
            {
                if self.read(StoredReader::flag)? {
                    object.serialize_entry(&field.json_name, &Stored { of, scope: Some(&scope), ..*self })?;
                }
            } else {
                object.serialize_entry(&field.json_name, &Stored { of: &field.of, scope: Some(&scope), ..*self })?;
            }
        }
        object.end()
    }
}

enum Integer {
    Unsigned(u128),
    Signed(i128),
}

/// Whether the JSON form of some value of the type is `null`.
pub(super) fn is_nullable(of: &Type) -> bool {
    match of {
        Type::Optional(_) | Type::Json => true,
        Type::Tuple(parts) => parts.is_empty(),
        _ => false,
    }
}

fn character(stored: &mut StoredReader<'_>) -> Result<char, DecodeError> {
    let point = u32::try_from(stored.number()?).ok();
    point.and_then(char::from_u32).ok_or_else(|| DecodeError::new("a number is not a character"))
}

impl Serialize for Stored<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.of {
            Type::Bool => serializer.serialize_bool(self.read(StoredReader::flag)?),
            Type::Integer(of) => self.integer(*of, serializer),
            Type::F32 => {
                let number = f32::from_le_bytes(self.read(StoredReader::array)?);
                let bits = (number.to_bits() != USUAL_NAN_32).then(|| format!("{:08x}", number.to_bits()));
                // As a number of 64 bits, which is exact: its text may be longer, and reads back as the same.
                self.float(f64::from(number), bits, serializer)
            }
            Type::F64 => {
                let number = f64::from_le_bytes(self.read(StoredReader::array)?);
                let bits = (number.to_bits() != USUAL_NAN).then(|| format!("{:016x}", number.to_bits()));
                self.float(number, bits, serializer)
            }
            Type::Char => serializer.serialize_char(self.read(character)?),
            Type::Text | Type::Enum(_) => serializer.serialize_str(self.read(StoredReader::text)?),
            Type::Bytes => serializer.collect_seq(self.read(StoredReader::counted)?),
            Type::Timestamp => serializer.serialize_i64(self.read(StoredReader::signed)?),
            Type::Id(table) => serializer.serialize_str(&id_text(table, self.read(StoredReader::number)?)),
            Type::Json => {
                let text = self.read(StoredReader::text)?;
                let value: serde_json::Value = serde_json::from_str(text).map_err(S::Error::custom)?;
                value.serialize(serializer)
            }
            Type::Optional(of) => self.option(of, serializer),
            Type::List(of) | Type::Set(of) => self.elements(of, self.read(StoredReader::count)?, serializer),
            Type::Array(of, count) => self.elements(of, *count as usize, serializer),
            Type::Map(key, value) => self.map(key, value, serializer),
            Type::Tuple(parts) => self.tuple(parts, serializer),
            Type::Struct(structure) => self.structure(structure, self.scope, serializer),
            Type::Enclosing(levels) => match Scope::enclosing(self.scope, *levels) {
                Some((structure, outer)) => self.structure(structure, outer, serializer),
                None => Err(S::Error::custom("a type stands in fewer structs than it says")),
            },
        }
    }
}
