//! [`RowReader`]: rows of any layout, field by field.
//!
//! Lengths make fields skippable, so rows of earlier layouts can be read without knowing their types. `docs/format.md`
//! describes the bytes.

use std::borrow::Cow;

use super::{
    layouts::{FieldSource, LayoutPlan, Layouts},
    row_writer::SHORT,
    typed::{Typed, decode_value},
};
use crate::{error::RowError, time::Timestamp};

const CREATED_AT_BYTES: usize = 8;

/// Reads a row, field by field in the declared order.
#[derive(Debug)]
pub struct RowReader<'a> {
    created_at: Timestamp,
    stored: StoredFields<'a>,
    /// Where the declared fields come from, those that are still to be read; `None`: one after the other.
    sources: Option<&'a [FieldSource]>,
}

impl<'a> RowReader<'a> {
    pub(crate) fn new(row: &'a [u8], layouts: &'a Layouts) -> Result<Self, RowError> {
        let cut_off = || damaged("its header", "it is cut off");
        let mut rest = row;
        let layout = take_length(&mut rest).ok_or_else(cut_off)?;
        let (created_at, fields) = rest.split_first_chunk::<CREATED_AT_BYTES>().ok_or_else(cut_off)?;
        let created_at = Timestamp::from_millis(i64::from_le_bytes(*created_at));
        let stored = StoredFields { fields, rest: fields, position: 0 };
        let sources = match layouts.plans.get(layout) {
            Some(LayoutPlan::Current) => None,
            Some(LayoutPlan::Mapped(sources)) => Some(sources.as_slice()),
            Some(LayoutPlan::Retired) | None => {
                return Err(damaged("its header", &format!("layout {layout} is not known")));
            }
        };
        Ok(Self { created_at, stored, sources })
    }

    pub(crate) fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// The next declared field.
    ///
    /// # Errors
    ///
    /// Bytes that are no such value.
    pub fn field<V: Typed>(&mut self, name: &'static str) -> Result<V, RowError> {
        let decoded = match self.sources {
            None => decode_value(self.stored.next().ok_or_else(|| damaged(name, "the row is cut off"))?),
            Some(_) => decode_value(&self.raw_field(name)?),
        };
        decoded.map_err(|reason| damaged(name, &reason))
    }

    /// The next declared field as it is stored.
    ///
    /// # Errors
    ///
    /// A row that ends before it, and a value that does not convert.
    pub(crate) fn raw_field(&mut self, name: &str) -> Result<Cow<'a, [u8]>, RowError> {
        let Some(sources) = self.sources else {
            return self.stored.next().map(Cow::Borrowed).ok_or_else(|| damaged(name, "the row is cut off"));
        };
        let Some((source, rest)) = sources.split_first() else {
            return Err(damaged(name, "the row's layout has no such field"));
        };
        self.sources = Some(rest);
        let cut_off = || damaged(name, "the row is cut off");
        match source {
            FieldSource::Stored(position) => self.stored.at(*position).map(Cow::Borrowed).ok_or_else(cut_off),
            FieldSource::Default(bytes) => Ok(Cow::Borrowed(bytes)),
            FieldSource::Converted(position, convert) => {
                let stored = self.stored.at(*position).ok_or_else(cut_off)?;
                convert.convert(stored).map(Cow::Owned).map_err(|reason| damaged(name, &reason))
            }
        }
    }
}

/// The fields of a row as they stand in it. They are walked, not collected: mostly they are asked for in their order.
#[derive(Debug)]
struct StoredFields<'a> {
    /// All of them.
    fields: &'a [u8],
    /// Those that are still ahead, from the one at `position`.
    rest: &'a [u8],
    position: usize,
}

impl<'a> StoredFields<'a> {
    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let field = take_field(&mut self.rest)?;
        self.position += 1;
        Some(field)
    }

    fn at(&mut self, position: usize) -> Option<&'a [u8]> {
        if position < self.position {
            (self.rest, self.position) = (self.fields, 0);
        }
        while self.position < position {
            self.next()?;
        }
        self.next()
    }
}

/// When a row was created, if its header is whole.
pub(crate) fn created_at_of(row: &[u8]) -> Option<Timestamp> {
    let mut rest = row;
    take_length(&mut rest)?;
    let created_at = rest.first_chunk::<CREATED_AT_BYTES>()?;
    Some(Timestamp::from_millis(i64::from_le_bytes(*created_at)))
}

/// The layout that a row was written in.
pub(crate) fn layout_of(row: &[u8]) -> Option<u32> {
    let mut rest = row;
    u32::try_from(take_length(&mut rest)?).ok()
}

#[cold]
fn damaged(field: &str, reason: &str) -> RowError {
    RowError::Decode { row: String::new(), field: field.to_owned(), reason: reason.to_owned() }
}

#[inline]
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

#[inline]
fn take_field<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let size_bytes = take_length(bytes)?;
    let (field, rest) = bytes.split_at_checked(size_bytes)?;
    *bytes = rest;
    Some(field)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::encoding::{ConvertField, RowWriter, encode_value};

    fn layouts(plans: Vec<LayoutPlan>) -> Layouts {
        Layouts { current: plans.len() as u32 - 1, plans }
    }

    fn row(title: &str, labels: &[String], size: Option<i64>) -> Arc<[u8]> {
        let mut row = RowWriter::new(0, Timestamp::from_millis(7));
        row.field("title", &title.to_owned()).expect("a string encodes");
        row.field("labels", &labels.to_vec()).expect("a list encodes");
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

    #[derive(Debug)]
    struct SizeAsText;

    impl ConvertField for SizeAsText {
        fn convert(&self, stored: &[u8]) -> Result<Vec<u8>, String> {
            let size: Option<i64> = decode_value(stored)?;
            encode_value(&format!("{size:?}"))
        }
    }

    #[test]
    fn an_earlier_layout_is_mapped_field_by_field() {
        let sources = vec![
            FieldSource::Converted(2, Arc::new(SizeAsText)),
            FieldSource::Stored(1),
            FieldSource::Default(Arc::from(encode_value(&Some(9i64)).expect("a number encodes"))),
        ];
        let layouts = layouts(vec![LayoutPlan::Mapped(sources), LayoutPlan::Current]);
        let read = read(&row("old", &["a".to_owned()], Some(1)), &layouts).expect("the plan fits the row");
        assert_eq!(read, ("Some(1)".to_owned(), vec!["a".to_owned()], Some(9)));
    }

    #[test]
    fn fields_of_every_length_read_back() {
        for size in [0, 125, 126, 127, 128, 16_380, 16_381, 16_382, 16_383, 16_384, 70_000] {
            let title = "x".repeat(size);
            let read = read(&row(&title, &[], Some(1)), &layouts(vec![LayoutPlan::Current]));
            assert_eq!(read.expect("it was just written"), (title, Vec::new(), Some(1)));
        }
    }

    #[test]
    fn many_numbers_that_are_short_when_encoded_read_back() {
        let numbers = vec![1u128; 5 << 20];
        let bytes = encode_value(&numbers).expect("numbers encode");
        assert!(decode_value::<Vec<u128>>(&bytes).is_ok_and(|read| read == numbers));
    }

    #[test]
    fn bytes_after_a_value_are_an_error() {
        let error = decode_value::<u8>(&[1, 2, 3]).expect_err("two bytes are too many");
        assert!(error.contains("2 bytes"), "{error}");
    }

    #[test]
    fn a_row_of_a_layout_without_rows_is_an_error_that_names_it() {
        let row = row("t", &[], None);
        for plans in [vec![], vec![LayoutPlan::Retired]] {
            let error = RowReader::new(&row, &Layouts { current: 7, plans }).expect_err("layout 0 has no rows");
            assert!(error.to_string().contains("layout 0"), "{error}");
        }
    }

    #[test]
    fn a_length_that_lies_does_not_reserve_memory() {
        let mut bytes = vec![0; 9];
        bytes.extend_from_slice(&[9, 253, 255, 255, 255, 255, 255, 255, 255, 127]);
        assert!(read(&bytes, &layouts(vec![LayoutPlan::Current])).is_err());
    }
}
