//! A change of the history as one transaction on the board, and a task of the board as the history tells it.

use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use tropism::prelude::*;

use crate::{
    history::{Change, Fields},
    schema::{Comment, Dependency, Label, Status, Task},
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

/// Plays one change: all of it or nothing.
pub fn play(db: &Db, change: &Change) -> Result<(), Problem> {
    db.write(|tx| match change {
        Change::Insert { id, doc } => insert(tx, id, doc),
        Change::Patch { id, set, unset } => patch(tx, id, set, unset),
        Change::Delete { id } => Ok(tx.delete(find(tx, id)?.id())?),
        Change::Gap => Ok(()),
    })
}

fn insert(tx: &mut WriteTx, key: &str, doc: &Fields) -> Result<(), Problem> {
    if tx.query(Task::by_key).eq(key).first()?.is_some() {
        return Err(Problem::Known(key.to_owned()));
    }
    let mut task = Task {
        key: key.to_owned(),
        title: String::new(),
        description: None,
        status: Status::Open,
        kind: String::new(),
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

fn patch(tx: &mut WriteTx, key: &str, set: &Fields, unset: &[String]) -> Result<(), Problem> {
    let task = find(tx, key)?;
    let id = task.id();
    let mut changed = task.into_inner();
    for (field, value) in unset.iter().map(|field| (field, &Value::Null)).chain(set) {
        set_field(&mut changed, field, value)?;
        set_rows(tx, id, field, value)?;
    }
    Ok(tx.replace(id, changed)?)
}

fn find(tx: &ReadTx, key: &str) -> Result<Doc<Task>, Problem> {
    tx.query(Task::by_key).eq(key).unique()?.ok_or_else(|| Problem::Unknown(key.to_owned()))
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
        "priority" => task.priority = parsed(field, value, "small number")?,
        "assignee" => task.assignee = parsed(field, value, "text")?,
        "created_at" => task.created_at = time(field, value)?,
        "updated_at" => task.updated_at = time(field, value)?,
        "closed_at" => task.closed_at = time(field, value)?,
        _ => {
            task.others.retain(|(name, _)| name != field);
            if !value.is_null() {
                task.others.push((field.to_owned(), value.to_string()));
                task.others.sort();
            }
        }
    }
    Ok(())
}

/// A dependency as the history tells it.
#[derive(Deserialize)]
struct TellsDependency {
    depends_on_id: String,
    r#type: String,
    created_at: String,
    created_by: String,
    metadata: Option<String>,
}

/// A comment as the history tells it.
#[derive(Deserialize)]
struct TellsComment {
    id: i64,
    author: String,
    text: String,
    created_at: String,
}

/// Puts other rows in the place of those that hang on a task; `null` removes them.
fn set_rows(tx: &mut WriteTx, task: Id<Task>, field: &str, value: &Value) -> Result<(), Problem> {
    match field {
        "labels" => {
            for label in tx.query(Label::by_task).eq(task).collect()? {
                tx.delete(label.id())?;
            }
            for name in parsed::<Option<Vec<String>>>(field, value, "list of texts")?.unwrap_or_default() {
                tx.insert(Label { task, name })?;
            }
        }
        "dependencies" => {
            for dependency in tx.query(Dependency::by_task).eq(task).collect()? {
                tx.delete(dependency.id())?;
            }
            let told: Option<Vec<TellsDependency>> = parsed(field, value, "list of dependencies")?;
            for TellsDependency { depends_on_id, r#type, created_at, created_by, metadata } in told.unwrap_or_default()
            {
                let (depends_on, kind) = (depends_on_id, r#type);
                tx.insert(Dependency { task, depends_on, kind, created_at, created_by, metadata })?;
            }
        }
        "comments" => {
            for comment in tx.query(Comment::by_task).eq(task).collect()? {
                tx.delete(comment.id())?;
            }
            let told: Option<Vec<TellsComment>> = parsed(field, value, "list of comments")?;
            for TellsComment { id, author, text, created_at } in told.unwrap_or_default() {
                tx.insert(Comment { task, number: id, author, text, created_at })?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn parsed<T: serde::de::DeserializeOwned>(field: &str, value: &Value, expected: &'static str) -> Result<T, Problem> {
    let wrong = |_| Problem::Field { field: field.to_owned(), value: value.clone(), expected };
    T::deserialize(value).map_err(wrong)
}

fn time(field: &str, value: &Value) -> Result<Option<Timestamp>, Problem> {
    let seconds: Option<i32> = parsed(field, value, "time in seconds")?;
    Ok(seconds.map(|seconds| Timestamp::from_millis(i64::from(seconds) * 1_000)))
}

/// A task of the board as the history would tell it.
pub fn told(tx: &ReadTx, task: &Doc<Task>) -> Result<Fields, tropism::Error> {
    let seconds = |time: Timestamp| json!(time.as_millis() / 1_000);
    let mut fields = Fields::new();
    fields.insert("id".to_owned(), json!(task.key));
    fields.insert("title".to_owned(), json!(task.title));
    fields.insert("status".to_owned(), json!(task.status));
    fields.insert("issue_type".to_owned(), json!(task.kind));
    let optional = [
        ("description", task.description.as_ref().map(|text| json!(text))),
        ("priority", task.priority.map(|priority| json!(priority))),
        ("assignee", task.assignee.as_ref().map(|name| json!(name))),
        ("created_at", task.created_at.map(seconds)),
        ("updated_at", task.updated_at.map(seconds)),
        ("closed_at", task.closed_at.map(seconds)),
        ("labels", list(tx.query(Label::by_task).eq(task.id()).collect()?, |label| json!(label.name))),
        (
            "dependencies",
            list(tx.query(Dependency::by_task).eq(task.id()).collect()?, |row| {
                let mut told = json!({"issue_id": task.key, "depends_on_id": row.depends_on, "type": row.kind,
                    "created_at": row.created_at, "created_by": row.created_by});
                if let Some(metadata) = &row.metadata {
                    told["metadata"] = json!(metadata);
                }
                told
            }),
        ),
        (
            "comments",
            list(tx.query(Comment::by_task).eq(task.id()).collect()?, |row| {
                json!({"id": row.number, "issue_id": task.key, "author": row.author, "text": row.text,
                    "created_at": row.created_at})
            }),
        ),
    ];
    fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    let others = task.others.iter().map(|(name, text)| (name.clone(), serde_json::from_str(text).unwrap_or_default()));
    fields.extend(others);
    Ok(fields)
}

fn list<T>(rows: Vec<T>, tell: impl Fn(&T) -> Value) -> Option<Value> {
    (!rows.is_empty()).then(|| rows.iter().map(tell).collect())
}
