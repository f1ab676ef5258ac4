//! What errors say: where something is, what was expected, what was found.

use std::fmt;

use serde_json::Value;

use crate::encoding::{EnumType, IntegerType, Scope, Type};

/// The way from the whole value to a part of it.
#[derive(Debug)]
pub(super) enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Path::Root, name) => f.write_str(name),
            Self::Field(outer, name) => write!(f, "{outer}.{name}"),
            Self::Index(outer, at) => write!(f, "{outer}[{at}]"),
        }
    }
}

/// What a value of this type looks like in JSON.
pub(super) fn expected(of: &Type, scope: Option<&Scope<'_>>) -> String {
    match of {
        Type::Bool => "a boolean".to_owned(),
        Type::Integer(integer) => range(*integer),
        Type::F32 | Type::F64 => "a number".to_owned(),
        Type::Char => "a string of one character".to_owned(),
        Type::Text => "a string".to_owned(),
        Type::Bytes => "an array of bytes".to_owned(),
        Type::Timestamp => "a time in milliseconds".to_owned(),
        Type::Id(table) => format!("an id of table {table:?}"),
        Type::Json => "any JSON".to_owned(),
        Type::Optional(of) => format!("{} or null", expected(of, scope)),
        Type::List(_) => "an array".to_owned(),
        Type::Set(_) => "an array without duplicates".to_owned(),
        Type::Array(_, count) => format!("an array of {count}"),
        Type::Map(..) => "an object".to_owned(),
        Type::Tuple(parts) if parts.is_empty() => "null".to_owned(),
        Type::Tuple(parts) => format!("an array of {}", parts.len()),
        Type::Enum(EnumType { is_open: true, .. }) => "a string".to_owned(),
        Type::Enum(EnumType { variants, .. }) => format!("one of {variants:?}"),
        Type::Struct(structure) => format!("an object ({})", structure.name),
        Type::Enclosing(levels) => {
            let name = Scope::enclosing(scope, *levels).map_or("", |(structure, _)| structure.name.as_str());
            format!("an object ({name})")
        }
    }
}

fn range(IntegerType { is_signed, bits }: IntegerType) -> String {
    let shift = 128 - u32::from(bits);
    match is_signed {
        true => format!("an integer from {} to {}", i128::MIN >> shift, i128::MAX >> shift),
        false => format!("an integer from 0 to {}", u128::MAX >> shift),
    }
}

/// What kind of value this is.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
