//! [`Page`] and [`Cursor`]: a query in parts.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::Xxh3;

use super::rows::Range;
use crate::{
    encoding::KEYSPACE_BYTES,
    error::TransactionError,
    schema::{Doc, Table},
    storage::Order,
};

/// Some rows of a query, and where the next ones begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T: Table> {
    /// The rows, in the order of the query.
    pub docs: Vec<Doc<T>>,
    /// What to give for the next page; `None` after the last.
    pub next: Option<Cursor>,
}

/// A place in the results of a query: opaque, as text short and URL-safe. It names the last row seen by its key, so it
/// survives any insert and delete, of that row too; it never expires.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Tells queries apart.
    shape: u64,
    /// The last key seen, after the keyspace.
    key: Vec<u8>,
}

const SHAPE_BYTES: usize = 8;

impl Cursor {
    pub(super) fn new(range: &Range, key: &[u8]) -> Self {
        Self { shape: shape(range), key: key.to_vec() }
    }

    /// Narrows the range to what comes after the cursor.
    pub(super) fn narrow(&self, range: &mut Range) -> Result<(), TransactionError> {
        let mut key = range.start[..KEYSPACE_BYTES].to_vec();
        key.extend_from_slice(&self.key);
        let is_inside = *range.start <= *key && *key < *range.end;
        if self.shape != shape(range) || !is_inside {
            return Err(TransactionError::InvalidCursor { reason: "it comes from another index, range or order" });
        }
        match range.order {
            Order::Ascending => {
                key.push(0);
                range.start = key;
            }
            Order::Descending => range.end = key,
        }
        Ok(())
    }
}

/// A number that two queries share only if their range and order are the same.
fn shape(range: &Range) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&[match range.order {
        Order::Ascending => 0,
        Order::Descending => 1,
    }]);
    hash.update(&(range.start.len() as u64).to_le_bytes());
    hash.update(&range.start);
    hash.update(&range.end);
    hash.digest()
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shape.to_be_bytes().iter().chain(&self.key).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = TransactionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || TransactionError::InvalidCursor { reason: "its text is damaged" };
        let digits: Option<Vec<u8>> =
            text.bytes().map(|digit| char::from(digit).to_digit(16).map(|value| value as u8)).collect();
        let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or_else(malformed)?;
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        let (shape, key) = bytes.split_first_chunk::<SHAPE_BYTES>().ok_or_else(malformed)?;
        Ok(Self { shape: u64::from_be_bytes(*shape), key: key.to_vec() })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
