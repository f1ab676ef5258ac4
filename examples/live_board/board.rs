//! What the board shows: each part an ordinary query, and each subscribed to as it is.

use std::ops::Bound;

use tropism::{Error, Ts, prelude::*};

use crate::schema::{Dependency, DependencyKind, Status, Task};

/// Each column with the number of its tasks.
pub type Columns = Vec<(Status, usize)>;
pub type Tasks = Vec<Doc<Task>>;

/// Rows in each list.
const SHOWN: usize = 8;

/// How many tasks stand in each column. Words that the board does not know are columns after the others.
pub fn columns(tx: &ReadTx) -> Result<Columns, Error> {
    let known = Status::ALL.iter().cloned();
    let others = statuses(tx)?.into_iter().filter(|status| matches!(status, Status::Other(_)));
    let count = |status: Status| {
        let count = tx.query(Task::by_status_and_priority).eq(status.clone()).count()?;
        Ok((status, count))
    };
    known.chain(others).map(count).collect()
}

/// Every status that a task has. Reads one task of each.
fn statuses(tx: &ReadTx) -> Result<Vec<Status>, Error> {
    let mut found: Vec<Status> = Vec::new();
    loop {
        let after = found.last().map_or(Bound::Unbounded, |last| Bound::Excluded(last.clone()));
        let next = tx.query(Task::by_status_and_priority).range((after, Bound::Unbounded)).first()?;
        let Some(task) = next else { return Ok(found) };
        found.push(task.status.clone());
    }
}

/// The most urgent open tasks of which no dependency is left to do.
pub fn ready(tx: &ReadTx) -> Result<Tasks, Error> {
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
        // A parent, or a task that is only related, holds nobody up.
        if dependency.kind != DependencyKind::Blocks {
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
pub fn assigned(tx: &ReadTx, assignee: &str) -> Result<Tasks, Error> {
    let is_open = |task: &Doc<Task>| !matches!(task.status, Status::Closed | Status::Tombstone);
    tx.query(Task::by_assignee).eq(Some(assignee.to_owned())).filter(is_open).take(SHOWN).collect()
}

/// The tasks that were changed last, the latest first.
pub fn recent(tx: &ReadTx) -> Result<Tasks, Error> {
    tx.query(Task::by_updated).descending().take(SHOWN).collect()
}

/// What a query answered, and the commit at which it did.
#[derive(Debug, Clone)]
pub struct Seen<T> {
    pub at: Ts,
    pub value: T,
}

/// Equal where the value is: a commit that leaves it so is nothing new to show.
impl<T: PartialEq> PartialEq for Seen<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// The board, live.
pub struct Board {
    pub assignee: String,
    pub columns: Subscription<Seen<Columns>>,
    pub ready: Subscription<Seen<Tasks>>,
    pub assigned: Subscription<Seen<Tasks>>,
    pub recent: Subscription<Seen<Tasks>>,
}

impl Board {
    pub fn watch(db: &Db, assignee: &str) -> Result<Self, Error> {
        let name = assignee.to_owned();
        Ok(Self {
            assignee: assignee.to_owned(),
            columns: db.watch(seen(columns))?,
            ready: db.watch(seen(ready))?,
            assigned: db.watch(seen(move |tx| assigned(tx, &name)))?,
            recent: db.watch(seen(recent))?,
        })
    }
}

/// The same query, with the commit that it sees.
fn seen<T>(query: impl Fn(&ReadTx) -> Result<T, Error>) -> impl Fn(&ReadTx) -> Result<Seen<T>, Error> {
    move |tx| Ok(Seen { at: tx.ts(), value: query(tx)? })
}
