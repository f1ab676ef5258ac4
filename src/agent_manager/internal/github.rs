//! GitHub's webhook payloads as typed events.
//!
//! [`parse`] takes the value of the `X-GitHub-Event` header and the body. Every field but the ones needed is optional,
//! because the payloads of older hosts lack what newer ones have. All times are milliseconds since the epoch, for
//! deliveries arrive in any order and repeatedly: each event says how to tell the newer of two.

mod check;
mod fields;
mod pull_request;
mod push;
mod repository;
#[cfg(test)]
mod tests;
mod timestamp;

pub use self::check::{CheckEvent, CheckStatus};
pub use self::fields::{PayloadError, RepositoryName};
pub use self::pull_request::{
    Before, Comment, CommentAction, IssueCommentEvent, PullRequest, PullRequestEvent, PullRequestOutline,
    ReviewCommentEvent, ReviewEvent, ReviewState, ReviewThreadEvent,
};
pub use self::push::PushEvent;
pub use self::repository::RepositoryEvent;

use self::fields::Object;
use serde_json::Value;

/// One webhook delivery of GitHub, as far as it concerns pull requests, their checks and pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GithubEvent {
    /// GitHub tries out the webhook.
    Ping,
    /// Something happened to a pull request.
    PullRequest(PullRequestEvent),
    /// A review was submitted, edited or dismissed.
    Review(ReviewEvent),
    /// A comment on the changes of a pull request.
    ReviewComment(ReviewCommentEvent),
    /// A thread of review comments was resolved or taken up again.
    ReviewThread(ReviewThreadEvent),
    /// A comment in the conversation of a pull request.
    IssueComment(IssueCommentEvent),
    /// One check of an app.
    CheckRun(CheckEvent),
    /// All checks of one app over one commit.
    CheckSuite(CheckEvent),
    /// A commit status.
    Status(CheckEvent),
    /// One run of a workflow.
    WorkflowRun(CheckEvent),
    /// One job of a run of a workflow.
    WorkflowJob(CheckEvent),
    /// A branch or tag was moved.
    Push(PushEvent),
    /// A repository was renamed or transferred.
    Repository(RepositoryEvent),
    /// Nothing that any handler knows.
    Ignored {
        /// Why it concerns nobody.
        reason: String,
    },
}

impl GithubEvent {
    fn unknown_action(event_type: &str, action: &str) -> Self {
        let action: String = action.chars().take(LONGEST_QUOTE).collect();
        Self::Ignored { reason: format!("no handler for the action {action:?} of {event_type}") }
    }
}

/// The sender chose these texts, so a reason must not repeat them at any length.
const LONGEST_QUOTE: usize = 60;

/// Reads a payload as the event that its `X-GitHub-Event` header names.
///
/// An event or action that no handler knows is [`GithubEvent::Ignored`], not an error.
pub fn parse(event_type: &str, payload: &Value) -> Result<GithubEvent, PayloadError> {
    let root = || Object::root(payload);
    match event_type {
        "ping" => Ok(GithubEvent::Ping),
        "pull_request" => pull_request::pull_request_event(&root()?),
        "pull_request_review" => pull_request::review_event(&root()?),
        "pull_request_review_comment" => pull_request::review_comment_event(&root()?),
        "pull_request_review_thread" => pull_request::review_thread_event(&root()?),
        "issue_comment" => pull_request::issue_comment_event(&root()?),
        "check_run" => check::check_run(&root()?).map(GithubEvent::CheckRun),
        "check_suite" => check::check_suite(&root()?).map(GithubEvent::CheckSuite),
        "status" => check::status(&root()?).map(GithubEvent::Status),
        "workflow_run" => check::workflow_run(&root()?).map(GithubEvent::WorkflowRun),
        "workflow_job" => check::workflow_job(&root()?).map(GithubEvent::WorkflowJob),
        "push" => push::push_event(&root()?).map(GithubEvent::Push),
        "repository" if payload.is_object() => repository::repository_event(&root()?),
        other => Ok(GithubEvent::Ignored { reason: no_handler(other) }),
    }
}

/// The events that [`parse`] reads, by the value of the `X-GitHub-Event` header.
const HANDLED: [&str; 13] = [
    "ping",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "issue_comment",
    "check_run",
    "check_suite",
    "status",
    "workflow_run",
    "workflow_job",
    "push",
    "repository",
];

/// Whether there is a handler for events of this type.
pub fn is_handled(event_type: &str) -> bool {
    HANDLED.contains(&event_type)
}

/// Says that there is no handler for events of this type.
pub fn no_handler(event_type: &str) -> String {
    let event_type: String = event_type.chars().take(LONGEST_QUOTE).collect();
    format!("no handler for the event {event_type:?}")
}
