//! [`LiveQuery`]: a live query without its type.

use std::{fmt, panic::Location};

use crate::{
    error::StorageError,
    time::Ts,
    transaction::{Pipeline, ReadSet},
};

/// Tells the live queries of one database apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LiveQueryId(u64);

impl LiveQueryId {
    pub(super) const fn new(id: u64) -> Self {
        Self(id)
    }
}

/// One evaluation of a live query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluation {
    /// Which live query it was.
    pub live_query: LiveQueryId,
    /// The commit at which it was evaluated.
    pub ts: Ts,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The result differs from the last one and was delivered.
    Delivered,
    /// The result is equal to the last one; nothing was delivered.
    Unchanged,
    /// The query failed or panicked; its error was delivered.
    Failed,
}

/// How much live queries have to do, for those who watch over a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveQueryHealth {
    /// Live queries; subscriptions that share one count once.
    pub live_queries: usize,
    /// Those of them that wait to be evaluated again.
    pub dirty: usize,
    /// Commits of which it is not known yet which live queries they concern.
    pub unmatched_commits: usize,
    /// The bytes of those that are kept whole.
    pub unmatched_bytes: usize,
    /// Callbacks that wait to be called.
    pub callbacks_waiting: usize,
}

/// A live query, whatever its type.
pub(super) trait LiveQuery: Send + Sync {
    /// Runs it on what is visible now, hands the commit at which that was and what it read to `register`, and then
    /// delivers the result if it is not equal to the last one.
    ///
    /// # Errors
    ///
    /// `Closed`; a query's own errors are delivered.
    fn evaluate(&self, pipeline: &Pipeline, register: &mut dyn FnMut(u64, ReadSet)) -> Result<Evaluated, StorageError>;

    /// What it is called in logs.
    fn label(&self) -> Label;
}

/// What came of an evaluation, and at which commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evaluated {
    pub(super) ts: u64,
    pub(super) outcome: Outcome,
}

/// What a live query is called: the name of its function, or where it was subscribed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Label {
    Function(&'static str),
    Place(&'static Location<'static>),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(name) => f.write_str(name),
            Self::Place(location) => fmt::Display::fmt(location, f),
        }
    }
}
