//! [`BuildProgress`]: how far the opening of a database has come.

/// How far the opening of a database has come in something that takes as long as a table is large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildProgress {
    /// The table.
    pub table: String,
    /// What is being done.
    pub work: BuildWork,
    /// The indexes that are being built; none while something else is being done.
    pub indexes: Vec<String>,
    /// Rows done so far; entries, where an index is being removed.
    pub rows_done: u64,
    /// Ids ever given out in the table, so at least as many as there are rows. Where an index is being removed that may
    /// have several entries for a row, or whose table is gone, this grows with `rows_done`.
    pub rows_at_most: u64,
}

/// What the opening of a database does with all rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildWork {
    /// Indexes are being built.
    BuildIndexes,
    /// Rows are being rewritten, for a field changed its type.
    RewriteRows,
    /// The rows of a table that was dropped are being removed.
    RemoveRows,
    /// The entries of an index are being removed that was dropped or replaced, or whose building was cut short.
    RemoveIndex {
        /// The index.
        index: String,
    },
}
