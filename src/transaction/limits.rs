//! How large a key and a row may be.

/// The longest index key, in bytes of its encoded form.
pub const MAX_KEY_BYTES: usize = 4_096;
/// The largest row, in bytes of its encoded form.
pub const MAX_ROW_BYTES: usize = 32 << 20;
