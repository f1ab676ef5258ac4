//! [`RowWriter`]: the bytes of a row: a layout number, the creation time, and then each field with its length.

use std::sync::Arc;

use super::{stored::StoredWriter, typed::Typed};
use crate::{error::RowError, time::Timestamp};

/// Lengths below this take one byte.
pub(super) const SHORT: usize = 0x80;
/// What the longest length takes.
const MAX_LENGTH_BYTES: usize = (usize::BITS as usize).div_ceil(7);

/// Builds the bytes of a row, field by field in the declared order.
#[derive(Debug)]
pub struct RowWriter {
    stored: StoredWriter,
}

impl RowWriter {
    pub(crate) fn new(layout: u32, created_at: Timestamp) -> Self {
        const USUAL_ROW_BYTES: usize = 512;
        let mut stored = StoredWriter::with_capacity(USUAL_ROW_BYTES);
        let (layout, layout_bytes) = encode_length(layout as usize);
        stored.push(&layout[..layout_bytes]);
        stored.push(&created_at.as_millis().to_le_bytes());
        Self { stored }
    }

    /// Appends a field.
    ///
    /// # Errors
    ///
    /// A value that has no stored form.
    #[inline]
    pub fn field<V: Typed>(&mut self, name: &'static str, value: &V) -> Result<(), RowError> {
        let start = self.stored.bytes_mut().len();
        // Most fields are short: one byte is left free for the length, and only longer fields are moved.
        self.stored.push(&[0]);
        value.encode(&mut self.stored);
        self.end_field(name, start)
    }

    /// Fills in the length of the field that began there.
    fn end_field(&mut self, name: &'static str, start: usize) -> Result<(), RowError> {
        if let Some(reason) = self.stored.failure() {
            return Err(RowError::Encode { field: name.to_owned(), reason: reason.to_owned() });
        }
        let bytes = self.stored.bytes_mut();
        let size_bytes = bytes.len() - start - 1;
        match size_bytes < SHORT {
            true => bytes[start] = size_bytes as u8,
            false => widen_length(bytes, start, size_bytes),
        }
        Ok(())
    }

    /// Appends a field that is stored already.
    pub(crate) fn raw_field(&mut self, stored: &[u8]) {
        let (length, length_bytes) = encode_length(stored.len());
        self.stored.push(&length[..length_bytes]);
        self.stored.push(stored);
    }

    pub(crate) fn finish(mut self) -> Arc<[u8]> {
        self.stored.bytes_mut().as_slice().into()
    }
}

/// Puts a length of several bytes where one was left free for it.
fn widen_length(bytes: &mut Vec<u8>, start: usize, size_bytes: usize) {
    let (length, length_bytes) = encode_length(size_bytes);
    let end = bytes.len();
    bytes.resize(end + length_bytes - 1, 0);
    bytes.copy_within(start + 1..end, start + length_bytes);
    bytes[start..start + length_bytes].copy_from_slice(&length[..length_bytes]);
}

/// Seven bits a byte, the lowest first; the high bit says that more follow. Answers also how many bytes are used.
fn encode_length(mut length: usize) -> ([u8; MAX_LENGTH_BYTES], usize) {
    let mut bytes = [0; MAX_LENGTH_BYTES];
    let mut used = 0;
    while length >= SHORT {
        bytes[used] = (length % SHORT + SHORT) as u8;
        length /= SHORT;
        used += 1;
    }
    bytes[used] = length as u8;
    (bytes, used + 1)
}
