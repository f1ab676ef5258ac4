//! Tests that belong to tasks, and how they stand.

use super::{
    enums::*,
    error::{AgentError, not_empty},
    internal::history::{Subject, record},
    lists::{LISTED, bounded},
    schema::*,
};
use crate::prelude::*;

functions! {
    /// The functions of tests.
    pub module TestFunctions;

    /// Those of a task; those that stand alike, if that is asked for.
    pub query ListTests in "tests:list" {
        task_id: Id<Task>,
        status: Option<TestStatus>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Test>> |tx| {
        match status {
            Some(status) => tx.query(Test::by_task_and_status).eq((task_id, status)).take(bounded(limit)).collect(),
            None => tx.query(Test::by_task).eq(task_id).take(bounded(limit)).collect(),
        }
    }

    /// Adds one that has not run.
    pub mutation CreateTest in "tests:create" {
        task_id: Id<Task>,
        name: String,
        kind: TestKind = TestKind::Unit,
        user: String = "system".to_owned(),
    } -> Result<Id<Test>, AgentError> |tx| {
        not_empty("name", &name)?;
        tx.existing(task_id)?;
        let (status, duration_ms, output) = (TestStatus::Pending, None, None);
        let id = tx.insert(Test { task_id, name: name.clone(), kind, status, duration_ms, output })?;
        record(tx, Subject::Task(task_id), "test.created", &user, Some(name))?;
        Ok(id)
    }

    /// Says how a test stands.
    pub mutation RecordTestResult in "tests:recordResult" {
        id: Id<Test>,
        status: TestStatus,
        duration_ms: Option<u64>,
        output: Option<String>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        let mut task = None;
        tx.patch(id, |test: &mut Test| {
            (test.status, test.duration_ms, test.output) = (status, duration_ms, output);
            task = Some((test.task_id, test.name.clone()));
        })?;
        let Some((task, name)) = task else { return Ok(()) };
        record(tx, Subject::Task(task), "test.result", &user, Some(format!("{name}: {status}")))
    }

    /// Changes what is given, and leaves the rest.
    pub mutation UpdateTest in "tests:update" {
        id: Id<Test>,
        name: Option<String>,
        kind: Option<TestKind>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        if let Some(name) = &name {
            not_empty("name", name)?;
        }
        let mut task = None;
        tx.patch(id, |test: &mut Test| {
            test.name = name.unwrap_or_else(|| test.name.clone());
            test.kind = kind.unwrap_or(test.kind);
            task = Some((test.task_id, test.name.clone()));
        })?;
        let Some((task, name)) = task else { return Ok(()) };
        record(tx, Subject::Task(task), "test.updated", &user, Some(name))
    }

    /// Deletes one.
    pub mutation DeleteTest in "tests:delete" {
        id: Id<Test>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        let test = tx.get(id)?;
        tx.delete(id)?;
        let Some(test) = test else { return Ok(()) };
        record(tx, Subject::Task(test.task_id), "test.deleted", &user, Some(test.name.clone()))
    }
}
