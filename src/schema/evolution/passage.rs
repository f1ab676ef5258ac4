//! [`passage`]: how values of a stored field become values of the declared one.

use super::{
    fit::{Fit, fit},
    shape::spelled,
    transcoder::Transcoder,
};
use crate::{
    encoding::ConvertField,
    error::SchemaError,
    schema::{
        catalog::CatalogField,
        definition::{EncodedValue, FieldDefinition},
    },
};

/// How values of a stored field become values of the declared one.
#[derive(Debug)]
pub(super) enum Passage {
    /// They stay.
    Same,
    /// Through a conversion.
    Converted(FieldConversion),
}

/// Brings values to the type that the program converts from, and then converts them; one of the two may be missing.
#[derive(Debug)]
pub(super) struct FieldConversion {
    transcoder: Option<Transcoder>,
    convert: Option<fn(&[u8]) -> EncodedValue>,
}

impl ConvertField for FieldConversion {
    fn convert(&self, stored: &[u8]) -> Result<Vec<u8>, String> {
        match (&self.transcoder, self.convert) {
            (None, None) => Ok(stored.to_vec()),
            (None, Some(convert)) => convert(stored),
            (Some(transcoder), None) => transcoder.transcode(stored),
            (Some(transcoder), Some(convert)) => convert(&transcoder.transcode(stored)?),
        }
    }
}

/// `field` is the declared one in the catalog's terms: it says how many conversions its values have had.
///
/// # Errors
///
/// A type that neither fits nor is the one that the program converts from.
pub(super) fn passage(
    table: &str,
    stored: &CatalogField,
    field: &CatalogField,
    declared: &FieldDefinition,
) -> Result<Passage, SchemaError> {
    let fit_to = |of| fit(table, &field.name, &stored.of, of);
    let (fits, convert) = match (field.conversions.checked_sub(stored.conversions), &declared.conversion) {
        (Some(0), _) => (fit_to((declared.of)()), None),
        (Some(1), Some(conversion)) => (fit_to((conversion.of)()), Some(conversion.convert)),
        _ => return Err(changed(table, &spelled_field(stored, field), stored, field)),
    };
    let transcoder = match fits {
        Ok(Fit::Same) if convert.is_none() => return Ok(Passage::Same),
        Ok(Fit::Same) => None,
        Ok(Fit::Transcoded(transcoder)) => Some(transcoder),
        Err(SchemaError::ChangedType { .. }) => {
            return Err(changed(table, &spelled_field(stored, field), stored, field));
        }
        Err(nested) => return Err(nested),
    };
    Ok(Passage::Converted(FieldConversion { transcoder, convert }))
}

/// The error for a change that needs a conversion; `text` is how the stored type is called in it.
pub(super) fn changed(table: &str, text: &str, stored: &CatalogField, field: &CatalogField) -> SchemaError {
    SchemaError::ChangedType {
        table: table.to_owned(),
        field: field.name.clone(),
        stored: text.to_owned(),
        declared: spelled_field(field, stored),
    }
}

/// A field's type as it is written; where that does not tell it from the other field's, what it is made of.
fn spelled_field(field: &CatalogField, other: &CatalogField) -> String {
    if field.type_name == other.type_name { spelled(&field.of) } else { field.type_name.clone() }
}
