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
    /// The cursor to give for the next page. `None` after the last row of the query; with a filter, and over a `multi`
    /// index, the page after a cursor may turn out to be empty.
    pub next: Option<Cursor>,
}

/// A place in the results of a query: opaque, as text short and URL-safe. It names the last row seen by its key, so it
/// survives any insert and delete, of that row too; it never expires.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Tells queries apart.
    shape: u64,
    /// How many rows the query's limit leaves, if it has one.
    remaining: Option<u64>,
    /// The last key seen, after the keyspace.
    key: Vec<u8>,
}

const SHAPE_BYTES: usize = 8;
/// The query has no limit.
const UNLIMITED: u8 = 0;
/// It has one, and the next eight bytes are what it leaves.
const LIMITED: u8 = 1;

impl Cursor {
    pub(super) fn new(range: &Range, limit: Option<usize>, remaining: Option<u64>, key: &[u8]) -> Self {
        Self { shape: shape(range, limit), remaining, key: key.to_vec() }
    }

    /// How many rows the limit of the query leaves.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.remaining
    }

    /// Narrows the range to what comes after the cursor.
    pub(super) fn narrow(&self, range: &mut Range, limit: Option<usize>) -> Result<(), TransactionError> {
        let mut key = range.start[..KEYSPACE_BYTES].to_vec();
        key.extend_from_slice(&self.key);
        let is_inside = *range.start <= *key && *key < *range.end;
        let is_within_limit = match (self.remaining, limit) {
            (None, None) => true,
            (Some(remaining), Some(limit)) => remaining <= limit as u64,
            (None, Some(_)) | (Some(_), None) => false,
        };
        if self.shape != shape(range, limit) || !is_inside || !is_within_limit {
            let reason = "it comes from another index, range, order or limit";
            return Err(TransactionError::InvalidCursor { reason });
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

/// A number that two queries share only if their range, order and limit are the same.
fn shape(range: &Range, limit: Option<usize>) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&[match range.order {
        Order::Ascending => 0,
        Order::Descending => 1,
    }]);
    hash.update(&(range.start.len() as u64).to_le_bytes());
    hash.update(&range.start);
    hash.update(&range.end);
    if let Some(limit) = limit {
        hash.update(&(limit as u64).to_le_bytes());
    }
    hash.digest()
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.shape.to_be_bytes().to_vec();
        match self.remaining {
            None => bytes.push(UNLIMITED),
            Some(remaining) => {
                bytes.push(LIMITED);
                bytes.extend_from_slice(&remaining.to_be_bytes());
            }
        }
        bytes.iter().chain(&self.key).try_for_each(|byte| write!(f, "{byte:02x}"))
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
        let (shape, rest) = bytes.split_first_chunk::<SHAPE_BYTES>().ok_or_else(malformed)?;
        let (remaining, key) = match rest.split_first().ok_or_else(malformed)? {
            (&UNLIMITED, key) => (None, key),
            (&LIMITED, rest) => {
                let (remaining, key) = rest.split_first_chunk().ok_or_else(malformed)?;
                (Some(u64::from_be_bytes(*remaining)), key)
            }
            _ => return Err(malformed()),
        };
        Ok(Self { shape: u64::from_be_bytes(*shape), remaining, key: key.to_vec() })
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
