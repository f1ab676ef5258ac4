//! How the story must end, whoever was faster on the way.

use tropism::agent_manager::{
    AgentJobStatus, ChatAuthor, ChatStatus, IssueStatus, PullRequestBoard, PullRequestState, Review, ServerStatus,
    WebhookStatus,
};

use crate::{
    person::{JOBS, PULL_REQUESTS},
    plan::TASKS,
    servers::SAMPLES,
    view::View,
};

/// What is not as it must be.
pub fn differences(view: &View) -> Vec<String> {
    let mut differences = Vec::new();
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            differences.push(format!("it should be that {what}"));
        }
    };
    for (title, category) in TASKS {
        let columns = view.board.iter().flat_map(|board| &board.columns);
        let mut tasks = columns.filter(|column| column.category == category).flat_map(|column| &column.tasks);
        expect(tasks.any(|task| task.title == title), &format!("{title:?} is in {category}"));
    }
    let succeeded = view.jobs.iter().filter(|(job, _)| job.status == AgentJobStatus::Succeeded && job.progress == 100);
    expect(view.jobs.len() == JOBS && succeeded.count() == JOBS, &format!("all of {JOBS} jobs succeeded"));
    expect(view.pull_requests.len() == PULL_REQUESTS, &format!("there are {PULL_REQUESTS} pull requests"));
    for board in view.pull_requests.iter() {
        expect(is_landed(board), &format!("all is well with pull request #{}", board.pull_request.number));
    }
    // One was reviewed twice, and what was found in it stays on record.
    let found = view.pull_requests.iter().filter(|board| board.issues.len() == 1 && board.comments.len() == 1);
    expect(found.count() == 1, "one pull request was found wanting");
    let authors: Vec<_> = view.chat.iter().map(|message| message.author).collect();
    let expected = [ChatAuthor::User, ChatAuthor::Ai, ChatAuthor::User, ChatAuthor::Ai, ChatAuthor::System];
    let is_answered = view.chat.iter().all(|message| message.status == ChatStatus::Complete);
    expect(authors == expected && is_answered, "both questions are answered, and a note follows");
    let others = view.webhooks.iter().filter(|row| row.status != WebhookStatus::Processed && row.count > 0);
    expect(others.count() == 0, "every webhook was processed");
    for board in view.servers.iter().flat_map(|board| board.iter()) {
        let samples: usize = board.last_hour.iter().map(|point| point.samples).sum();
        let is_heard = board.server.status == ServerStatus::Online && samples == SAMPLES as usize;
        expect(is_heard, &format!("{} is online and has reported an hour", board.server.name));
    }
    differences
}

/// Taken in with everybody's blessing, and nothing left open.
fn is_landed(board: &PullRequestBoard) -> bool {
    let PullRequestBoard { pull_request, task, comments, issues, checks } = board;
    task.is_some()
        && pull_request.state == PullRequestState::Merged
        && pull_request.review == Review::Approved
        && comments.iter().all(|comment| comment.resolved)
        && issues.iter().all(|issue| issue.status == IssueStatus::Fixed)
        && !checks.is_empty()
        && checks.iter().all(|check| check.conclusion.as_deref() == Some("success"))
}
