//! What the board shows: each part an ordinary query, and each subscribed to as it is.

use tropism::{Error, Subscription, prelude::*};

use crate::schema::{Dependency, Status, Task};

/// Rows in each list.
const SHOWN: usize = 8;

/// How many tasks stand in each column.
pub fn columns(tx: &ReadTx) -> Result<Vec<(Status, usize)>, Error> {
    let count = |status: &Status| Ok((*status, tx.query(Task::by_status_and_priority).eq(*status).count()?));
    Status::ALL.iter().map(count).collect()
}

/// The most urgent open tasks of which no dependency is left to do.
pub fn ready(tx: &ReadTx) -> Result<Vec<Doc<Task>>, Error> {
    let mut ready = Vec::new();
    for task in tx.query(Task::by_status_and_priority).eq(Status::Open).iter()? {
        let task = task?;
        if !waits(tx, &task)? {
            ready.push(task);
        }
        if ready.len() == SHOWN {
            break;
        }
    }
    Ok(ready)
}

fn waits(tx: &ReadTx, task: &Doc<Task>) -> Result<bool, Error> {
    for dependency in tx.query(Dependency::by_task).eq(task.id()).iter()? {
        let dependency = dependency?;
        if dependency.kind != "blocks" {
            continue;
        }
        let other = tx.query(Task::by_key).eq(&dependency.depends_on).unique()?;
        if other.is_some_and(|other| !matches!(other.status, Status::Closed | Status::Tombstone)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One assignee's tasks that are not closed.
pub fn assigned(tx: &ReadTx, assignee: &str) -> Result<Vec<Doc<Task>>, Error> {
    let is_open = |task: &Doc<Task>| !matches!(task.status, Status::Closed | Status::Tombstone);
    tx.query(Task::by_assignee).eq(Some(assignee.to_owned())).filter(is_open).take(SHOWN).collect()
}

/// The tasks that were changed last, the latest first.
pub fn recent(tx: &ReadTx) -> Result<Vec<Doc<Task>>, Error> {
    tx.query(Task::by_updated).descending().take(SHOWN).collect()
}

/// The board, live.
pub struct Board {
    pub assignee: String,
    pub columns: Subscription<Vec<(Status, usize)>>,
    pub ready: Subscription<Vec<Doc<Task>>>,
    pub assigned: Subscription<Vec<Doc<Task>>>,
    pub recent: Subscription<Vec<Doc<Task>>>,
}

impl Board {
    pub fn watch(db: &Db, assignee: &str) -> Result<Self, Error> {
        let name = assignee.to_owned();
        Ok(Self {
            assignee: assignee.to_owned(),
            columns: db.watch(columns)?,
            ready: db.watch(ready)?,
            assigned: db.watch(move |tx| assigned(tx, &name))?,
            recent: db.watch(recent)?,
        })
    }
}
