//! [`StoredWriter`] and [`StoredReader`]: the bytes that every stored value is made of.
//!
//! A reader of a value must know its type: nothing here says where one value ends and the next begins.
//! `docs/format.md` describes the bytes.

use std::{error, fmt};

/// How many structs may be within each other. Types that contain themselves end here, and not at the end of the stack.
pub(crate) const MAX_DEPTH: u32 = 100;
/// The most elements of a list, map or set. Each takes a byte at least, but those that take none are counted as well.
const MAX_COUNT: usize = 32 << 20;
/// No list reserves more than this before its elements are read, whatever its count claims.
const MAX_RESERVED_BYTES: usize = 1 << 20;

/// Numbers below this take one byte.
const ONE_BYTE: u64 = 251;
const TWO_BYTES: u8 = 251;
const FOUR_BYTES: u8 = 252;
const EIGHT_BYTES: u8 = 253;
const SIXTEEN_BYTES: u8 = 254;

/// Writes stored values one behind the other.
///
/// A value that has no stored form makes the writer fail; what is written after that means nothing.
#[derive(Debug, Default)]
pub struct StoredWriter {
    bytes: Vec<u8>,
    depth: u32,
    failure: Option<Box<str>>,
}

impl StoredWriter {
    pub(crate) fn with_capacity(capacity_bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity_bytes), depth: 0, failure: None }
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a number in as few bytes as hold it.
    #[inline]
    pub fn number(&mut self, number: u64) {
        if number < ONE_BYTE {
            self.bytes.push(number as u8);
        } else {
            self.long_number(number);
        }
    }

    fn long_number(&mut self, number: u64) {
        if let Ok(number) = u16::try_from(number) {
            self.bytes.push(TWO_BYTES);
            self.push(&number.to_le_bytes());
        } else if let Ok(number) = u32::try_from(number) {
            self.bytes.push(FOUR_BYTES);
            self.push(&number.to_le_bytes());
        } else {
            self.bytes.push(EIGHT_BYTES);
            self.push(&number.to_le_bytes());
        }
    }

    /// Appends a signed number: 0, −1, 1, −2 are 0, 1, 2, 3.
    #[inline]
    pub fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> (i64::BITS - 1))) as u64);
    }

    /// Appends a number of up to 128 bits.
    pub fn wide(&mut self, number: u128) {
        match u64::try_from(number) {
            Ok(number) => self.number(number),
            Err(_) => {
                self.bytes.push(SIXTEEN_BYTES);
                self.push(&number.to_le_bytes());
            }
        }
    }

    /// Appends a signed number of up to 128 bits.
    pub fn signed_wide(&mut self, number: i128) {
        self.wide(((number << 1) ^ (number >> (i128::BITS - 1))) as u128);
    }

    /// Appends how many elements follow.
    pub fn count(&mut self, count: usize) {
        if count > MAX_COUNT {
            self.fail(&format!("it has {count} elements, and {MAX_COUNT} are the most"));
        }
        self.number(count as u64);
    }

    /// Appends bytes with their count.
    #[inline]
    pub fn counted(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.push(bytes);
    }

    /// Appends what `write` makes of each element, in the order of the bytes that come out: equal sets have equal bytes.
    pub fn sorted<I: ExactSizeIterator>(&mut self, elements: I, mut write: impl FnMut(&mut Self, I::Item)) {
        self.count(elements.len());
        let start = self.bytes.len();
        let mut ends = Vec::with_capacity(elements.len());
        for element in elements {
            write(self, element);
            ends.push(self.bytes.len());
        }
        let starts = std::iter::once(start).chain(ends.iter().copied());
        let mut written: Vec<&[u8]> = starts.zip(&ends).map(|(start, end)| &self.bytes[start..*end]).collect();
        if !written.is_sorted() {
            written.sort_unstable();
            let sorted = written.concat();
            self.bytes.truncate(start);
            self.push(&sorted);
        }
    }

    /// Appends a struct; `write` appends its fields.
    #[inline]
    pub fn structure(&mut self, write: impl FnOnce(&mut Self)) {
        if self.depth == MAX_DEPTH {
            return self.fail(&format!("more than {MAX_DEPTH} structs are within each other"));
        }
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }

    /// A writer for what is written before it is known what stands before it.
    pub(crate) fn part(&self) -> Self {
        Self { bytes: Vec::new(), depth: self.depth, failure: None }
    }

    /// The same for a field of a struct that begins here; `None` if it is too deep.
    pub(crate) fn part_of_struct(&self) -> Option<Self> {
        (self.depth < MAX_DEPTH).then(|| Self { bytes: Vec::new(), depth: self.depth + 1, failure: None })
    }

    /// Appends what such a writer has written.
    pub(crate) fn append(&mut self, part: Self) {
        self.push(&part.bytes);
        if let Some(reason) = part.failure {
            self.fail(&reason);
        }
    }

    /// What was written so far.
    pub(crate) fn written(&self) -> &[u8] {
        &self.bytes
    }

    /// Says that a value has no stored form, and why.
    #[cold]
    pub fn fail(&mut self, reason: &str) {
        self.failure.get_or_insert_with(|| reason.into());
    }

    /// Why a value had no stored form, if one had none.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What was written.
    pub(crate) fn finish(self) -> Result<Vec<u8>, String> {
        match self.failure {
            None => Ok(self.bytes),
            Some(reason) => Err(reason.into()),
        }
    }
}

/// Why stored bytes are not a value of the type that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(Box<str>);

impl DecodeError {
    /// For a reason that is worth a sentence.
    #[cold]
    pub fn new(reason: impl Into<Box<str>>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for DecodeError {}

/// Reads stored values one behind the other.
#[derive(Debug, Clone, Copy)]
pub struct StoredReader<'a> {
    rest: &'a [u8],
    depth: u32,
}

impl<'a> StoredReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: 0 }
    }

    /// The next bytes, so many.
    #[inline]
    pub fn take(&mut self, size_bytes: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(size_bytes).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next bytes, as many as the array has.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (byte, rest) = self.rest.split_first().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(*byte)
    }

    /// A byte that is 0 or 1.
    #[inline]
    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::new(format!("a byte is {other}, and must be 0 or 1"))),
        }
    }

    /// What [`StoredWriter::number`] wrote.
    #[inline]
    pub fn number(&mut self) -> Result<u64, DecodeError> {
        match self.byte()? {
            byte if u64::from(byte) < ONE_BYTE => Ok(u64::from(byte)),
            TWO_BYTES => self.array().map(|bytes| u64::from(u16::from_le_bytes(bytes))),
            FOUR_BYTES => self.array().map(|bytes| u64::from(u32::from_le_bytes(bytes))),
            EIGHT_BYTES => self.array().map(u64::from_le_bytes),
            other => Err(DecodeError::new(format!("no number begins with {other}"))),
        }
    }

    /// What [`StoredWriter::signed`] wrote.
    #[inline]
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// What [`StoredWriter::wide`] wrote.
    pub fn wide(&mut self) -> Result<u128, DecodeError> {
        if self.rest.first() == Some(&SIXTEEN_BYTES) {
            self.byte()?;
            return self.array().map(u128::from_le_bytes);
        }
        self.number().map(u128::from)
    }

    /// What [`StoredWriter::signed_wide`] wrote.
    pub fn signed_wide(&mut self) -> Result<i128, DecodeError> {
        let number = self.wide()?;
        Ok((number >> 1) as i128 ^ -((number & 1) as i128))
    }

    /// How many elements follow.
    pub fn count(&mut self) -> Result<usize, DecodeError> {
        let count = self.number()?;
        match usize::try_from(count) {
            Ok(count) if count <= MAX_COUNT => Ok(count),
            Ok(_) | Err(_) => Err(DecodeError::new(format!("it claims to have {count} elements"))),
        }
    }

    /// Bytes with their count.
    #[inline]
    pub fn counted(&mut self) -> Result<&'a [u8], DecodeError> {
        let size_bytes = usize::try_from(self.number()?).map_err(|_| cut_off())?;
        self.take(size_bytes)
    }

    /// Text with its count of bytes.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.counted()?).map_err(|_| DecodeError::new("a text is not UTF-8"))
    }

    /// A struct; `read` reads its fields.
    #[inline]
    pub fn structure<R>(&mut self, read: impl FnOnce(&mut Self) -> Result<R, DecodeError>) -> Result<R, DecodeError> {
        if self.depth == MAX_DEPTH {
            return Err(DecodeError::new(format!("more than {MAX_DEPTH} structs are within each other")));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// How many elements of this size to reserve room for, of those that are claimed.
    pub fn reserve<E>(count: usize) -> usize {
        count.min(MAX_RESERVED_BYTES / size_of::<E>().max(1))
    }

    /// Nothing may be left.
    #[inline]
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(left_over(self.rest.len())) }
    }
}

#[cold]
fn cut_off() -> DecodeError {
    DecodeError::new("the value is cut off")
}

#[cold]
fn left_over(size_bytes: usize) -> DecodeError {
    DecodeError::new(format!("{size_bytes} bytes are left over"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut StoredWriter)) -> Vec<u8> {
        let mut writer = StoredWriter::default();
        write(&mut writer);
        writer.finish().expect("it has a stored form")
    }

    proptest! {
        #[test]
        fn numbers_read_back(wide: u128, shift in 0u32..128) {
            let wide = wide >> shift;
            let (signed_wide, number, signed) = (wide as i128, wide as u64, wide as i64);
            let bytes = written(|writer| {
                writer.wide(wide);
                writer.signed_wide(signed_wide);
                writer.number(number);
                writer.signed(signed);
            });
            let mut reader = StoredReader::new(&bytes);
            prop_assert_eq!((reader.wide(), reader.signed_wide()), (Ok(wide), Ok(signed_wide)));
            prop_assert_eq!((reader.number(), reader.signed()), (Ok(number), Ok(signed)));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn the_forms_of_numbers_are_the_documented_ones() {
        for (number, bytes) in [
            (0u128, &[0u8] as &[u8]),
            (250, &[250]),
            (251, &[251, 251, 0]),
            (0xffff, &[251, 0xff, 0xff]),
            (0x1_0000, &[252, 0, 0, 1, 0]),
            (1 << 32, &[253, 0, 0, 0, 0, 1, 0, 0, 0]),
            (1 << 64, &[254, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(written(|writer| writer.wide(number)), bytes);
        }
        let signed = [0, -1, 1, -2].map(|number| written(|writer| writer.signed(number)));
        assert_eq!(signed, [[0], [1], [2], [3]]);
    }

    #[test]
    fn elements_are_sorted_by_their_bytes() {
        let sorted = |elements: [&str; 3]| {
            written(|writer| writer.sorted(elements.iter(), |writer, text| writer.counted(text.as_bytes())))
        };
        assert_eq!(sorted(["b", "aa", "a"]), *b"\x03\x01a\x01b\x02aa");
        assert_eq!(sorted(["b", "aa", "a"]), sorted(["aa", "a", "b"]));
    }

    #[test]
    fn what_was_said_first_is_why_a_value_has_no_stored_form() {
        let mut writer = StoredWriter::default();
        writer.fail("first");
        writer.fail("second");
        assert_eq!(writer.failure(), Some("first"));
        assert_eq!(writer.finish(), Err("first".to_owned()));
    }
}
