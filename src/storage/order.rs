//! [`Order`]: from which end a range is read.

/// From which end a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}
