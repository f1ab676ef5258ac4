//! Keys as the engine has them: 32 bytes, up to 30 of them inline; and the forms in which maps can keep them.

use std::{borrow::Borrow, cmp::Ordering, ops::Deref, sync::Arc};

const KEYSPACE_BYTES: usize = 4;
/// Set in the keyspaces of index entries.
pub const INDEX_KEYSPACE: u32 = 1 << 31;
/// Keyspaces below this one belong to the engine; from it up to the index entries, keys are row ids.
pub const FIRST_KEYSPACE: u32 = 16;
const INLINE_BYTES: usize = 30;

/// A keyspace and a key within it, compared as their bytes.
#[derive(Clone)]
pub struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Inline { size_bytes: u8, bytes: [u8; INLINE_BYTES] },
    Shared(Arc<[u8]>),
}

impl Key {
    /// A key of these bytes, the keyspace included.
    pub fn from_slice(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE_BYTES {
            return Self(Repr::Shared(Arc::from(bytes)));
        }
        let mut inline = [0; INLINE_BYTES];
        inline[..bytes.len()].copy_from_slice(bytes);
        Self(Repr::Inline { size_bytes: bytes.len() as u8, bytes: inline })
    }

    /// A key of these parts.
    pub fn new(keyspace: u32, parts: &[&[u8]]) -> Self {
        Self::from_slice(&[&keyspace.to_be_bytes(), parts.concat().as_slice()].concat())
    }

    /// The first four bytes as a number.
    pub fn keyspace(&self) -> u32 {
        self.first_chunk::<KEYSPACE_BYTES>().map_or(u32::MAX, |keyspace| u32::from_be_bytes(*keyspace))
    }

    /// The key within its keyspace.
    pub fn local(&self) -> &[u8] {
        self.get(KEYSPACE_BYTES..).unwrap_or_default()
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { size_bytes, bytes } => &bytes[..usize::from(*size_bytes)],
            Repr::Shared(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

/// How a map keeps its keys.
pub trait TreeKey: Ord + Clone + Send + Sync + 'static {
    /// This key in that form.
    fn of(key: &Key) -> Self;

    /// The key within its keyspace.
    fn local(&self) -> &[u8];
}

impl TreeKey for Key {
    fn of(key: &Key) -> Self {
        key.clone()
    }

    fn local(&self) -> &[u8] {
        self.local()
    }
}

/// A whole key, compared sixteen bytes at a time where both are inline.
#[derive(Clone)]
pub struct WordKey(Key);

/// Sixteen bytes from a place on, big endian.
fn word(bytes: &[u8; INLINE_BYTES], at: usize) -> u128 {
    u128::from_be_bytes(*bytes[at..].first_chunk().expect("a word ends within the inline bytes"))
}

impl Ord for WordKey {
    /// Unused bytes are zero, so a key that another one begins with is not greater. The second word overlaps the first,
    /// which is equal when it counts.
    fn cmp(&self, other: &Self) -> Ordering {
        let (Repr::Inline { size_bytes, bytes }, Repr::Inline { size_bytes: other_size_bytes, bytes: other_bytes }) =
            (&self.0.0, &other.0.0)
        else {
            return self.0.cmp(&other.0);
        };
        let (first, other_first) = (word(bytes, 0), word(other_bytes, 0));
        if first != other_first {
            return first.cmp(&other_first);
        }
        let (second, other_second) = (word(bytes, INLINE_BYTES - 16), word(other_bytes, INLINE_BYTES - 16));
        second.cmp(&other_second).then(size_bytes.cmp(other_size_bytes))
    }
}

impl PartialOrd for WordKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for WordKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for WordKey {}

impl TreeKey for WordKey {
    fn of(key: &Key) -> Self {
        Self(key.clone())
    }

    fn local(&self) -> &[u8] {
        self.0.local()
    }
}

/// A key without its keyspace, compared in words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalKey(WordKey);

impl TreeKey for LocalKey {
    fn of(key: &Key) -> Self {
        Self(WordKey(Key::from_slice(key.local())))
    }

    fn local(&self) -> &[u8] {
        &self.0.0
    }
}

/// The eight bytes of a row's id, compared as one number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RowKey([u8; 8]);

impl Ord for RowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        u64::from_be_bytes(self.0).cmp(&u64::from_be_bytes(other.0))
    }
}

impl PartialOrd for RowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TreeKey for RowKey {
    /// Shorter keys, which only bounds are, are filled with zeros.
    fn of(key: &Key) -> Self {
        let mut bytes = [0; 8];
        let local = key.local();
        let size_bytes = local.len().min(bytes.len());
        bytes[..size_bytes].copy_from_slice(&local[..size_bytes]);
        Self(bytes)
    }

    fn local(&self) -> &[u8] {
        &self.0
    }
}
