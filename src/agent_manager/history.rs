//! The audit trail, to read.

use super::{lists::bounded, schema::*};
use crate::{Error, prelude::*};

functions! {
    /// The functions of the history.
    pub module HistoryFunctions;

    /// What was done last, newest first.
    pub query ListRecentHistory in "history:listRecent" { limit: usize = 100 } -> Vec<Doc<HistoryEvent>> |tx| {
        tx.query(HistoryEvent::by_time).descending().take(bounded(limit)).collect()
    }

    /// What was done to a project and its tasks, newest first.
    pub query ListProjectHistory in "history:listByProject" {
        project_id: Id<Project>,
        limit: usize = 100,
    } -> Vec<Doc<HistoryEvent>> |tx| {
        tx.query(HistoryEvent::by_project).eq(Some(project_id)).descending().take(bounded(limit)).collect()
    }

    /// What was done to a task, newest first.
    pub query ListTaskHistory in "history:listByTask" {
        task_id: Id<Task>,
        limit: usize = 100,
    } -> Vec<Doc<HistoryEvent>> |tx| {
        tx.query(HistoryEvent::by_task).eq(Some(task_id)).descending().take(bounded(limit)).collect()
    }

    /// What was done between two times, oldest first.
    pub query ListHistoryBetween in "history:listBetween" {
        from: Timestamp,
        until: Timestamp,
        limit: usize = 1_000,
    } -> Vec<Doc<HistoryEvent>> |tx| {
        if from > until {
            return Ok::<_, Error>(Vec::new());
        }
        tx.query(HistoryEvent::by_time).range(from..until).take(bounded(limit)).collect()
    }
}
