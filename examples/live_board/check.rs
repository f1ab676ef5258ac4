//! Whether the board stands as it must.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use tropism::{Error, Index, Prefix, Table, prelude::*};

use crate::{
    board::{self, Board, Seen},
    history::Fields,
    play,
    schema::{Comment, Dependency, Label, Task},
};

/// At most this many differences are told of each kind.
const TOLD: usize = 10;

/// Compares every task with the expected ones, and says how they differ.
pub fn tasks(db: &Db, expected: &[Fields]) -> Result<Vec<String>, Error> {
    let key = |task: &Fields| task.get("id").map(ToString::to_string).unwrap_or_default();
    let expected: BTreeMap<String, Fields> = expected.iter().map(|task| (key(task), plain(task))).collect();
    db.read(|tx| {
        let mut found = BTreeMap::new();
        for task in tx.query(Task::by_id).iter()? {
            let told = play::told(tx, &task?)?;
            found.insert(key(&told), told);
        }
        let missing = expected.keys().filter(|key| !found.contains_key(*key)).map(|key| format!("{key} is missing"));
        let surplus = found.keys().filter(|key| !expected.contains_key(*key)).map(|key| format!("{key} is too much"));
        let other = found.iter().filter_map(|(key, found)| {
            let expected = expected.get(key).filter(|expected| *expected != found)?;
            let fields = expected.keys().chain(found.keys());
            let field = fields.into_iter().find(|field| expected.get(*field) != found.get(*field))?;
            Some(format!("{key} field {field:?}: {:?}, expected {:?}", found.get(field), expected.get(field)))
        });
        Ok(missing.chain(surplus).chain(other).take(TOLD).collect())
    })
}

/// Without the fields that say nothing: an empty list and `null` are as good as none.
fn plain(task: &Fields) -> Fields {
    let says_something = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
    task.iter().filter(|(_, value)| says_something(value)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Compares the last value of every live query with a fresh run, and says which differ.
pub fn live_queries(db: &Db, board: &Board) -> Result<Vec<String>, Error> {
    let differ = [
        ("columns", is_stale(&board.columns, || db.read(board::columns))?),
        ("ready", is_stale(&board.ready, || db.read(board::ready))?),
        ("assigned", is_stale(&board.assigned, || db.read(|tx| board::assigned(tx, &board.assignee)))?),
        ("recent", is_stale(&board.recent, || db.read(board::recent))?),
    ];
    let told = |(name, _): (&str, bool)| format!("the live query {name:?} differs from a fresh run");
    Ok(differ.into_iter().filter(|(_, is_stale)| *is_stale).map(told).collect())
}

/// Waits for the value that a fresh run has; it may be on its way.
fn is_stale<T: PartialEq + Send + Sync + 'static>(
    live: &Subscription<Seen<T>>,
    fresh: impl FnOnce() -> Result<T, Error>,
) -> Result<bool, Error> {
    const LONGEST: Duration = Duration::from_secs(10);
    let fresh = fresh()?;
    let is_fresh = || live.current().is_ok_and(|current| current.value == fresh);
    while !is_fresh() {
        if live.recv_timeout(LONGEST).is_none() {
            return Ok(!is_fresh());
        }
    }
    Ok(false)
}

/// Compares every index with its table, and says which differ.
pub fn indexes(db: &Db) -> Result<Vec<String>, Error> {
    db.read(|tx| {
        let differ = [
            differs(tx, Task::by_id, Task::by_key, |task| task.key.clone())?,
            differs(tx, Task::by_id, Task::by_status_and_priority, |task| (task.status.clone(), task.priority))?,
            differs(tx, Task::by_id, Task::by_assignee, |task| task.assignee.clone())?,
            differs(tx, Task::by_id, Task::by_updated, |task| task.updated_at)?,
            differs(tx, Label::by_id, Label::by_task, |label| label.task)?,
            differs(tx, Label::by_id, Label::by_name, |label| label.name.clone())?,
            differs(tx, Dependency::by_id, Dependency::by_task, |dependency| dependency.task)?,
            differs(tx, Dependency::by_id, Dependency::by_depends_on, |dependency| dependency.depends_on.clone())?,
            differs(tx, Comment::by_id, Comment::by_task, |comment| comment.task)?,
        ];
        Ok(differ.into_iter().flatten().collect())
    })
}

/// For every key in the table, the index must have the rows with that key and no others; and nothing under other keys.
fn differs<T: Table, K, S: Ord + Clone + Prefix<K, M>, M>(
    tx: &ReadTx,
    by_id: Index<T, (Id<T>,)>,
    index: Index<T, K>,
    key: impl Fn(&T) -> S,
) -> Result<Option<String>, Error> {
    let mut rows: BTreeMap<S, Vec<Doc<T>>> = BTreeMap::new();
    let mut row_count = 0;
    for row in tx.query(by_id).iter()? {
        let row = row?;
        rows.entry(key(&row)).or_default().push(row);
        row_count += 1;
    }
    let mut is_equal = tx.query(index).count()? == row_count;
    for (key, rows) in &rows {
        is_equal &= tx.query(index).eq(key.clone()).collect()? == *rows;
    }
    Ok((!is_equal).then(|| format!("the index {index:?} differs from its table")))
}
