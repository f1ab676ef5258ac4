//! Tasks: cards on a board, in columns, in an order.

use super::{
    enums::*,
    error::{AgentError, Result, not_empty},
    internal::history::{Subject, record},
    lists::{LISTED, bounded},
    schema::*,
};
use crate::prelude::*;

functions! {
    /// The functions of tasks.
    pub module TaskFunctions;

    /// One task, or nothing.
    pub query GetTask in "tasks:get" { id: Id<Task> } -> Option<Doc<Task>> |tx| { tx.get(id) }

    /// The tasks of a project, column by column, each in its order.
    pub query ListTasks in "tasks:listByProject" {
        project_id: Id<Project>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Task>> |tx| {
        tx.query(Task::by_project_and_category).eq(project_id).take(bounded(limit)).collect()
    }

    /// One column of a project, in its order.
    pub query ListTasksByCategory in "tasks:listByCategory" {
        project_id: Id<Project>,
        category: Category,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Task>> |tx| {
        tx.query(Task::by_project_and_category).eq((project_id, category)).take(bounded(limit)).collect()
    }

    /// The tasks that are done on a branch, in any project.
    pub query ListTasksByBranch in "tasks:listByBranch" {
        branch: String,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Task>> |tx| {
        tx.query(Task::by_branch).eq(Some(branch)).take(bounded(limit)).collect()
    }

    /// Adds a task at the end of its column.
    pub mutation CreateTask in "tasks:create" {
        project_id: Id<Project>,
        title: String,
        description: String = String::new(),
        category: Category = Category::Backlog,
        priority: Priority = Priority::Medium,
        assignee: Option<String>,
        branch: Option<String>,
        user: String = "system".to_owned(),
    } -> Result<Id<Task>, AgentError> = create;

    /// Changes what is given, and leaves the rest. Where it stands, `tasks:move` changes.
    pub mutation UpdateTask in "tasks:update" {
        id: Id<Task>,
        title: Option<String>,
        description: Option<String>,
        priority: Option<Priority>,
        /// An empty text for nobody.
        assignee: Option<String>,
        /// An empty text for none.
        branch: Option<String>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> = update;

    /// Moves a task to another column: to its end, or to a place in it.
    pub mutation MoveTask in "tasks:move" {
        id: Id<Task>,
        category: Category,
        /// From 0; beyond the end is the end.
        position: Option<u32>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| { place(tx, id, category, position, &user) }

    /// Moves a task within its column.
    pub mutation ReorderTask in "tasks:reorder" {
        id: Id<Task>,
        /// From 0; beyond the end is the end.
        position: u32,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        let task = tx.existing(id)?;
        place(tx, id, task.category, Some(position), &user)
    }

    /// Deletes a task with its criteria, tests, dependencies, messages and jobs. Its pull requests lose the link.
    pub mutation DeleteTask in "tasks:delete" {
        id: Id<Task>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> = delete;
}

fn create(tx: &mut WriteTx, arguments: &CreateTask) -> Result<Id<Task>> {
    let CreateTask { project_id, title, description, category, priority, assignee, branch, user } = arguments.clone();
    not_empty("title", &title)?;
    tx.existing(project_id)?;
    let position = column_len(tx, project_id, category)?;
    let [assignee, branch] = [assignee, branch].map(|text| text.filter(|text| !text.is_empty()));
    let task = Task { project_id, title, description, category, priority, assignee, branch, position };
    let title = task.title.clone();
    let id = tx.insert(task)?;
    record(tx, Subject::Task(id), "task.created", &user, Some(title))?;
    super::pull_requests::link_waiting(tx, id)?;
    Ok(id)
}

fn update(tx: &mut WriteTx, arguments: &UpdateTask) -> Result<()> {
    let UpdateTask { id, title, description, priority, assignee, branch, user } = arguments.clone();
    if let Some(title) = &title {
        not_empty("title", title)?;
    }
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let has_new_branch = branch.is_some();
    tx.patch(id, |task| {
        task.title = title.unwrap_or_else(|| task.title.clone());
        task.description = description.unwrap_or_else(|| task.description.clone());
        task.priority = priority.unwrap_or(task.priority);
        task.assignee = assignee.map_or_else(|| task.assignee.clone(), some);
        task.branch = branch.map_or_else(|| task.branch.clone(), some);
    })?;
    record(tx, Subject::Task(id), "task.updated", &user, None)?;
    if has_new_branch { super::pull_requests::link_waiting(tx, id) } else { Ok(()) }
}

/// Puts a task into a column at a place, and keeps both columns without gaps. Costs as many rows as move up or down.
pub(super) fn place(
    tx: &mut WriteTx,
    id: Id<Task>,
    category: Category,
    position: Option<u32>,
    user: &str,
) -> Result<()> {
    let task = tx.existing(id)?;
    let is_same_column = task.category == category;
    let len = column_len(tx, task.project_id, category)? - u32::from(is_same_column);
    let position = position.unwrap_or(len).min(len);
    if is_same_column && position == task.position {
        return Ok(());
    }
    close_gap(tx, &task)?;
    shift(tx, task.project_id, category, position, id, 1)?;
    tx.patch(id, |task| (task.category, task.position) = (category, position))?;
    if is_same_column {
        return record(tx, Subject::Task(id), "task.reordered", user, Some(format!("to place {position}")));
    }
    record(tx, Subject::Task(id), "task.moved", user, Some(format!("{} → {category}", task.category)))
}

fn delete(tx: &mut WriteTx, arguments: &DeleteTask) -> Result<()> {
    let task = tx.existing(arguments.id)?;
    close_gap(tx, &task)?;
    tx.delete(task.id())?;
    let details = Some(format!("{}: {}", task.id(), task.title));
    record(tx, Subject::Project(task.project_id), "task.deleted", &arguments.user, details)
}

/// Moves up what stands below a task that leaves its place.
fn close_gap(tx: &mut WriteTx, task: &Doc<Task>) -> Result<()> {
    shift(tx, task.project_id, task.category, task.position + 1, task.id(), -1)
}

/// Moves all tasks of a column from a place on, but for one, by one place.
fn shift(
    tx: &mut WriteTx,
    project: Id<Project>,
    category: Category,
    from: u32,
    without: Id<Task>,
    by: i32,
) -> Result<()> {
    let below = tx.query(Task::by_project_and_category).eq((project, category)).range(from..).collect()?;
    for task in below.iter().filter(|task| task.id() != without) {
        tx.patch(task.id(), |task| task.position = task.position.saturating_add_signed(by))?;
    }
    Ok(())
}

fn column_len(tx: &ReadTx, project: Id<Project>, category: Category) -> Result<u32> {
    let last = tx.query(Task::by_project_and_category).eq((project, category)).descending().first()?;
    Ok(last.map_or(0, |task| task.position + 1))
}
