//! Which task waits for which.

use std::collections::HashMap;

use super::{
    enums::*,
    error::{AgentError, Result},
    internal::history::{Subject, record},
    lists::{LISTED, bounded},
    schema::*,
};
use crate::prelude::*;

functions! {
    /// The functions of dependencies.
    pub module DependencyFunctions;

    /// The tasks that a task waits for.
    pub query ListDependencies in "dependencies:list" {
        task_id: Id<Task>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Task>> |tx| {
        let dependencies = tx.query(TaskDependency::by_task).eq(task_id).take(bounded(limit)).collect()?;
        let tasks = dependencies.iter().map(|dependency| tx.get(dependency.depends_on));
        tasks.filter_map(Result::transpose).collect()
    }

    /// The tasks that wait for a task.
    pub query ListDependents in "dependencies:listDependents" {
        task_id: Id<Task>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Task>> |tx| {
        let dependencies = tx.query(TaskDependency::by_depends_on).eq(task_id).take(bounded(limit)).collect()?;
        let tasks = dependencies.iter().map(|dependency| tx.get(dependency.task_id));
        tasks.filter_map(Result::transpose).collect()
    }

    /// The tasks of a project that can be begun: they wait in backlog or todo, and for nothing that is not done.
    pub query ListReadyTasks in "tasks:listReady" {
        project_id: Id<Project>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Task>> = ready;

    /// Has a task wait for another. Once is enough; twice changes nothing.
    pub mutation AddDependency in "dependencies:add" {
        task_id: Id<Task>,
        depends_on: Id<Task>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> = add;

    /// Has a task no longer wait for another.
    pub mutation RemoveDependency in "dependencies:remove" {
        task_id: Id<Task>,
        depends_on: Id<Task>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        let pair = tx.query(TaskDependency::by_task_and_depends_on).eq((task_id, depends_on)).unique()?;
        let Some(pair) = pair else {
            tx.existing(task_id)?;
            tx.existing(depends_on)?;
            return Ok(());
        };
        tx.delete(pair.id())?;
        record(tx, Subject::Task(task_id), "task.dependency_removed", &user, Some(depends_on.to_string()))
    }
}

fn ready(tx: &ReadTx, arguments: &ListReadyTasks) -> Result<Vec<Doc<Task>>, crate::Error> {
    let mut ready = Vec::new();
    for category in [Category::Todo, Category::Backlog] {
        for task in tx.query(Task::by_project_and_category).eq((arguments.project_id, category)).iter()? {
            let task = task?;
            if ready.len() >= bounded(arguments.limit) {
                return Ok(ready);
            }
            if !is_waiting(tx, task.id())? {
                ready.push(task);
            }
        }
    }
    Ok(ready)
}

fn is_waiting(tx: &ReadTx, task: Id<Task>) -> Result<bool, crate::Error> {
    for dependency in tx.query(TaskDependency::by_task).eq(task).iter()? {
        let needed = tx.get(dependency?.depends_on)?;
        if needed.is_some_and(|needed| needed.category != Category::Done) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn add(tx: &mut WriteTx, arguments: &AddDependency) -> Result<()> {
    let AddDependency { task_id, depends_on, user } = arguments;
    let (task_id, depends_on) = (*task_id, *depends_on);
    tx.existing(task_id)?;
    tx.existing(depends_on)?;
    let pair = tx.query(TaskDependency::by_task_and_depends_on).eq((task_id, depends_on)).unique()?;
    if pair.is_some() {
        return Ok(());
    }
    if let Some(path) = path(tx, depends_on, task_id)? {
        return Err(AgentError::DependencyCycle { tasks: [vec![task_id], path].concat() });
    }
    tx.insert(TaskDependency { task_id, depends_on })?;
    record(tx, Subject::Task(task_id), "task.dependency_added", user, Some(depends_on.to_string()))
}

/// The shortest way from one task to another along what they wait for, both included.
fn path(tx: &ReadTx, from: Id<Task>, to: Id<Task>) -> Result<Option<Vec<Id<Task>>>> {
    let mut reached_from: HashMap<Id<Task>, Option<Id<Task>>> = HashMap::from([(from, None)]);
    let mut waiting = std::collections::VecDeque::from([from]);
    while let Some(task) = waiting.pop_front() {
        if task == to {
            let back = std::iter::successors(Some(task), |task| reached_from.get(task).copied().flatten());
            let mut path: Vec<_> = back.collect();
            path.reverse();
            return Ok(Some(path));
        }
        for dependency in tx.query(TaskDependency::by_task).eq(task).iter()? {
            let next = dependency?.depends_on;
            if let std::collections::hash_map::Entry::Vacant(entry) = reached_from.entry(next) {
                entry.insert(Some(task));
                waiting.push_back(next);
            }
        }
    }
    Ok(None)
}
