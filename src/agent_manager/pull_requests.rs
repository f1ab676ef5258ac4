//! Pull requests, with what was said of them, found in them and checked.

use super::{
    enums::*,
    error::{AgentError, Result, not_empty},
    internal::{
        history::{Subject, record},
        pull_request_events::{GITHUB, set_link},
        repositories,
    },
    lists::{LISTED, bounded},
    schema::*,
    tasks,
};
use crate::prelude::*;

functions! {
    /// The functions of pull requests.
    pub module PullRequestFunctions;

    /// One pull request, or nothing.
    pub query GetPullRequest in "pullRequests:get" { id: Id<PullRequest> } -> Option<Doc<PullRequest>> |tx| {
        tx.get(id)
    }

    /// The one of a repository with this number, or nothing.
    pub query FindPullRequest in "pullRequests:find" {
        /// As `owner/name`, in any case; also a name that it had before.
        repository: String,
        number: u64,
    } -> Option<Doc<PullRequest>> |tx| {
        repositories::find_pull_request(tx, &repository, number)
    }

    /// Those for a task.
    pub query ListPullRequests in "pullRequests:listByTask" {
        task_id: Id<Task>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<PullRequest>> |tx| {
        tx.query(PullRequest::by_task).eq(Some(task_id)).take(bounded(limit)).collect()
    }

    /// Those that stand alike.
    pub query ListPullRequestsByState in "pullRequests:listByState" {
        state: PullRequestState,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<PullRequest>> |tx| {
        tx.query(PullRequest::by_state).eq(state).take(bounded(limit)).collect()
    }

    /// What was said of one, but for what was taken back.
    pub query ListPrComments in "prComments:list" {
        pull_request_id: Id<PullRequest>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<PrComment>> |tx| {
        let said = tx.query(PrComment::by_pull_request).eq(pull_request_id);
        said.filter(|comment| is_shown(comment)).take(bounded(limit)).collect()
    }

    /// What was found in one; as bad as asked for, if that is asked for.
    pub query ListPrIssues in "prIssues:list" {
        pull_request_id: Id<PullRequest>,
        severity: Option<Severity>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<PrIssue>> |tx| {
        let (limit, alike) = (bounded(limit), tx.query(PrIssue::by_pull_request_and_severity));
        match severity {
            Some(severity) => alike.eq((pull_request_id, severity)).take(limit).collect(),
            None => tx.query(PrIssue::by_pull_request).eq(pull_request_id).take(limit).collect(),
        }
    }

    /// The checks of the newest commit of one, by name.
    pub query ListPrChecks in "prChecks:list" {
        pull_request_id: Id<PullRequest>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<PrCheck>> |tx| {
        tx.query(PrCheck::by_pull_request).eq(Some(pull_request_id)).take(bounded(limit)).collect()
    }

    /// Says which task one is for, and moves that task where the pull request stands.
    pub mutation LinkPullRequest in "pullRequests:link" {
        id: Id<PullRequest>,
        /// None for no task.
        task_id: Option<Id<Task>>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        task_id.map(|task| tx.existing(task)).transpose()?;
        let mut before = None;
        tx.patch(id, |row: &mut PullRequest| before = std::mem::replace(&mut row.task_id, task_id))?;
        if let Some(before) = before.filter(|before| task_id != Some(*before)) {
            record(tx, Subject::Task(before), "pull_request.unlinked", &user, Some(id.to_string()))?;
        }
        let Some(task) = task_id else { return Ok(()) };
        record(tx, Subject::Task(task), "pull_request.linked", &user, Some(id.to_string()))?;
        move_task(tx, id, &user)
    }

    /// Deletes one with its comments and issues.
    pub mutation DeletePullRequest in "pullRequests:delete" {
        id: Id<PullRequest>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        let pull_request = tx.get(id)?;
        tx.delete(id)?;
        let Some(row) = pull_request else { return Ok(()) };
        let details = Some(format!("{}#{}: {}", row.repository, row.number, row.title));
        record(tx, row.task_id.map_or(Subject::None, Subject::Task), "pull_request.deleted", &user, details)
    }

    /// Says whether what was said is settled.
    pub mutation ResolvePrComment in "prComments:resolve" {
        id: Id<PrComment>,
        resolved: bool = true,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        tx.patch(id, |comment: &mut PrComment| comment.resolved = resolved)?;
        let pull_request = tx.get(id)?.map(|comment| comment.pull_request_id);
        let action = if resolved { "comment.resolved" } else { "comment.reopened" };
        let subject = pull_request.map_or(Ok(Subject::None), |id| subject_of(tx, id))?;
        record(tx, subject, action, &user, Some(id.to_string()))
    }

    /// Adds what an agent found.
    pub mutation CreatePrIssue in "prIssues:create" {
        pull_request_id: Id<PullRequest>,
        severity: Severity,
        message: String,
        path: Option<String>,
        line: Option<u64>,
        user: String = "system".to_owned(),
    } -> Result<Id<PrIssue>, AgentError> |tx| {
        not_empty("message", &message)?;
        let task = tx.existing(pull_request_id)?.task_id;
        let details = format!("{severity}: {message}");
        let id = tx.insert(PrIssue { pull_request_id, severity, message, path, line, status: IssueStatus::Open })?;
        record(tx, task.map_or(Subject::None, Subject::Task), "issue.found", &user, Some(details))?;
        Ok(id)
    }

    /// Says what became of one.
    pub mutation UpdatePrIssue in "prIssues:update" {
        id: Id<PrIssue>,
        status: IssueStatus,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        tx.patch(id, |issue: &mut PrIssue| issue.status = status)?;
        let issue = tx.get(id)?;
        let pull_request = issue.map(|issue| tx.get(issue.pull_request_id)).transpose()?.flatten();
        let task = pull_request.and_then(|row| row.task_id);
        let details = Some(format!("{id}: {status}"));
        record(tx, task.map_or(Subject::None, Subject::Task), "issue.updated", &user, details)
    }

    /// Deletes one.
    pub mutation DeletePrIssue in "prIssues:delete" {
        id: Id<PrIssue>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        let issue = tx.get(id)?;
        tx.delete(id)?;
        let Some(issue) = issue else { return Ok(()) };
        let details = Some(format!("{}: {}", issue.severity, issue.message));
        let subject = subject_of(tx, issue.pull_request_id)?;
        record(tx, subject, "issue.deleted", &user, details)
    }
}

/// The task of a pull request, if it has one, as what something was done to.
fn subject_of(tx: &ReadTx, id: Id<PullRequest>) -> Result<Subject> {
    Ok(tx.get(id)?.and_then(|row| row.task_id).map_or(Subject::None, Subject::Task))
}

/// Whether there is something to show: neither taken back nor still awaited.
pub(super) fn is_shown(comment: &PrComment) -> bool {
    !comment.deleted && !comment.reported.is_empty()
}

/// The column in which a task belongs whose pull request stands so.
fn column_of(state: PullRequestState) -> Category {
    match state {
        PullRequestState::Open => Category::Review,
        PullRequestState::Merged => Category::Done,
        PullRequestState::Draft | PullRequestState::Closed => Category::InProgress,
    }
}

/// Moves the task of a pull request where that stands.
pub(super) fn move_task(tx: &mut WriteTx, id: Id<PullRequest>, user: &str) -> Result<()> {
    let Some(pull_request) = tx.get(id)? else { return Ok(()) };
    let Some(task) = pull_request.task_id.map(|task| tx.get(task)).transpose()?.flatten() else { return Ok(()) };
    let column = column_of(pull_request.state);
    if task.category == column { Ok(()) } else { tasks::place(tx, task.id(), column, None, user) }
}

/// The tasks on a branch, in projects of the repository whose rows bear this name.
pub(super) fn tasks_on_branch(tx: &ReadTx, repository: &str, branch: &str) -> Result<Vec<Id<Task>>> {
    let mut found = Vec::new();
    for task in tx.query(Task::by_branch).eq(Some(branch.to_owned())).iter()? {
        let task = task?;
        let project = tx.get(task.project_id)?;
        let named = project.as_ref().and_then(|project| project.repository.as_deref());
        if named.is_some_and(|named| repositories::is_same(named, repository)) {
            found.push(task.id());
        }
    }
    Ok(found)
}

/// Gives a task that has a branch the pull requests that were there before it.
pub(super) fn link_waiting(tx: &mut WriteTx, id: Id<Task>) -> Result<()> {
    let task = tx.existing(id)?;
    let repository = tx.get(task.project_id)?.and_then(|project| project.repository.clone());
    let (Some(branch), Some(repository)) = (&task.branch, repository) else { return Ok(()) };
    for pull_request in tx.query(PullRequest::by_head_branch).eq(branch.as_str()).collect()? {
        if pull_request.task_id.is_none() && repositories::is_same(&repository, &pull_request.repository) {
            set_link(tx, pull_request.id(), id)?;
            move_task(tx, pull_request.id(), GITHUB)?;
        }
    }
    Ok(())
}

/// The same for all tasks of a project.
pub(super) fn link_project(tx: &mut WriteTx, id: Id<Project>) -> Result<()> {
    for task in tx.query(Task::by_project).eq(id).filter(|task| task.branch.is_some()).collect()? {
        link_waiting(tx, task.id())?;
    }
    Ok(())
}
