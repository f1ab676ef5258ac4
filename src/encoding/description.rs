//! [`Type`]: what a type is made of.

use std::{any::TypeId, fmt};

use super::stored::{DecodeError, StoredReader, StoredWriter};

/// What a type is made of, as far as stored and sent values show it.
///
/// Two types with equal descriptions have the same stored form and the same JSON form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// True or false.
    Bool,
    /// A whole number.
    Integer(IntegerType),
    /// A floating-point number of 32 bits.
    F32,
    /// A floating-point number of 64 bits.
    F64,
    /// One Unicode scalar value.
    Char,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// Milliseconds since the Unix epoch.
    Timestamp,
    /// The id of a row of the table with this name.
    Id(String),
    /// Anything that JSON can say.
    Json,
    /// A value or none.
    Optional(Box<Type>),
    /// Any number of values in their order.
    List(Box<Type>),
    /// So many values in their order.
    Array(Box<Type>, u32),
    /// Values without an order, each once.
    Set(Box<Type>),
    /// Values by their keys.
    Map(Box<Type>, Box<Type>),
    /// One value of each type.
    Tuple(Vec<Type>),
    /// One of several texts.
    Enum(EnumType),
    /// Named values.
    Struct(StructType),
    /// A struct that this type stands in: 0 is the nearest, 1 the one around that.
    Enclosing(u32),
}

/// The width of an integer, and whether it has a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegerType {
    /// Whether it can be negative.
    pub is_signed: bool,
    /// 8, 16, 32, 64 or 128.
    pub bits: u8,
}

/// An enum: each variant is a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnumType {
    /// Its name in Rust.
    pub name: String,
    /// The texts of its variants, in the order of declaration.
    pub variants: Vec<String>,
    /// Whether it also holds texts that are none of them.
    pub is_open: bool,
}

/// A struct: the fields in the order of declaration, in which they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StructType {
    /// Its name in Rust.
    pub name: String,
    /// Its fields.
    pub fields: Vec<FieldType>,
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldType {
    /// Its name in Rust.
    pub name: String,
    /// Its name in JSON.
    pub json_name: String,
    /// Its earlier name: `was "…"`.
    pub was: Option<String>,
    /// The stored form of its default.
    pub default: Option<Vec<u8>>,
    /// What it is made of.
    pub of: Type,
}

impl EnumType {
    /// An enum with these variants.
    #[doc(hidden)]
    pub fn new(name: &str, variants: &[&str], is_open: bool) -> Self {
        let variants = variants.iter().map(|&text| text.to_owned()).collect();
        Self { name: name.to_owned(), variants, is_open }
    }
}

impl FieldType {
    /// A field without a default that never had another name.
    #[doc(hidden)]
    pub fn new(name: &str, json_name: &str, of: Type) -> Self {
        Self { name: name.to_owned(), json_name: json_name.to_owned(), was: None, default: None, of }
    }

    /// The same with its earlier name and its default, where it has them. A default that has no stored form is none.
    #[doc(hidden)]
    pub fn with(self, was: Option<&str>, default: Option<Result<Vec<u8>, String>>) -> Self {
        Self { was: was.map(str::to_owned), default: default.and_then(Result::ok), ..self }
    }
}

/// Describes types that may contain themselves.
#[derive(Debug, Default)]
pub struct Describer {
    /// The structs that are being described, from the outermost on.
    enclosing: Vec<TypeId>,
}

impl Describer {
    /// The struct `S`; `fields` describes its fields. A struct that stands within itself is only named there.
    pub fn structure<S: 'static>(&mut self, name: &str, fields: impl FnOnce(&mut Self) -> Vec<FieldType>) -> Type {
        let own = TypeId::of::<S>();
        if let Some(levels) = self.enclosing.iter().rev().position(|enclosing| *enclosing == own) {
            return Type::Enclosing(levels as u32);
        }
        self.enclosing.push(own);
        let fields = fields(self);
        self.enclosing.pop();
        Type::Struct(StructType { name: name.to_owned(), fields })
    }
}

/// The structs that a type stands in, from the nearest on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    structure: &'a StructType,
    outer: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    /// Within a struct.
    pub(crate) fn within(structure: &'a StructType, outer: Option<&'a Scope<'a>>) -> Self {
        Self { structure, outer }
    }

    /// The struct that many levels up, and what that stands in; `None` if there are not so many.
    pub(crate) fn enclosing(scope: Option<&'a Self>, levels: u32) -> Option<(&'a StructType, Option<&'a Self>)> {
        let mut scope = scope?;
        for _ in 0..levels {
            scope = scope.outer?;
        }
        Some((scope.structure, scope.outer))
    }
}

const BOOL: u8 = 0;
const INTEGER: u8 = 1;
const F32: u8 = 2;
const F64: u8 = 3;
const CHAR: u8 = 4;
const TEXT: u8 = 5;
const BYTES: u8 = 6;
const TIMESTAMP: u8 = 7;
const ID: u8 = 8;
const JSON: u8 = 9;
const OPTION: u8 = 10;
const LIST: u8 = 11;
const ARRAY: u8 = 12;
const SET: u8 = 13;
const MAP: u8 = 14;
const TUPLE: u8 = 15;
const ENUM: u8 = 16;
const STRUCT: u8 = 17;
const ENCLOSING: u8 = 18;
/// How deep the description of a type may be.
const MAX_TYPE_DEPTH: u32 = 500;

impl Type {
    /// The stored form of the description itself.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut stored = StoredWriter::default();
        self.write(&mut stored);
        stored.finish().expect("a description is made of texts and numbers, which always have a stored form")
    }

    /// The description with this stored form.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut stored = StoredReader::new(bytes);
        let of = Self::read_within(&mut stored, MAX_TYPE_DEPTH)?;
        stored.end()?;
        Ok(of)
    }

    /// Whether every stored value of this type is the stored form of the same value of the other one.
    pub(crate) fn reads_as(&self, declared: &Self) -> bool {
        match (self, declared) {
            (Self::Text, Self::Enum(declared)) => declared.is_open,
            (Self::Enum(_), Self::Text) => true,
            (Self::Enum(stored), Self::Enum(declared)) => {
                let has = |text: &String| declared.variants.contains(text);
                declared.is_open || !stored.is_open && stored.variants.iter().all(has)
            }
            (Self::Optional(stored), Self::Optional(declared))
            | (Self::List(stored), Self::List(declared))
            | (Self::Set(stored), Self::Set(declared)) => stored.reads_as(declared),
            (Self::Array(stored, count), Self::Array(declared, declared_count)) => {
                count == declared_count && stored.reads_as(declared)
            }
            (Self::Map(key, value), Self::Map(declared_key, declared_value)) => {
                key.reads_as(declared_key) && value.reads_as(declared_value)
            }
            (Self::Tuple(stored), Self::Tuple(declared)) => {
                stored.len() == declared.len() && stored.iter().zip(declared).all(|(one, other)| one.reads_as(other))
            }
            (Self::Struct(stored), Self::Struct(declared)) => {
                let is_same = |(stored, declared): (&FieldType, &FieldType)| {
                    let has_its_name = stored.name == declared.name || declared.was.as_ref() == Some(&stored.name);
                    has_its_name && stored.of.reads_as(&declared.of)
                };
                stored.fields.len() == declared.fields.len() && stored.fields.iter().zip(&declared.fields).all(is_same)
            }
            (stored, declared) => stored == declared,
        }
    }

    /// Appends the stored form of the description itself.
    fn write(&self, stored: &mut StoredWriter) {
        let mut tagged = |tag: u8, parts: &[&Type]| {
            stored.push(&[tag]);
            parts.iter().for_each(|part| part.write(stored));
        };
        match self {
            Self::Bool => tagged(BOOL, &[]),
            Self::F32 => tagged(F32, &[]),
            Self::F64 => tagged(F64, &[]),
            Self::Char => tagged(CHAR, &[]),
            Self::Text => tagged(TEXT, &[]),
            Self::Bytes => tagged(BYTES, &[]),
            Self::Timestamp => tagged(TIMESTAMP, &[]),
            Self::Json => tagged(JSON, &[]),
            Self::Optional(of) => tagged(OPTION, &[of]),
            Self::List(of) => tagged(LIST, &[of]),
            Self::Set(of) => tagged(SET, &[of]),
            Self::Map(key, value) => tagged(MAP, &[key, value]),
            Self::Integer(IntegerType { is_signed, bits }) => stored.push(&[INTEGER, u8::from(*is_signed), *bits]),
            Self::Id(table) => {
                stored.push(&[ID]);
                stored.counted(table.as_bytes());
            }
            Self::Array(of, count) => {
                stored.push(&[ARRAY]);
                stored.number(u64::from(*count));
                of.write(stored);
            }
            Self::Tuple(parts) => {
                stored.push(&[TUPLE]);
                stored.count(parts.len());
                parts.iter().for_each(|part| part.write(stored));
            }
            Self::Enum(EnumType { name, variants, is_open }) => {
                stored.push(&[ENUM, u8::from(*is_open)]);
                stored.counted(name.as_bytes());
                stored.count(variants.len());
                variants.iter().for_each(|text| stored.counted(text.as_bytes()));
            }
            Self::Struct(StructType { name, fields }) => {
                stored.push(&[STRUCT]);
                stored.counted(name.as_bytes());
                stored.count(fields.len());
                fields.iter().for_each(|field| field.write(stored));
            }
            Self::Enclosing(levels) => {
                stored.push(&[ENCLOSING]);
                stored.number(u64::from(*levels));
            }
        }
    }

    fn read_within(stored: &mut StoredReader<'_>, depth: u32) -> Result<Self, DecodeError> {
        let depth = depth.checked_sub(1).ok_or_else(|| DecodeError::new("the description of a type is too deep"))?;
        let boxed = |stored: &mut StoredReader<'_>| Self::read_within(stored, depth).map(Box::new);
        Ok(match stored.byte()? {
            BOOL => Self::Bool,
            F32 => Self::F32,
            F64 => Self::F64,
            CHAR => Self::Char,
            TEXT => Self::Text,
            BYTES => Self::Bytes,
            TIMESTAMP => Self::Timestamp,
            JSON => Self::Json,
            OPTION => Self::Optional(boxed(stored)?),
            LIST => Self::List(boxed(stored)?),
            SET => Self::Set(boxed(stored)?),
            MAP => Self::Map(boxed(stored)?, boxed(stored)?),
            INTEGER => Self::Integer(IntegerType::read(stored)?),
            ID => Self::Id(stored.text()?.to_owned()),
            ARRAY => {
                let count = small(stored)?;
                Self::Array(boxed(stored)?, count)
            }
            TUPLE => Self::Tuple(listed(stored, |stored| Self::read_within(stored, depth))?),
            ENUM => {
                let is_open = stored.flag()?;
                let name = stored.text()?.to_owned();
                let variants = listed(stored, |stored| stored.text().map(str::to_owned))?;
                Self::Enum(EnumType { name, variants, is_open })
            }
            STRUCT => {
                let name = stored.text()?.to_owned();
                Self::Struct(StructType { name, fields: listed(stored, |stored| FieldType::read(stored, depth))? })
            }
            ENCLOSING => Self::Enclosing(small(stored)?),
            other => return Err(DecodeError::new(format!("no description of a type begins with {other}"))),
        })
    }
}

impl IntegerType {
    fn read(stored: &mut StoredReader<'_>) -> Result<Self, DecodeError> {
        let (is_signed, bits) = (stored.flag()?, stored.byte()?);
        if !matches!(bits, 8 | 16 | 32 | 64 | 128) {
            return Err(DecodeError::new(format!("no integer has {bits} bits")));
        }
        Ok(Self { is_signed, bits })
    }
}

impl FieldType {
    fn write(&self, stored: &mut StoredWriter) {
        let Self { name, json_name, was, default, of } = self;
        stored.counted(name.as_bytes());
        stored.counted(json_name.as_bytes());
        for part in [was.as_deref().map(str::as_bytes), default.as_deref()] {
            stored.push(&[u8::from(part.is_some())]);
            part.into_iter().for_each(|part| stored.counted(part));
        }
        of.write(stored);
    }

    fn read(stored: &mut StoredReader<'_>, depth: u32) -> Result<Self, DecodeError> {
        let (name, json_name) = (stored.text()?.to_owned(), stored.text()?.to_owned());
        let was = if stored.flag()? { Some(stored.text()?.to_owned()) } else { None };
        let default = if stored.flag()? { Some(stored.counted()?.to_vec()) } else { None };
        Ok(Self { name, json_name, was, default, of: Type::read_within(stored, depth)? })
    }
}

fn small(stored: &mut StoredReader<'_>) -> Result<u32, DecodeError> {
    u32::try_from(stored.number()?).map_err(|_| DecodeError::new("a count is too large"))
}

fn listed<'a, E>(
    stored: &mut StoredReader<'a>,
    mut read: impl FnMut(&mut StoredReader<'a>) -> Result<E, DecodeError>,
) -> Result<Vec<E>, DecodeError> {
    let count = stored.count()?;
    (0..count).map(|_| read(stored)).collect()
}

/// As it is written in Rust: `Option<Vec<u8>>`. Enums and structs are their names.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Integer(integer) => fmt::Display::fmt(integer, f),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::Char => f.write_str("char"),
            Self::Text => f.write_str("String"),
            Self::Bytes => f.write_str("Vec<u8>"),
            Self::Timestamp => f.write_str("Timestamp"),
            Self::Id(table) => write!(f, "Id<{table}>"),
            Self::Json => f.write_str("Json"),
            Self::Optional(of) => write!(f, "Option<{of}>"),
            Self::List(of) => write!(f, "Vec<{of}>"),
            Self::Array(of, count) => write!(f, "[{of}; {count}]"),
            Self::Set(of) => write!(f, "Set<{of}>"),
            Self::Map(key, value) => write!(f, "Map<{key}, {value}>"),
            Self::Tuple(parts) => {
                f.write_str("(")?;
                for (at, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(if parts.len() == 1 { ",)" } else { ")" })
            }
            Self::Enum(EnumType { name, .. }) | Self::Struct(StructType { name, .. }) => f.write_str(name),
            Self::Enclosing(levels) => write!(f, "^{levels}"),
        }
    }
}

impl fmt::Display for IntegerType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_signed { 'i' } else { 'u' }, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Type {
        let boxed = |of: &Type| Box::new(of.clone());
        let field = FieldType::new("due_at", "dueAt", Type::Timestamp).with(Some("due"), Some(Ok(vec![0])));
        let structure = StructType {
            name: "Step".to_owned(),
            fields: vec![field, FieldType::new("next", "next", Type::Optional(Box::new(Type::Enclosing(0))))],
        };
        Type::Tuple(vec![
            Type::Bool,
            Type::Integer(IntegerType { is_signed: true, bits: 128 }),
            Type::F32,
            Type::F64,
            Type::Char,
            Type::Bytes,
            Type::Id("tasks".to_owned()),
            Type::Json,
            Type::List(boxed(&Type::Text)),
            Type::Array(boxed(&Type::Text), 3),
            Type::Set(boxed(&Type::Text)),
            Type::Map(boxed(&Type::Text), boxed(&Type::F64)),
            Type::Enum(EnumType::new("State", &["open", "closed"], true)),
            Type::Struct(structure),
            Type::Tuple(Vec::new()),
        ])
    }

    #[test]
    fn a_description_reads_back_from_its_stored_form() {
        let bytes = every_kind().to_bytes();
        assert_eq!(Type::from_bytes(&bytes), Ok(every_kind()));
        for end in 0..bytes.len() {
            assert!(Type::from_bytes(&bytes[..end]).is_err(), "cut off at {end}");
        }
    }

    #[test]
    fn a_description_that_is_endlessly_deep_is_an_error() {
        assert!(Type::from_bytes(&[OPTION; 1 << 20]).is_err());
    }

    #[test]
    fn types_are_shown_as_they_are_written() {
        let text = "(bool, i128, f32, f64, char, Vec<u8>, Id<tasks>, Json, Vec<String>, [String; 3], Set<String>, \
                    Map<String, f64>, State, Step, ())";
        assert_eq!(every_kind().to_string(), text);
    }
}
