//! A key that is replaced at every step of a scan, without an allocation where it is short.

const INLINE_BYTES: usize = 48;

/// The bytes of one key.
pub(super) struct KeyBuffer {
    inline: [u8; INLINE_BYTES],
    /// How many of `inline` are used; more than there are if the key is in `long`.
    size: usize,
    long: Vec<u8>,
}

impl Default for KeyBuffer {
    fn default() -> Self {
        Self { inline: [0; INLINE_BYTES], size: 0, long: Vec::new() }
    }
}

impl KeyBuffer {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut buffer = Self::default();
        buffer.set(bytes);
        buffer
    }

    pub(super) fn set(&mut self, bytes: &[u8]) {
        self.size = bytes.len();
        match self.inline.get_mut(..bytes.len()) {
            Some(inline) => inline.copy_from_slice(bytes),
            None => {
                self.long.clear();
                self.long.extend_from_slice(bytes);
            }
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.inline.get(..self.size).unwrap_or(&self.long)
    }
}
