//! [`Type`]: what a type is made of.

mod bytes;

use std::{any::TypeId, fmt};

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

impl Type {
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

    pub(super) fn every_kind() -> Type {
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
    fn types_are_shown_as_they_are_written() {
        let text = "(bool, i128, f32, f64, char, Vec<u8>, Id<tasks>, Json, Vec<String>, [String; 3], Set<String>, \
                    Map<String, f64>, State, Step, ())";
        assert_eq!(every_kind().to_string(), text);
    }
}
