//! Queries of the host's own over the module's tables: what the screen wants and no function of the module answers.

use tropism::{
    agent_manager::{AgentJob, Project, PullRequest, PullRequestBoard, ShowPullRequestBoard, Task},
    prelude::*,
};

/// A job, and the title of the task that it is for.
pub type JobWithTitle = (Doc<AgentJob>, String);

functions! {
    /// The host's own functions.
    pub module OwnFunctions;

    /// The jobs of all tasks of a project, oldest first.
    pub query ShowJobs in "example:jobs" { project_id: Id<Project> } -> Vec<JobWithTitle> |tx| {
        let mut jobs = Vec::new();
        for task in tx.query(Task::by_project).eq(project_id).collect()? {
            let of_task = tx.query(AgentJob::by_task).eq(task.id()).collect()?;
            jobs.extend(of_task.into_iter().map(|job| (job, task.title.clone())));
        }
        jobs.sort_by_key(|(job, _)| job.id());
        Ok(jobs)
    }

    /// The boards of all pull requests for tasks of a project. A query may run others, and then depends on what they read.
    pub query ShowPullRequests in "example:pullRequests" { project_id: Id<Project> } -> Vec<PullRequestBoard> |tx| {
        let mut boards = Vec::new();
        for task in tx.query(Task::by_project).eq(project_id).collect()? {
            for pull_request in tx.query(PullRequest::by_task).eq(Some(task.id())).collect()? {
                boards.extend(tx.run_query(ShowPullRequestBoard { pull_request_id: pull_request.id() })?);
            }
        }
        boards.sort_by_key(|board: &PullRequestBoard| board.pull_request.number);
        Ok(boards)
    }
}
