//! The keys of maps, which are texts in JSON.

use serde::de::Error;

use super::{Place, scalars::Found};
use crate::encoding::{StoredWriter, Type};

/// Appends the stored form of a key.
pub(super) fn write<E: Error>(place: &Place<'_>, text: &str, stored: &mut StoredWriter) -> Result<(), E> {
    let found = match place.of {
        Type::Bool => match text {
            "true" => Found::Bool(true),
            "false" => Found::Bool(false),
            _ => Found::Text(text),
        },
        Type::Integer(_) | Type::Timestamp => text.parse().map_or(Found::Text(text), Found::Integer),
        _ => Found::Text(text),
    };
    if found.write(place.of, stored) { Ok(()) } else { Err(place.wrong(format_args!("the key {text:?}"))) }
}
