//! The agents: one implements, one reviews. Each looks for jobs of its kind, and finds them as soon as they are there.

use crossbeam_channel::select;
use tropism::{
    agent_manager::{
        AgentJob, AgentJobStatus, Category, CheckStatus, ClaimAgentJob, CreateAgentJob, CreatePrIssue, FailAgentJob,
        GetAgentJob, IssueStatus, LISTED, ListAgentJobsByStatus, ListPullRequests, MoveTask, PullRequest,
        PullRequestBoard, ReportProgress, Severity, ShowPullRequestBoard, SucceedAgentJob, Task, UpdatePrIssue,
    },
    prelude::*,
};

use crate::{
    Failure,
    github::{Github, ReviewState},
    pace::{Pace, wait_until},
};

/// The kind of job that the first agent does.
pub const IMPLEMENT: &str = "implement";
/// The kind of job that the second agent does.
pub const REVIEW: &str = "review";

/// A pull request that adds more lines than this gets a closer look.
const LARGE: u64 = 200;

/// Somebody who does jobs.
#[derive(Clone, Copy)]
pub struct Agent<'a> {
    pub name: &'static str,
    pub db: &'a Db,
    pub github: &'a Github<'a>,
    pub pace: &'a Pace,
}

impl Agent<'_> {
    /// Does jobs of one kind until the story has ended.
    pub fn run(
        &self,
        kind: &str,
        work: impl Fn(&Self, Id<AgentJob>, &Doc<Task>) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let waiting = self.db.subscribe(ListAgentJobsByStatus { status: AgentJobStatus::Queued, limit: LISTED })?;
        loop {
            select! {
                recv(self.pace.ended()) -> _ => return Ok(()),
                recv(waiting.receiver()) -> jobs => drop(jobs?.map_err(|error| error.to_string())?),
            }
            // What has arrived says only that it is worth looking; the claim says whose it is.
            while let Some(id) = self.db.mutate(ClaimAgentJob { kind: Some(kind.to_owned()), user: self.user() })? {
                let job = self.db.query(GetAgentJob { id })?;
                let Some(task_id) = job.as_ref().as_ref().map(|job| job.task_id) else { continue };
                let Some(task) = self.db.read(|tx| tx.get(task_id))? else { continue };
                match work(self, id, &task) {
                    Ok(result) => self.db.mutate(SucceedAgentJob { id, result: Some(result), user: self.user() })?,
                    Err(error) => {
                        self.db.mutate(FailAgentJob { id, error: error.to_string(), user: self.user() })?;
                        return Err(error);
                    }
                }
            }
        }
    }

    fn user(&self) -> String {
        self.name.to_owned()
    }

    /// Works for a while, and says how far it has come.
    fn toil(&self, job: Id<AgentJob>) -> Result<(), Failure> {
        for progress in [15, 30, 45, 60, 75, 90] {
            self.pace.pause(220);
            self.db.mutate(ReportProgress { id: job, progress })?;
        }
        Ok(())
    }

    fn hand_on(&self, task: Id<Task>, kind: &str) -> Result<(), Failure> {
        self.db.mutate(CreateAgentJob { task_id: task, kind: kind.to_owned(), user: self.user() })?;
        Ok(())
    }

    /// Waits until it is known here how the checks of a pull request's newest commit have ended.
    fn wait_for_checks(&self, id: Id<PullRequest>, commit: &str) -> Result<(), Failure> {
        let board = self.db.subscribe(ShowPullRequestBoard { pull_request_id: id })?;
        wait_until(&board, "the checks", |board: &Option<PullRequestBoard>| {
            board.as_ref().is_some_and(|board| {
                let mut checks = board.checks.iter();
                board.pull_request.head_sha == commit && checks.any(|check| check.status == CheckStatus::Completed)
            })
        })?;
        Ok(())
    }

    /// Has the checks of a pull request run.
    fn check(&self, number: u64) -> Result<(), Failure> {
        self.github.check(number, None)?;
        self.pace.pause(500);
        self.github.check(number, Some("success"))
    }
}

/// Opens a pull request for a task, or mends the one that there is; then somebody shall review it.
pub fn implement(agent: &Agent<'_>, job: Id<AgentJob>, task: &Doc<Task>) -> Result<String, Failure> {
    let pull_requests = agent.db.subscribe(ListPullRequests { task_id: task.id(), limit: LISTED })?;
    let before = pull_requests.current().map_err(|error| error.to_string())?.first().cloned();
    if before.is_none() {
        let (id, category) = (task.id(), Category::InProgress);
        agent.db.mutate(MoveTask { id, category, position: None, user: agent.user() })?;
    }
    agent.toil(job)?;
    let (commit, result) = match &before {
        None => {
            let branch = task.branch.as_deref().ok_or("the task has no branch to work on")?;
            let (number, commit) = agent.github.open(branch, &task.title, agent.name)?;
            (commit, format!("opened #{number}"))
        }
        Some(pull_request) => {
            mend(agent, pull_request)?;
            (agent.github.push(pull_request.number)?, format!("mended #{}", pull_request.number))
        }
    };
    // It comes back by webhook, is linked to the task by its branch, and moves it.
    let arrived = wait_until(&pull_requests, "the pull request", |rows| rows.iter().any(|row| row.head_sha == commit))?;
    let pull_request = arrived.first().ok_or("the pull request is gone")?;
    agent.check(pull_request.number)?;
    agent.wait_for_checks(pull_request.id(), &commit)?;
    agent.hand_on(task.id(), REVIEW)?;
    Ok(result)
}

/// Settles what the reviewer has found.
fn mend(agent: &Agent<'_>, pull_request: &Doc<PullRequest>) -> Result<(), Failure> {
    let board = agent.db.query(ShowPullRequestBoard { pull_request_id: pull_request.id() })?;
    for issue in board.iter().flat_map(|board| &board.issues) {
        agent.db.mutate(UpdatePrIssue { id: issue.id(), status: IssueStatus::Fixed, user: agent.user() })?;
    }
    agent.github.resolve(pull_request.number)
}

/// Reads a pull request: approves it, or says what is wrong and has that mended.
pub fn review(agent: &Agent<'_>, job: Id<AgentJob>, task: &Doc<Task>) -> Result<String, Failure> {
    let pull_requests = agent.db.query(ListPullRequests { task_id: task.id(), limit: LISTED })?;
    let pull_request = pull_requests.first().ok_or("there is nothing to review")?;
    let (id, number) = (pull_request.id(), pull_request.number);
    agent.toil(job)?;
    let board = agent.db.query(ShowPullRequestBoard { pull_request_id: id })?;
    let is_looked_at = board.iter().any(|board| !board.issues.is_empty());
    if pull_request.additions <= LARGE || is_looked_at {
        agent.github.review(number, agent.name, ReviewState::Approved)?;
        return Ok(format!("approved #{number}"));
    }
    let (path, line) = ("src/executive.rs", 42);
    agent.github.comment(number, agent.name, "What if the radar is left on?", path, line)?;
    agent.db.mutate(CreatePrIssue {
        pull_request_id: id,
        severity: Severity::Warning,
        message: "No test leaves the radar on".to_owned(),
        path: Some(path.to_owned()),
        line: Some(line),
        user: agent.user(),
    })?;
    agent.github.review(number, agent.name, ReviewState::ChangesRequested)?;
    agent.hand_on(task.id(), IMPLEMENT)?;
    Ok(format!("#{number} needs work"))
}
