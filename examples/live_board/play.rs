//! A change of the history as one transaction on the board, and a task of the board as the history tells it.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use thiserror::Error;
use tropism::{Ts, prelude::*};

use crate::{
    history::{Change, Fields, Malformed},
    schema::{Comment, Dependency, DependencyKind, Label, Status, Task},
};

/// Why a change could not be played.
#[derive(Debug, Error)]
pub enum Problem {
    #[error("field {field:?} is {value}, which is no {expected}")]
    Field { field: String, value: Value, expected: &'static str },
    #[error("there is no task {0:?}")]
    Unknown(String),
    #[error("there is a task {0:?} already")]
    Known(String),
    #[error(transparent)]
    Database(#[from] tropism::Error),
}

/// Whether the history has told of everything that stands on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// It has: what does not fit the board is a mistake.
    Unbroken,
    /// It has not: an unknown task may be patched or deleted, which does nothing, and a known one told anew.
    Broken,
}

/// Plays one change after the other, each in a transaction of its own, and answers those that do not fit the board.
///
/// Each transaction hands the commit that it follows to `committing` as the last thing that it does.
pub fn play_all<'a>(
    db: &Db,
    changes: impl IntoIterator<Item = &'a (usize, Change)>,
    mut committing: impl FnMut(Ts),
) -> Result<Vec<Malformed>, tropism::Error> {
    // What an earlier run left on the board, this history has not told of.
    let is_empty = db.read(|tx| tx.query(Task::by_id).first())?.is_none();
    let mut continuity = if is_empty { Continuity::Unbroken } else { Continuity::Broken };
    let mut refused = Vec::new();
    for (line, change) in changes {
        if *change == Change::Gap {
            continuity = Continuity::Broken;
        }
        let played = db.write(|tx| {
            let played = play(tx, change, continuity);
            committing(tx.ts());
            played
        });
        match played {
            Ok(()) => {}
            Err(Problem::Database(error)) => return Err(error),
            Err(problem) => refused.push(Malformed { line: *line, reason: problem.to_string() }),
        }
    }
    Ok(refused)
}

fn play(tx: &mut WriteTx, change: &Change, continuity: Continuity) -> Result<(), Problem> {
    let id = match change {
        Change::Insert { id, .. } | Change::Patch { id, .. } | Change::Delete { id } => id,
        Change::Gap => return Ok(()),
    };
    let known = tx.query(Task::by_key).eq(id).unique()?;
    match (change, known, continuity) {
        (Change::Insert { doc, .. }, None, _) => insert(tx, id, doc),
        (Change::Insert { .. }, Some(_), Continuity::Unbroken) => Err(Problem::Known(id.clone())),
        (Change::Insert { doc, .. }, Some(task), Continuity::Broken) => {
            tx.delete(task.id())?;
            insert(tx, id, doc)
        }
        (Change::Patch { set, unset, .. }, Some(task), _) => patch(tx, task, set, unset),
        (Change::Delete { .. }, Some(task), _) => Ok(tx.delete(task.id())?),
        (Change::Patch { .. } | Change::Delete { .. }, None, Continuity::Unbroken) => Err(Problem::Unknown(id.clone())),
        (Change::Patch { .. } | Change::Delete { .. }, None, Continuity::Broken) | (Change::Gap, _, _) => Ok(()),
    }
}

fn insert(tx: &mut WriteTx, key: &str, doc: &Fields) -> Result<(), Problem> {
    let mut task = Task {
        key: key.to_owned(),
        title: String::new(),
        description: None,
        status: Status::Open,
        kind: None,
        priority: None,
        assignee: None,
        created_at: None,
        updated_at: None,
        closed_at: None,
        others: Vec::new(),
    };
    doc.iter().try_for_each(|(field, value)| set_field(&mut task, field, value))?;
    let id = tx.insert(task)?;
    doc.iter().try_for_each(|(field, value)| set_rows(tx, id, field, value))
}

fn patch(tx: &mut WriteTx, task: Doc<Task>, set: &Fields, unset: &[String]) -> Result<(), Problem> {
    let id = task.id();
    let mut changed = task.into_inner();
    for (field, value) in unset.iter().map(|field| (field, &Value::Null)).chain(set) {
        set_field(&mut changed, field, value)?;
        set_rows(tx, id, field, value)?;
    }
    Ok(tx.replace(id, changed)?)
}

/// Sets a field of the task itself; `null` clears it.
fn set_field(task: &mut Task, field: &str, value: &Value) -> Result<(), Problem> {
    match field {
        // Tables of their own, and the key, which stays.
        "labels" | "dependencies" | "comments" | "id" => {}
        "title" => task.title = parsed(field, value, "text")?,
        "description" => task.description = parsed(field, value, "text")?,
        "status" => task.status = parsed(field, value, "status")?,
        "issue_type" => task.kind = parsed(field, value, "text")?,
        "priority" => task.priority = parsed(field, value, "number")?,
        "assignee" => task.assignee = parsed(field, value, "text")?,
        "created_at" => task.created_at = time(field, value)?,
        "updated_at" => task.updated_at = time(field, value)?,
        "closed_at" => task.closed_at = time(field, value)?,
        _ => {
            task.others.retain(|(name, _)| name != field);
            if !value.is_null() {
                task.others.push((field.to_owned(), value.to_string()));
            }
        }
    }
    Ok(())
}

/// A dependency as the history tells it.
#[derive(Deserialize)]
struct ToldDependency {
    depends_on_id: String,
    r#type: DependencyKind,
    #[serde(flatten)]
    others: Fields,
}

/// A comment as the history tells it.
#[derive(Deserialize)]
struct ToldComment {
    author: String,
    text: String,
    #[serde(flatten)]
    others: Fields,
}

/// Puts other rows in the place of those that hang on a task; `null` removes them.
fn set_rows(tx: &mut WriteTx, task: Id<Task>, field: &str, value: &Value) -> Result<(), Problem> {
    match field {
        "labels" => {
            for label in tx.query(Label::by_task).eq(task).collect()? {
                tx.delete(label.id())?;
            }
            for name in told_list(field, value, "list of texts")? {
                tx.insert(Label { task, name })?;
            }
        }
        "dependencies" => {
            for dependency in tx.query(Dependency::by_task).eq(task).collect()? {
                tx.delete(dependency.id())?;
            }
            for told in told_list::<ToldDependency>(field, value, "list of dependencies")? {
                let (depends_on, kind, others) = (told.depends_on_id, told.r#type, texts(told.others));
                tx.insert(Dependency { task, depends_on, kind, others })?;
            }
        }
        "comments" => {
            for comment in tx.query(Comment::by_task).eq(task).collect()? {
                tx.delete(comment.id())?;
            }
            for ToldComment { author, text, others } in told_list(field, value, "list of comments")? {
                tx.insert(Comment { task, author, text, others: texts(others) })?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn told_list<T: DeserializeOwned>(field: &str, value: &Value, expected: &'static str) -> Result<Vec<T>, Problem> {
    Ok(parsed::<Option<Vec<T>>>(field, value, expected)?.unwrap_or_default())
}

fn parsed<T: DeserializeOwned>(field: &str, value: &Value, expected: &'static str) -> Result<T, Problem> {
    let wrong = |_| Problem::Field { field: field.to_owned(), value: value.clone(), expected };
    T::deserialize(value).map_err(wrong)
}

fn time(field: &str, value: &Value) -> Result<Option<Timestamp>, Problem> {
    const EXPECTED: &str = "time in seconds";
    let Some(seconds) = parsed::<Option<i64>>(field, value, EXPECTED)? else { return Ok(None) };
    let too_far = || Problem::Field { field: field.to_owned(), value: value.clone(), expected: EXPECTED };
    Ok(Some(Timestamp::from_millis(seconds.checked_mul(1_000).ok_or_else(too_far)?)))
}

fn texts(fields: Fields) -> Vec<(String, String)> {
    fields.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

/// A task of the board as the history would tell it.
pub fn told(tx: &ReadTx, task: &Doc<Task>) -> Result<Fields, tropism::Error> {
    let seconds = |time: Timestamp| json!(time.as_millis() / 1_000);
    let labels = tx.query(Label::by_task).eq(task.id()).collect()?;
    let dependencies = tx.query(Dependency::by_task).eq(task.id()).collect()?;
    let comments = tx.query(Comment::by_task).eq(task.id()).collect()?;
    let known = [
        ("id", Some(json!(task.key))),
        ("title", Some(json!(task.title))),
        ("description", task.description.as_ref().map(|text| json!(text))),
        ("status", Some(json!(task.status))),
        ("issue_type", task.kind.as_ref().map(|kind| json!(kind))),
        ("priority", task.priority.map(|priority| json!(priority))),
        ("assignee", task.assignee.as_ref().map(|name| json!(name))),
        ("created_at", task.created_at.map(seconds)),
        ("updated_at", task.updated_at.map(seconds)),
        ("closed_at", task.closed_at.map(seconds)),
        ("labels", list(labels, |label| json!(label.name))),
        (
            "dependencies",
            list(dependencies, |row| {
                with_others([("depends_on_id", json!(row.depends_on)), ("type", json!(row.kind))], &row.others)
            }),
        ),
        (
            "comments",
            list(comments, |row| with_others([("author", json!(row.author)), ("text", json!(row.text))], &row.others)),
        ),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Ok(fields(known, &task.others))
}

fn list<T>(rows: Vec<T>, tell: impl Fn(&T) -> Value) -> Option<Value> {
    (!rows.is_empty()).then(|| rows.iter().map(tell).collect())
}

fn with_others<const N: usize>(known: [(&str, Value); N], others: &[(String, String)]) -> Value {
    Value::Object(fields(known, others))
}

fn fields<'a>(known: impl IntoIterator<Item = (&'a str, Value)>, others: &[(String, String)]) -> Fields {
    let known = known.into_iter().map(|(name, value)| (name.to_owned(), value));
    let others = others.iter().map(|(name, text)| (name.clone(), serde_json::from_str(text).unwrap_or_default()));
    known.chain(others).collect()
}
