//! Values that are neither arrays nor objects.

use std::fmt;

use crate::{
    encoding::{EnumType, IntegerType, StoredWriter, Type},
    schema::{
        id_text::number_of,
        json_writer::{USUAL_NAN, USUAL_NAN_32},
    },
};

/// How much of a text an error shows.
const SHOWN_CHARACTERS: usize = 60;

/// What stands in the JSON.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(number) => write!(f, "the number {number}"),
            Self::Float(number) => write!(f, "the number {number:?}"),
            Self::Text(text) => match text.char_indices().nth(SHOWN_CHARACTERS) {
                None => write!(f, "the string {text:?}"),
                Some((end, _)) => write!(f, "a string that begins with {:?}", &text[..end]),
            },
        }
    }
}

impl Found<'_> {
    /// Appends the stored form, if it is a value of this type.
    pub(super) fn write(self, of: &Type, stored: &mut StoredWriter) -> bool {
        self.write_some(of, stored).is_some()
    }

    fn write_some(self, of: &Type, stored: &mut StoredWriter) -> Option<()> {
        match (of, self) {
            (Type::Bool, Found::Bool(value)) => stored.push(&[u8::from(value)]),
            (Type::Integer(of), found) => found.write_integer(*of, stored)?,
            (Type::F32, found) => stored.push(&found.float_32()?.to_le_bytes()),
            (Type::F64, found) => stored.push(&found.float_64()?.to_le_bytes()),
            (Type::Char, Found::Text(text)) => {
                let mut characters = text.chars();
                let (Some(character), None) = (characters.next(), characters.next()) else { return None };
                stored.number(u64::from(character));
            }
            (Type::Text, Found::Text(text)) => stored.counted(text.as_bytes()),
            (Type::Enum(EnumType { variants, is_open, .. }), Found::Text(text)) => {
                if !*is_open && !variants.iter().any(|variant| variant == text) {
                    return None;
                }
                stored.counted(text.as_bytes());
            }
            (Type::Timestamp, Found::Integer(millis)) => stored.signed(i64::try_from(millis).ok()?),
            (Type::Id(table), Found::Text(text)) => stored.number(number_of(table, text)?),
            (Type::Tuple(parts), Found::Null) if parts.is_empty() => {}
            _ => return None,
        }
        Some(())
    }

    fn write_integer(self, IntegerType { is_signed, bits }: IntegerType, stored: &mut StoredWriter) -> Option<()> {
        let shift = 128 - u32::from(bits);
        if is_signed {
            let number: i128 = match self {
                Found::Integer(number) => number,
                Found::Text(text) if bits == 128 => text.parse().ok()?,
                _ => return None,
            };
            if number < i128::MIN >> shift || number > i128::MAX >> shift {
                return None;
            }
            match bits {
                8 => stored.push(&[number as u8]),
                _ => stored.signed_wide(number),
            }
            return Some(());
        }
        let number: u128 = match self {
            Found::Integer(number) => u128::try_from(number).ok()?,
            Found::Text(text) if bits == 128 => text.parse().ok()?,
            _ => return None,
        };
        if number > u128::MAX >> shift {
            return None;
        }
        match bits {
            8 => stored.push(&[number as u8]),
            _ => stored.wide(number),
        }
        Some(())
    }

    fn float_64(self) -> Option<f64> {
        match self {
            Found::Float(number) => Some(number),
            Found::Integer(number) => Some(number as f64),
            Found::Text("Infinity") => Some(f64::INFINITY),
            Found::Text("-Infinity") => Some(f64::NEG_INFINITY),
            Found::Text("NaN") => Some(f64::from_bits(USUAL_NAN)),
            Found::Text(text) => {
                let number = f64::from_bits(u64::from_str_radix(nan_bits(text)?, 16).ok()?);
                number.is_nan().then_some(number)
            }
            Found::Null | Found::Bool(_) => None,
        }
    }

    fn float_32(self) -> Option<f32> {
        match self {
            Found::Text("NaN") => Some(f32::from_bits(USUAL_NAN_32)),
            Found::Text(text) if text.starts_with("NaN(") => {
                let number = f32::from_bits(u32::from_str_radix(nan_bits(text)?, 16).ok()?);
                number.is_nan().then_some(number)
            }
            found => {
                let wide = found.float_64()?;
                let number = wide as f32;
                // A finite number that is too large is no infinity.
                (number.is_finite() == wide.is_finite()).then_some(number)
            }
        }
    }
}

fn nan_bits(text: &str) -> Option<&str> {
    text.strip_prefix("NaN(")?.strip_suffix(')')
}
