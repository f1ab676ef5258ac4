//! How long lists are.

/// How many rows a list has if its `limit` is not given, and how many a part of a board has at most.
pub const LISTED: usize = 1_000;
/// How many rows a list has at most. A greater `limit` counts as this.
pub const MOST_LISTED: usize = 10_000;

/// A limit that a client gave, within bounds.
pub(super) fn bounded(limit: usize) -> usize {
    limit.min(MOST_LISTED)
}
