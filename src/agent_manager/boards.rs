//! What a screen shows, as one query each.

use std::time::Duration;

use super::{
    enums::*,
    error::{AgentError, Result},
    internal::history::before,
    lists::LISTED,
    pull_requests::is_shown,
    schema::*,
    servers::{MetricsPoint, chart},
};
use crate::{Error, prelude::*};

schema! {
    /// A project with its tasks, column by column.
    pub struct ProjectBoard {
        /// The project.
        project: Doc<Project>,
        /// Every column, from backlog to done.
        columns: Vec<Column>,
    }

    /// A column of a board.
    pub struct Column {
        /// Which.
        category: Category,
        /// How many tasks it has.
        count: usize,
        /// They, in their order; the first 1,000 of them.
        tasks: Vec<Doc<Task>>,
    }

    /// A pull request with what belongs to it, at most 1,000 of each.
    pub struct PullRequestBoard {
        /// The pull request.
        pull_request: Doc<PullRequest>,
        /// The task that it is for.
        task: Option<Doc<Task>>,
        /// What was said of it.
        comments: Vec<Doc<PrComment>>,
        /// What was found in it.
        issues: Vec<Doc<PrIssue>>,
        /// The checks of its newest commit.
        checks: Vec<Doc<PrCheck>>,
    }

    /// A server with its containers and its last hour.
    pub struct ServerBoard {
        /// The server.
        server: Doc<Server>,
        /// What runs on it; the first 1,000.
        containers: Vec<Doc<Container>>,
        /// What it reported last.
        latest: Option<Doc<ServerMetrics>>,
        /// The hour up to that, minute by minute.
        last_hour: Vec<MetricsPoint>,
    }
}

functions! {
    /// The boards.
    pub module BoardFunctions;

    /// A project's board, or nothing if there is no such project.
    pub query ShowProjectBoard in "boards:project" { project_id: Id<Project> } -> Option<ProjectBoard> |tx| {
        let Some(project) = tx.get(project_id)? else { return Ok(None) };
        let column = |category: &Category| {
            let column = || tx.query(Task::by_project_and_category).eq((project_id, *category));
            let tasks = column().take(LISTED).collect()?;
            let count = if tasks.len() < LISTED { tasks.len() } else { column().count()? };
            Ok::<_, Error>(Column { category: *category, count, tasks })
        };
        let columns = Category::ALL.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Some(ProjectBoard { project, columns }))
    }

    /// A pull request's board, or nothing if there is no such pull request.
    pub query ShowPullRequestBoard in "boards:pullRequest" {
        pull_request_id: Id<PullRequest>,
    } -> Option<PullRequestBoard> |tx| {
        let Some(pull_request) = tx.get(pull_request_id)? else { return Ok(None) };
        let comments = tx.query(PrComment::by_pull_request).eq(pull_request_id);
        Ok(Some(PullRequestBoard {
            task: pull_request.task_id.map(|task| tx.get(task)).transpose()?.flatten(),
            comments: comments.filter(|comment| is_shown(comment)).take(LISTED).collect()?,
            issues: tx.query(PrIssue::by_pull_request).eq(pull_request_id).take(LISTED).collect()?,
            checks: tx.query(PrCheck::by_pull_request).eq(Some(pull_request_id)).take(LISTED).collect()?,
            pull_request,
        }))
    }

    /// A server's board, or nothing if there is no such server. Its hour ends with its last report, for a query does
    /// not see the time.
    pub query ShowServerBoard in "boards:server" {
        server_id: Id<Server>,
    } -> Result<Option<ServerBoard>, AgentError> |tx| {
        let Some(server) = tx.get(server_id)? else { return Ok(None) };
        let latest = tx.query(ServerMetrics::by_server_and_time).eq(server_id).descending().first()?;
        let last_hour = match &latest {
            Some(latest) => {
                let until = Timestamp::from_millis(latest.recorded_at.as_millis().saturating_add(1));
                chart(tx, server_id, before(until, HOUR), until, 60)?
            }
            None => Vec::new(),
        };
        let containers = tx.query(Container::by_server).eq(server_id).take(LISTED).collect()?;
        Ok(Some(ServerBoard { server, containers, latest, last_hour }))
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
