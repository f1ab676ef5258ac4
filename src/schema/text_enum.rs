//! What the enums of [`schema!`](crate::schema!) have in common: each variant is a text to the outside and a position
//! in keys.

use std::{fmt, marker::PhantomData};

use serde::{Deserializer, de};

use crate::encoding::{DecodeError, EnumType, StoredReader, Type};

/// An enum that `schema!` declares.
pub trait TextEnum: Copy + 'static {
    /// The enum's name in Rust.
    const NAME: &'static str;
    /// Every variant's text, in the order of declaration.
    const TEXTS: &'static [&'static str];
    /// Every variant, in the same order.
    const VARIANTS: &'static [Self];
}

/// A text is not one of an enum's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {expected}; it must be one of {allowed:?}")]
pub struct UnknownVariant {
    /// The text.
    pub text: String,
    /// The enum.
    pub expected: &'static str,
    /// The texts of its variants, in the order of declaration.
    pub allowed: &'static [&'static str],
}

/// The variant with this text.
pub fn parse_variant<E: TextEnum>(text: &str) -> Result<E, UnknownVariant> {
    let position = E::TEXTS.iter().position(|&known| known == text);
    position.map(|position| E::VARIANTS[position]).ok_or_else(|| UnknownVariant {
        text: text.to_owned(),
        expected: E::NAME,
        allowed: E::TEXTS,
    })
}

/// What the enum is made of; `earlier` has each text with the earlier one of its variant.
pub fn describe_variants<E: TextEnum>(earlier: &[(&str, Option<&str>)]) -> Type {
    Type::Enum(EnumType::new(E::NAME, E::TEXTS, false).with(earlier))
}

/// Reads a variant from its stored form.
#[inline]
pub fn decode_variant<E: TextEnum>(stored: &mut StoredReader<'_>) -> Result<E, DecodeError> {
    let text = stored.text()?;
    let position = E::TEXTS.iter().position(|&known| known == text);
    position.map(|position| E::VARIANTS[position]).ok_or_else(|| unknown_variant::<E>(text))
}

#[cold]
fn unknown_variant<E: TextEnum>(text: &str) -> DecodeError {
    DecodeError::new(format!("{text:?} is no {}", E::NAME))
}

/// Reads a value from its text, whatever that is.
pub fn deserialize_text<'de, E: for<'a> From<&'a str>, D: Deserializer<'de>>(deserializer: D) -> Result<E, D::Error> {
    deserializer.deserialize_str(AnyText(PhantomData))
}

struct AnyText<E>(PhantomData<fn() -> E>);

impl<E: for<'a> From<&'a str>> de::Visitor<'_> for AnyText<E> {
    type Value = E;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<X: de::Error>(self, text: &str) -> Result<E, X> {
        Ok(E::from(text))
    }
}

/// Reads a variant from its text.
pub fn deserialize_variant<'de, E: TextEnum, D: Deserializer<'de>>(deserializer: D) -> Result<E, D::Error> {
    deserializer.deserialize_str(VariantText(PhantomData))
}

struct VariantText<E>(PhantomData<fn() -> E>);

impl<E: TextEnum> de::Visitor<'_> for VariantText<E> {
    type Value = E;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text of a {}", E::NAME)
    }

    fn visit_str<X: de::Error>(self, text: &str) -> Result<E, X> {
        parse_variant(text).map_err(X::custom)
    }
}

/// The type as a part of keys, where a variant is its position: `enum(backlog|todo)`.
///
/// Appended variants append to the description. What separates texts is escaped within them, so that no two lists of
/// texts have the same description.
pub fn describe_enum(texts: &[&str]) -> String {
    let escaped = texts.iter().map(|text| text.replace('\\', "\\\\").replace('|', "\\|").replace(')', "\\)"));
    format!("enum({})", escaped.collect::<Vec<_>>().join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_tells_every_two_lists_of_texts_apart() {
        assert_eq!(describe_enum(&["backlog", "todo"]), "enum(backlog|todo)");
        assert_eq!(describe_enum(&["a|b"]), r"enum(a\|b)");
        assert_eq!(describe_enum(&[r"a\", "b)"]), r"enum(a\\|b\))");
    }
}
