//! Rows: a layout number, the creation time, and then each field with its length. The one file that names bincode.
//!
//! A field's bytes are bincode 2 in its standard configuration, through serde. Lengths make fields skippable, so rows
//! of earlier layouts can be read without knowing their types. `docs/format.md` describes the bytes.

use std::sync::Arc;

use bincode::config::{Configuration, Limit, LittleEndian, Varint, standard};
use serde::{Serialize, de::DeserializeOwned};

use crate::{error::RowError, time::Timestamp};

/// No value decodes to more than this, whatever lengths damaged bytes claim.
const DECODE_LIMIT_BYTES: usize = 64 << 20;
/// Lengths below this take one byte.
const SHORT: usize = 0x80;
const CREATED_AT_BYTES: usize = 8;

fn config() -> Configuration<LittleEndian, Varint, Limit<DECODE_LIMIT_BYTES>> {
    standard().with_limit::<DECODE_LIMIT_BYTES>()
}

/// The bytes of one value.
#[doc(hidden)]
pub fn encode_value<V: Serialize>(value: &V) -> Result<Vec<u8>, String> {
    bincode::serde::encode_to_vec(value, config()).map_err(|error| error.to_string())
}

/// The value of these bytes, all of them.
#[doc(hidden)]
pub fn decode_value<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, String> {
    let (value, read) = bincode::serde::decode_from_slice(bytes, config()).map_err(|error| error.to_string())?;
    if read != bytes.len() {
        return Err(format!("{} bytes are left over", bytes.len() - read));
    }
    Ok(value)
}

/// Builds the bytes of a row, field by field in the declared order.
#[derive(Debug)]
pub struct RowWriter {
    bytes: Vec<u8>,
}

impl RowWriter {
    pub(crate) fn new(layout: u32, created_at: Timestamp) -> Self {
        const USUAL_ROW_BYTES: usize = 256;
        let mut bytes = Vec::with_capacity(USUAL_ROW_BYTES);
        put_length(&mut bytes, layout as usize);
        bytes.extend_from_slice(&created_at.as_millis().to_le_bytes());
        Self { bytes }
    }

    /// Appends a field.
    ///
    /// # Errors
    ///
    /// A value that serde or bincode refuses.
    pub fn field<V: Serialize>(&mut self, name: &'static str, value: &V) -> Result<(), RowError> {
        let start = self.bytes.len();
        // Most fields are short: one byte is left free for the length, and only longer fields are moved.
        self.bytes.push(0);
        bincode::serde::encode_into_std_write(value, &mut self.bytes, config())
            .map_err(|error| RowError::Encode { field: name.to_owned(), reason: error.to_string() })?;
        let size_bytes = self.bytes.len() - start - 1;
        if size_bytes < SHORT {
            self.bytes[start] = size_bytes as u8;
            return Ok(());
        }
        let mut length = Vec::with_capacity(5);
        put_length(&mut length, size_bytes);
        self.bytes.splice(start..=start, length);
        Ok(())
    }

    pub(crate) fn finish(self) -> Arc<[u8]> {
        self.bytes.into()
    }
}

/// How rows of every layout that was ever used map to the fields that are declared today.
#[derive(Debug)]
pub struct Layouts {
    /// The layout that rows are written in.
    pub(crate) current: u32,
    /// By layout number.
    pub(crate) plans: Vec<LayoutPlan>,
}

/// How rows of one layout are read.
#[derive(Debug)]
pub(crate) enum LayoutPlan {
    /// Field by field as they stand.
    Current,
    /// Where each declared field comes from.
    Mapped(Vec<FieldSource>),
    /// No row of this layout is left.
    Retired,
}

/// Where a declared field comes from, in a row of an earlier layout.
#[derive(Debug, Clone)]
pub(crate) enum FieldSource {
    /// From the stored field at this position.
    Stored(usize),
    /// From the stored field at this position, through a function.
    Converted(usize, fn(&[u8]) -> Result<Vec<u8>, String>),
    /// From the default that was in force when the field was added.
    Default(Arc<[u8]>),
}

/// Reads a row, field by field in the declared order.
#[derive(Debug)]
pub struct RowReader<'a> {
    created_at: Timestamp,
    fields: Fields<'a>,
}

#[derive(Debug)]
enum Fields<'a> {
    /// What is left of a row in the current layout.
    Sequential(&'a [u8]),
    Mapped {
        stored: Vec<&'a [u8]>,
        sources: std::slice::Iter<'a, FieldSource>,
    },
}

impl<'a> RowReader<'a> {
    pub(crate) fn new(row: &'a [u8], layouts: &'a Layouts) -> Result<Self, RowError> {
        let header = |reason: &str| damaged("its header", reason);
        let mut rest = row;
        let layout = take_length(&mut rest).ok_or_else(|| header("it is cut off"))?;
        let (created_at, rest) = rest.split_first_chunk::<CREATED_AT_BYTES>().ok_or_else(|| header("it is cut off"))?;
        let created_at = Timestamp::from_millis(i64::from_le_bytes(*created_at));
        let fields = match layouts.plans.get(layout) {
            Some(LayoutPlan::Current) => Fields::Sequential(rest),
            Some(LayoutPlan::Mapped(sources)) => {
                Fields::Mapped { stored: split_fields(rest)?, sources: sources.iter() }
            }
            Some(LayoutPlan::Retired) | None => return Err(header(&format!("layout {layout} is not known"))),
        };
        Ok(Self { created_at, fields })
    }

    pub(crate) fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// The next declared field.
    ///
    /// # Errors
    ///
    /// Bytes that are no such value.
    pub fn field<V: DeserializeOwned>(&mut self, name: &'static str) -> Result<V, RowError> {
        let fail = |reason: String| damaged(name, &reason);
        match &mut self.fields {
            Fields::Sequential(rest) => {
                let bytes = take_field(rest).ok_or_else(|| fail("the row is cut off".to_owned()))?;
                decode_value(bytes).map_err(fail)
            }
            Fields::Mapped { stored, sources } => {
                let source = sources.next().ok_or_else(|| fail("the layout has no such field".to_owned()))?;
                let at = |position: &usize| {
                    stored.get(*position).copied().ok_or_else(|| fail("the row is cut off".to_owned()))
                };
                match source {
                    FieldSource::Stored(position) => decode_value(at(position)?).map_err(fail),
                    FieldSource::Default(bytes) => decode_value(bytes).map_err(fail),
                    FieldSource::Converted(position, convert) => {
                        let converted = convert(at(position)?).map_err(fail)?;
                        decode_value(&converted).map_err(fail)
                    }
                }
            }
        }
    }
}

/// The layout that a row was written in.
pub(crate) fn layout_of(row: &[u8]) -> Option<u32> {
    let mut rest = row;
    take_length(&mut rest).map(|layout| layout as u32)
}

fn split_fields(mut rest: &[u8]) -> Result<Vec<&[u8]>, RowError> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let field = take_field(&mut rest).ok_or_else(|| damaged("its fields", "the row is cut off"))?;
        fields.push(field);
    }
    Ok(fields)
}

fn damaged(field: &str, reason: &str) -> RowError {
    RowError::Decode { row: String::new(), field: field.to_owned(), reason: reason.to_owned() }
}

fn put_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= SHORT {
        bytes.push((length % SHORT + SHORT) as u8);
        length /= SHORT;
    }
    bytes.push(length as u8);
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= (usize::from(byte) % SHORT) << shift;
        if usize::from(byte) < SHORT {
            return Some(length);
        }
    }
    None
}

fn take_field<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let size_bytes = take_length(bytes)?;
    let (field, rest) = bytes.split_at_checked(size_bytes)?;
    *bytes = rest;
    Some(field)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layouts(plans: Vec<LayoutPlan>) -> Layouts {
        Layouts { current: plans.len() as u32 - 1, plans }
    }

    fn row(title: &str, labels: &[String], size: Option<i64>) -> Arc<[u8]> {
        let mut row = RowWriter::new(0, Timestamp::from_millis(7));
        row.field("title", &title).expect("a string encodes");
        row.field("labels", &labels).expect("a list encodes");
        row.field("size", &size).expect("an option encodes");
        row.finish()
    }

    fn read(row: &[u8], layouts: &Layouts) -> Result<(String, Vec<String>, Option<i64>), RowError> {
        let mut reader = RowReader::new(row, layouts)?;
        Ok((reader.field("title")?, reader.field("labels")?, reader.field("size")?))
    }

    proptest! {
        #[test]
        fn a_row_reads_back_as_it_was_written(title in ".{0,300}", labels: Vec<String>, size: Option<i64>) {
            let read = read(&row(&title, &labels, size), &layouts(vec![LayoutPlan::Current]));
            prop_assert_eq!(read.expect("it was just written"), (title, labels, size));
        }

        #[test]
        fn damaged_rows_are_errors_or_other_values_and_never_panics(
            at in 0usize..200,
            with: u8,
            cut in 0usize..200,
        ) {
            let mut bytes = row("a title", &vec!["label".to_owned(); 9], Some(5)).to_vec();
            let at = at % bytes.len();
            bytes[at] = with;
            let cut = cut % bytes.len();
            let sources = vec![FieldSource::Stored(0), FieldSource::Stored(1), FieldSource::Default(Arc::from([0]))];
            for plans in [vec![LayoutPlan::Current], vec![LayoutPlan::Mapped(sources), LayoutPlan::Current]] {
                drop(read(&bytes, &layouts(plans)));
            }
            prop_assert!(read(&row("t", &[], None)[..cut.min(10)], &layouts(vec![LayoutPlan::Current])).is_err());
        }
    }

    #[test]
    fn an_earlier_layout_is_mapped_field_by_field() {
        let sources = vec![
            FieldSource::Converted(2, |bytes| {
                let size: Option<i64> = decode_value(bytes)?;
                encode_value(&format!("{size:?}"))
            }),
            FieldSource::Stored(1),
            FieldSource::Default(Arc::from(encode_value(&Some(9i64)).expect("a number encodes"))),
        ];
        let layouts = layouts(vec![LayoutPlan::Mapped(sources), LayoutPlan::Current]);
        let read = read(&row("old", &["a".to_owned()], Some(1)), &layouts).expect("the plan fits the row");
        assert_eq!(read, ("Some(1)".to_owned(), vec!["a".to_owned()], Some(9)));
    }

    #[test]
    fn a_length_that_lies_does_not_reserve_memory() {
        let mut bytes = vec![0; 9];
        bytes.extend_from_slice(&[9, 253, 255, 255, 255, 255, 255, 255, 255, 127]);
        assert!(read(&bytes, &layouts(vec![LayoutPlan::Current])).is_err());
    }
}
