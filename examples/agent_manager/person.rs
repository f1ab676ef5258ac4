//! The person: asks, hands out jobs, takes in what the reviewer approves.

use tropism::{
    agent_manager::{
        AgentJobStatus, Category, ChatAuthor, ChatStatus, CreateAgentJob, LISTED, ListProjectMessages, ListReadyTasks,
        MoveTask, PostMessage, PullRequestBoard, PullRequestState, Review, SendMessage,
    },
    prelude::*,
};

use crate::{
    Failure, agents,
    github::Github,
    pace::{Pace, wait_until},
    plan::{PERSON, Plan},
    queries::{ShowJobs, ShowPullRequests},
};

/// Pull requests that the story has; each is for one task.
pub const PULL_REQUESTS: usize = 2;
/// Jobs that the story has: two to implement, a review of each, one to mend and a second review.
pub const JOBS: usize = 6;

/// Does the person's part of the story; it is told when all jobs have ended.
pub fn tell(db: &Db, plan: &Plan, github: &Github, pace: &Pace) -> Result<(), Failure> {
    pace.pause(600);
    ask(db, plan, "What should we begin with?")?;
    for task_id in [plan.guidance, plan.telemetry] {
        db.mutate(CreateAgentJob { task_id, kind: agents::IMPLEMENT.to_owned(), user: PERSON.to_owned() })?;
    }
    merge(db, plan, github, pace)?;
    ask(db, plan, "How far are we?")?;
    for _ in 1..PULL_REQUESTS {
        merge(db, plan, github, pace)?;
    }
    begin_what_waited(db, plan)?;
    let jobs = db.subscribe(ShowJobs { project_id: plan.project })?;
    wait_until(&jobs, "the end of all jobs", |jobs| {
        jobs.iter().filter(|(job, _)| job.status == AgentJobStatus::Succeeded).count() == JOBS
    })?;
    Ok(())
}

/// Asks a question about the project and waits for the answer.
fn ask(db: &Db, plan: &Plan, text: &str) -> Result<(), Failure> {
    let answer = db.mutate(SendMessage { project_id: Some(plan.project), task_id: None, text: text.to_owned() })?;
    let chat = db.subscribe(ListProjectMessages { project_id: plan.project, limit: LISTED })?;
    wait_until(&chat, "an answer", |messages| {
        messages.iter().any(|message| message.id() == answer && message.status != ChatStatus::Pending)
    })?;
    Ok(())
}

/// Takes in the next pull request that may be, and waits until that is known here.
fn merge(db: &Db, plan: &Plan, github: &Github, pace: &Pace) -> Result<(), Failure> {
    let boards = db.subscribe(ShowPullRequests { project_id: plan.project })?;
    let is_ready = |board: &PullRequestBoard| {
        let PullRequestBoard { pull_request, checks, .. } = board;
        let is_checked =
            !checks.is_empty() && checks.iter().all(|check| check.conclusion.as_deref() == Some("success"));
        pull_request.state == PullRequestState::Open && pull_request.review == Review::Approved && is_checked
    };
    let approved = wait_until(&boards, "an approval", |boards| boards.iter().any(is_ready))?;
    pace.pause(500);
    let Some(board) = approved.iter().find(|board| is_ready(board)) else { return Ok(()) };
    let number = board.pull_request.number;
    github.merge(number)?;
    wait_until(&boards, "a merge", |boards| {
        let of_number = boards.iter().filter(|board| board.pull_request.number == number);
        of_number.into_iter().any(|board| board.pull_request.state == PullRequestState::Merged)
    })?;
    Ok(())
}

/// Plans the task that waited for another, once it need not wait any more.
fn begin_what_waited(db: &Db, plan: &Plan) -> Result<(), Failure> {
    let ready = db.subscribe(ListReadyTasks { project_id: plan.project, limit: LISTED })?;
    let tasks = wait_until(&ready, "the task that waits", |tasks| tasks.iter().any(|task| task.id() == plan.radar))?;
    let title = tasks.iter().find(|task| task.id() == plan.radar).map_or("", |task| &task.title);
    let text = format!("{title:?} can begin: what it waited for is done.");
    let (id, category, user) = (plan.radar, Category::Todo, PERSON.to_owned());
    db.mutate(MoveTask { id, category, position: None, user })?;
    let project_id = Some(plan.project);
    db.mutate(PostMessage { project_id, task_id: None, text, author: ChatAuthor::System })?;
    Ok(())
}
