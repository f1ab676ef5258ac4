//! What one commit did, as a value and as the log's record of it.
//!
//! A record is self-contained: recovery replays it, live queries are matched against it, and it could be shipped to
//! another process as it is. `docs/format.md` describes its bytes.

use std::sync::Arc;

use crate::{encoding::Key, time::Timestamp};

/// One committed transaction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Commit {
    /// Its place in the sequence of commits: dense, without gaps.
    pub(crate) ts: u64,
    /// When it was made, by the database's clock. No order depends on it.
    pub(crate) time: Timestamp,
    changes: Vec<(Key, Change)>,
    size_bytes: usize,
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// It has this value now.
    Put(Arc<[u8]>),
    /// It is gone.
    Delete,
    /// An index entry stayed as it was while its row changed. Nothing is stored; whoever reads rows through the index
    /// learns of it.
    Touch,
}

const PUT: u8 = 0;
const DELETE: u8 = 1;

/// The size that a record begins with.
const SIZE_BYTES: usize = size_of::<u64>();

impl Commit {
    /// A commit of these changes, at most one per key, in key order.
    pub(crate) fn new(ts: u64, time: Timestamp, changes: Vec<(Key, Change)>) -> Self {
        let size = |(key, change): &(Key, Change)| match change {
            Change::Put(value) => key.len() + value.len(),
            Change::Delete | Change::Touch => key.len(),
        };
        let size_bytes = changes.iter().map(size).sum();
        Self { ts, time, changes, size_bytes }
    }

    /// Every change, in key order.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&Key, &Change)> {
        self.changes.iter().map(|(key, change)| (key, change))
    }

    /// How many keys it changed or touched.
    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// The bytes of its keys and values.
    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Appends the record's bytes. Touches are not part of them: nothing is stored for them.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; SIZE_BYTES]);
        out.extend_from_slice(&self.ts.to_le_bytes());
        out.extend_from_slice(&self.time.as_millis().to_le_bytes());
        let touches = self.changes.iter().filter(|(_, change)| matches!(change, Change::Touch)).count();
        put_varint(out, self.changes.len() - touches);
        for (key, change) in &self.changes {
            match change {
                Change::Put(value) => {
                    out.push(PUT);
                    put_varint(out, key.len());
                    out.extend_from_slice(key);
                    put_varint(out, value.len());
                    out.extend_from_slice(value);
                }
                Change::Delete => {
                    out.push(DELETE);
                    put_varint(out, key.len());
                    out.extend_from_slice(key);
                }
                Change::Touch => {}
            }
        }
        let size_bytes = (out.len() - start - SIZE_BYTES) as u64;
        out[start..start + SIZE_BYTES].copy_from_slice(&size_bytes.to_le_bytes());
    }

    /// Reads one record and returns it with the bytes after it, or the reason why the bytes are no record.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), &'static str> {
        let (size, rest) = bytes.split_first_chunk::<SIZE_BYTES>().ok_or("a record is cut off")?;
        let size_bytes = usize::try_from(u64::from_le_bytes(*size)).map_err(|_| "a record is cut off")?;
        let (mut body, rest) = rest.split_at_checked(size_bytes).ok_or("a record is cut off")?;
        let ts = u64::from_le_bytes(take(&mut body)?);
        let time = Timestamp::from_millis(i64::from_le_bytes(take(&mut body)?));
        let count = take_varint(&mut body)?;
        // Each change takes at least two bytes, so a damaged count cannot reserve more than the record's own size.
        let mut changes = Vec::with_capacity(count.min(body.len() / 2));
        for _ in 0..count {
            let [kind] = take::<1>(&mut body)?;
            let key_bytes = take_varint(&mut body)?;
            let key = Key::from_slice(take_slice(&mut body, key_bytes)?);
            let change = match kind {
                PUT => {
                    let value_bytes = take_varint(&mut body)?;
                    Change::Put(take_slice(&mut body, value_bytes)?.into())
                }
                DELETE => Change::Delete,
                _ => return Err("a record has a change of unknown kind"),
            };
            changes.push((key, change));
        }
        if !body.is_empty() {
            return Err("a record is longer than its changes");
        }
        Ok((Self::new(ts, time, changes), rest))
    }
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
fn put_varint(out: &mut Vec<u8>, value: usize) {
    let mut value = value as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Result<usize, &'static str> {
    let mut value = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let [byte] = take::<1>(bytes)?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err("a length is too large");
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).map_err(|_| "a length is too large");
        }
    }
    Err("a length has too many bytes")
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or("a record is cut off")?;
    *bytes = rest;
    Ok(*taken)
}

fn take_slice<'a>(bytes: &mut &'a [u8], size_bytes: usize) -> Result<&'a [u8], &'static str> {
    let (taken, rest) = bytes.split_at_checked(size_bytes).ok_or("a record is cut off")?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written_without_its_touches() {
        let stored = vec![
            (Key::from_slice(b"\0\0\0\x10a"), Change::Put(Arc::from(vec![7u8; 300]))),
            (Key::from_slice(b"\0\0\0\x11b"), Change::Delete),
        ];
        let touched = [stored.clone(), vec![(Key::from_slice(&[3; 200]), Change::Touch)]].concat();
        let mut bytes = Vec::new();
        Commit::new(42, Timestamp::from_millis(-5), touched).encode(&mut bytes);
        bytes.push(9);
        let (decoded, rest) = Commit::decode(&bytes).expect("it was just written");
        assert_eq!(decoded, Commit::new(42, Timestamp::from_millis(-5), stored));
        assert_eq!(rest, [9]);
    }

    #[test]
    fn lengths_have_64_bits_and_none_is_narrowed() {
        for value in [0, 127, 128, u64::from(u32::MAX) + 1, 1 << 35, 1 << 62, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value as usize);
            assert_eq!(take_varint(&mut &*bytes), Ok(value as usize), "{value}");
        }
        assert!(take_varint(&mut [0xff; 10].as_slice()).is_err(), "more than 64 bits");
    }

    #[test]
    fn every_cut_of_a_record_is_an_error() {
        let commit =
            Commit::new(1, Timestamp::EPOCH, vec![(Key::from_slice(b"\0\0\0\x10a"), Change::Put(Arc::from(*b"v")))]);
        let mut bytes = Vec::new();
        commit.encode(&mut bytes);
        for cut in 0..bytes.len() {
            assert!(Commit::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
