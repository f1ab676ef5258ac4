//! The audit trail: written with what it tells of, and forgotten after a time.

use std::time::Duration;

use crate::{
    agent_manager::{Limits, error::Result, schema::*},
    prelude::*,
};

/// Events that are deleted in one transaction.
const BATCH: usize = 500;

/// To what something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::agent_manager) enum Subject {
    /// To a project.
    Project(Id<Project>),
    /// To a task, and so to its project.
    Task(Id<Task>),
    /// To something that is neither, or is gone.
    None,
}

/// Writes down that something was done, in the transaction that does it.
pub(in crate::agent_manager) fn record(
    tx: &mut WriteTx,
    subject: Subject,
    action: &str,
    user: &str,
    details: Option<String>,
) -> Result<()> {
    Ok(write_down(tx, subject, action, user, details)?)
}

/// The same, for functions that fail with nothing but errors of the engine.
pub(in crate::agent_manager) fn write_down(
    tx: &mut WriteTx,
    subject: Subject,
    action: &str,
    user: &str,
    details: Option<String>,
) -> Result<(), crate::Error> {
    let (project_id, task_id) = match subject {
        Subject::Project(id) => (Some(id), None),
        Subject::Task(id) => (tx.get(id)?.map(|task| task.project_id), Some(id)),
        Subject::None => (None, None),
    };
    let (action, user, at) = (action.to_owned(), user.to_owned(), tx.now());
    tx.insert(HistoryEvent { project_id, task_id, action, user, details, at })?;
    Ok(())
}

functions! {
    /// The internal functions of the history.
    pub(in crate::agent_manager) module InternalHistoryFunctions;

    /// Deletes events that are older than the host wants to keep, a batch at a time.
    pub(in crate::agent_manager) mutation CleanUpHistory in "history:cleanUp" {} -> usize |tx| {
        let retention = Limits::of(tx).history_retention;
        let old = tx.query(HistoryEvent::by_time).range(..before(tx.now(), retention)).take(BATCH).collect()?;
        for event in &old {
            tx.delete(event.id())?;
        }
        if old.len() == BATCH {
            tx.schedule().now(CleanUpHistory {})?;
        }
        Ok(old.len())
    }
}

/// A time before another.
pub(in crate::agent_manager) fn before(time: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_sub(by))
}
