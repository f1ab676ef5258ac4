//! What a transaction read: byte ranges, trimmed to what was consumed.

use crate::encoding::{ByteRange, Key};

/// What about the keys in a range a reader looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ReadOn {
    /// Which keys there are. A row that changes under an index key that stays is of no concern.
    Keys,
    /// The keys, and the rows behind them.
    Rows,
}

/// The byte ranges that a transaction depends on, in the order in which it read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReadSet {
    ranges: Vec<(ByteRange, ReadOn)>,
}

impl ReadSet {
    /// Adds one key, whether it is there or not.
    pub(crate) fn add_key(&mut self, key: &Key) {
        self.add(ByteRange::point(key), ReadOn::Rows);
    }

    /// Adds a range.
    pub(crate) fn add(&mut self, range: ByteRange, on: ReadOn) {
        self.ranges.push((range, on));
    }

    /// Brings equal sets to equal form: sorted, each range once.
    pub(crate) fn normalised(mut self) -> Self {
        self.ranges.sort_unstable();
        self.ranges.dedup();
        self
    }

    /// Every range.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &(ByteRange, ReadOn)> {
        self.ranges.iter()
    }
}
