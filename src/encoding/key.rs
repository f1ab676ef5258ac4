//! [`Key`]: keyspace and key as one short byte string.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

/// Every key begins with its keyspace, big endian, so that all keys of a database have one order.
pub(crate) const KEYSPACE_BYTES: usize = 4;
/// Set in the keyspaces of index entries, which are all key and have no value.
pub(crate) const INDEX_KEYSPACE: u32 = 1 << 31;
/// Keyspaces below this one belong to the engine.
pub(crate) const FIRST_KEYSPACE: u32 = 16;

/// What a keyspace holds; its number says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyspaceKind {
    /// Rows by their ids: every key is eight bytes.
    Rows,
    /// Index entries.
    Entries,
    /// What the engine keeps about the database.
    System,
}

/// What a keyspace holds.
pub(crate) const fn kind_of(keyspace: u32) -> KeyspaceKind {
    match keyspace {
        0..FIRST_KEYSPACE => KeyspaceKind::System,
        FIRST_KEYSPACE..INDEX_KEYSPACE => KeyspaceKind::Rows,
        INDEX_KEYSPACE.. => KeyspaceKind::Entries,
    }
}

/// Longer keys are allocated. With it a key takes 32 bytes, and an index key of two ids or enums and the row's id fits.
const INLINE_BYTES: usize = 30;
/// What usually follows the part with which a key becomes long: its end mark, an enum or two and the row's id.
const USUAL_REST_BYTES: usize = 32;

/// A composite key: the keyspace, then the key within it. Sorts and compares as its bytes; cheap to clone.
#[derive(Clone)]
pub(crate) struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Inline { size_bytes: u8, bytes: [u8; INLINE_BYTES] },
    Shared(Arc<[u8]>),
}

impl Key {
    /// A key of these bytes, the keyspace included.
    pub(crate) fn from_slice(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE_BYTES {
            return Self(Repr::Shared(Arc::from(bytes)));
        }
        let mut inline = [0; INLINE_BYTES];
        inline[..bytes.len()].copy_from_slice(bytes);
        Self(Repr::Inline { size_bytes: bytes.len() as u8, bytes: inline })
    }

    /// The keyspace; `u32::MAX`, which is none, for a key too short to have one.
    pub(crate) fn keyspace(&self) -> u32 {
        self.first_chunk::<KEYSPACE_BYTES>().map_or(u32::MAX, |keyspace| u32::from_be_bytes(*keyspace))
    }

    /// The key within its keyspace.
    pub(crate) fn local(&self) -> &[u8] {
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

/// Where two words of inline bytes begin: they overlap, and together they are all of them.
const WORD_BYTES: usize = size_of::<u128>();

fn head(bytes: &[u8; INLINE_BYTES]) -> u128 {
    u128::from_be_bytes(*bytes.first_chunk::<WORD_BYTES>().expect("a key has more bytes than a word"))
}

fn tail(bytes: &[u8; INLINE_BYTES]) -> u128 {
    u128::from_be_bytes(*bytes.last_chunk::<WORD_BYTES>().expect("a key has more bytes than a word"))
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Inline { size_bytes, bytes }, Repr::Inline { size_bytes: other_size_bytes, bytes: other_bytes }) => {
                bytes == other_bytes && size_bytes == other_size_bytes
            }
            (Repr::Inline { .. } | Repr::Shared(_), _) => **self == **other,
        }
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    /// Compares words instead of bytes where it can. The bytes after a short key's end are zeros, so where the words are
    /// equal one key is the beginning of the other.
    fn cmp(&self, other: &Self) -> Ordering {
        let (Repr::Inline { size_bytes, bytes }, Repr::Inline { size_bytes: other_size_bytes, bytes: other_bytes }) =
            (&self.0, &other.0)
        else {
            return (**self).cmp(&**other);
        };
        let (one, another) = (head(bytes), head(other_bytes));
        if one != another {
            return if one < another { Ordering::Less } else { Ordering::Greater };
        }
        tail(bytes).cmp(&tail(other_bytes)).then(size_bytes.cmp(other_size_bytes))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Builds a key part by part; without an allocation as long as it is short.
#[derive(Debug)]
pub struct KeyWriter {
    size_bytes: usize,
    inline: [u8; INLINE_BYTES],
    /// The whole key, once it is too long for `inline`.
    long: Vec<u8>,
}

impl KeyWriter {
    pub(crate) fn new(keyspace: u32) -> Self {
        let mut writer = Self { size_bytes: 0, inline: [0; INLINE_BYTES], long: Vec::new() };
        writer.push(&keyspace.to_be_bytes());
        writer
    }

    /// Appends bytes as they are.
    pub fn push(&mut self, bytes: &[u8]) {
        let end = self.size_bytes + bytes.len();
        if let Some(free) = self.inline.get_mut(self.size_bytes..end) {
            free.copy_from_slice(bytes);
        } else {
            if self.long.is_empty() {
                self.long.reserve(end + USUAL_REST_BYTES);
                self.long.extend_from_slice(&self.inline[..self.size_bytes]);
            }
            self.long.extend_from_slice(bytes);
        }
        self.size_bytes = end;
    }

    /// Appends the id that ends an index key.
    pub(crate) fn id(&mut self, id: u64) {
        self.push(&id.to_be_bytes());
    }

    /// What was written, the keyspace included.
    pub(crate) fn finish(self) -> Key {
        if self.size_bytes > INLINE_BYTES {
            return Key(Repr::Shared(self.long.into()));
        }
        Key(Repr::Inline { size_bytes: self.size_bytes as u8, bytes: self.inline })
    }
}

/// The smallest byte string that is greater than every one with this prefix; `None` if there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_bytes_whether_it_is_short_or_long() {
        for size_bytes in 0..100 {
            let bytes: Vec<u8> = (0..size_bytes).collect();
            assert_eq!(*Key::from_slice(&bytes), *bytes);
            let mut writer = KeyWriter::new(0x0102_0304);
            bytes.chunks(7).for_each(|chunk| writer.push(chunk));
            let key = writer.finish();
            assert_eq!(key.local(), bytes);
            assert_eq!(key.keyspace(), 0x0102_0304);
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_past_all_that_begin_with_it() {
        assert_eq!(prefix_end(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(prefix_end(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255, 255]), None);
        assert_eq!(prefix_end(&[]), None);
    }

    #[test]
    fn keys_compare_as_their_bytes() {
        let mut all: Vec<Vec<u8>> = vec![Vec::new()];
        for length in [1, 2, 13, 14, 15, 16, 17, 29, 30, 31, 40] {
            for last in [0, 1, 255] {
                all.push([vec![0; length - 1], vec![last]].concat());
                all.push([vec![255; length - 1], vec![last]].concat());
                all.push([vec![last], vec![0; length - 1]].concat());
            }
        }
        for one in &all {
            for other in &all {
                let (key, other_key) = (Key::from_slice(one), Key::from_slice(other));
                assert_eq!(key.cmp(&other_key), one.cmp(other), "{one:?} {other:?}");
                assert_eq!(key == other_key, one == other, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_key_takes_32_bytes() {
        assert_eq!(size_of::<Key>(), 32);
    }
}
