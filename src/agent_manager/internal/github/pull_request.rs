//! Pull requests, their reviews, their comments and their review threads.

use super::GithubEvent;
use super::fields::{Object, PayloadError, RepositoryName};
use crate::agent_manager::enums::PullRequestState;

/// A pull request as a payload carries it. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The repository that it is to be merged into.
    pub repository: RepositoryName,
    /// Its number within the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its page.
    pub url: String,
    /// The login of its author, unless the account no longer exists.
    pub author: Option<String>,
    /// What the author wrote about it.
    pub body: Option<String>,
    /// Where it stands.
    pub state: PullRequestState,
    /// The branch that holds its commits.
    pub head_branch: String,
    /// The branch that it is to be merged into.
    pub base_branch: String,
    /// Its newest commit.
    pub head_sha: String,
    /// Lines added; only in payloads of `pull_request`.
    pub additions: Option<u64>,
    /// Lines deleted; only in payloads of `pull_request`.
    pub deletions: Option<u64>,
    /// Files changed; only in payloads of `pull_request`.
    pub changed_files: Option<u64>,
    /// When it was merged.
    pub merged_at: Option<i64>,
    /// When it last changed: of two payloads of one pull request, the one with the later time is the newer.
    pub updated_at: i64,
}

/// What the comment on a pull request tells about it: everything but its branches and commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestOutline {
    /// The repository that it is to be merged into.
    pub repository: RepositoryName,
    /// Its number within the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its page.
    pub url: String,
    /// The login of its author, unless the account no longer exists.
    pub author: Option<String>,
    /// What the author wrote about it.
    pub body: Option<String>,
    /// Where it stands.
    pub state: PullRequestState,
    /// When it was merged.
    pub merged_at: Option<i64>,
    /// When it last changed.
    pub updated_at: i64,
}

/// Something happened to a pull request (`pull_request`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestEvent {
    /// What happened, as GitHub calls it: `opened`, `synchronize`, `closed` and others.
    pub action: String,
    /// The pull request afterwards.
    pub pull_request: PullRequest,
    /// What the action says it was before: of a `synchronize`, its newest commit; of an `edited`, its title and the
    /// branch that it was for.
    pub before: Before,
}

/// What a pull request was before something happened to it, as far as that changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Before {
    /// Its newest commit.
    pub head_sha: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The branch that it was for.
    pub base_branch: Option<String>,
}

/// What a review says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReviewState {
    /// It approves.
    Approved,
    /// It asks for changes.
    ChangesRequested,
    /// It does neither.
    Commented,
    /// It no longer counts.
    Dismissed,
    /// What did not exist when this was written, as GitHub writes it.
    Other(String),
}

/// A review was submitted, edited or dismissed (`pull_request_review`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewEvent {
    /// The pull request reviewed.
    pub pull_request: PullRequest,
    /// The review's number, unique across repositories.
    pub review_id: u64,
    /// The login of the reviewer, unless the account no longer exists.
    pub author: Option<String>,
    /// What it says.
    pub state: ReviewState,
    /// What the reviewer wrote.
    pub body: Option<String>,
    /// When it was submitted; editing and dismissing leave this time as it was.
    pub submitted_at: i64,
    /// When it last changed, as far as the payload tells: the time of the review itself or of its pull request.
    ///
    /// Of two payloads of one review with the same time, a dismissal is the newer, for nothing follows it.
    pub updated_at: i64,
}

/// What happened to a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommentAction {
    /// It was written.
    Created,
    /// Its text was changed.
    Edited,
    /// It was removed. Nothing follows this, whatever the times say: the payload holds the time of the last edit.
    Deleted,
    /// Something that did not exist when this was written. The payload holds the comment as it stood.
    Other,
}

/// One comment of a pull request. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Unique across both kinds of comment: `review_comment:<number>` or `issue_comment:<number>`.
    pub source_id: String,
    /// The login of its author, unless the account no longer exists.
    pub author: Option<String>,
    /// Its text.
    pub body: String,
    /// The file that it is about, for a comment on the changes.
    pub path: Option<String>,
    /// The line that it is about; for an outdated comment, the line at the time of writing.
    pub line: Option<u64>,
    /// When it was written.
    pub created_at: i64,
    /// When its text last changed.
    pub updated_at: i64,
}

/// A comment on the changes of a pull request (`pull_request_review_comment`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewCommentEvent {
    /// What happened to it.
    pub action: CommentAction,
    /// The pull request commented on.
    pub pull_request: PullRequest,
    /// The comment.
    pub comment: Comment,
    /// What the comment said before it was edited.
    pub body_before: Option<String>,
}

/// A comment in the conversation of a pull request (`issue_comment`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueCommentEvent {
    /// What happened to it.
    pub action: CommentAction,
    /// The pull request commented on, as far as such a payload tells.
    pub pull_request: PullRequestOutline,
    /// The comment.
    pub comment: Comment,
    /// What the comment said before it was edited.
    pub body_before: Option<String>,
}

/// A thread of review comments was resolved or taken up again (`pull_request_review_thread`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewThreadEvent {
    /// The pull request that it belongs to.
    pub pull_request: PullRequest,
    /// GitHub's opaque identifier of the thread.
    pub thread_id: String,
    /// Whether it is resolved now.
    pub resolved: bool,
    /// The [`Comment::source_id`] of each of its comments, oldest first.
    pub comment_source_ids: Vec<String>,
    /// When this happened, as far as the payload tells: its own time, or else that of the pull request.
    pub updated_at: i64,
}

/// Reads a payload of `pull_request`.
pub(super) fn pull_request_event(root: &Object<'_>) -> Result<GithubEvent, PayloadError> {
    let action = root.text("action")?.to_owned();
    let at = |path: &[&str]| root.text_at(path).map(str::to_owned);
    let before = Before {
        head_sha: at(&["before"]).filter(|_| action == "synchronize"),
        title: at(&["changes", "title", "from"]),
        base_branch: at(&["changes", "base", "ref", "from"]),
    };
    Ok(GithubEvent::PullRequest(PullRequestEvent { action, pull_request: pull_request(root)?, before }))
}

/// Reads a payload of `pull_request_review`.
pub(super) fn review_event(root: &Object<'_>) -> Result<GithubEvent, PayloadError> {
    let action = root.text("action")?;
    let read = read_review(root);
    if ["submitted", "edited", "dismissed"].contains(&action) {
        return read;
    }
    // Whatever has happened to it, the payload holds the review as it stood.
    read.or_else(|_| Ok(GithubEvent::unknown_action("pull_request_review", action)))
}

fn read_review(root: &Object<'_>) -> Result<GithubEvent, PayloadError> {
    let pull_request = pull_request(root)?;
    let review = root.object("review")?;
    let written = review.text("state")?;
    let state = match written.to_ascii_lowercase().as_str() {
        "approved" => ReviewState::Approved,
        "changes_requested" => ReviewState::ChangesRequested,
        "commented" => ReviewState::Commented,
        "dismissed" => ReviewState::Dismissed,
        "pending" => return Ok(GithubEvent::Ignored { reason: "a review that is not submitted yet".to_owned() }),
        _ => ReviewState::Other(written.to_owned()),
    };
    let submitted_at = review.time("submitted_at")?;
    let updated_at = review.optional_time("updated_at")?.unwrap_or(pull_request.updated_at).max(submitted_at);
    Ok(GithubEvent::Review(ReviewEvent {
        review_id: review.number("id")?,
        author: review.login("user")?,
        state,
        body: review.owned_text("body")?,
        submitted_at,
        updated_at,
        pull_request,
    }))
}

/// Reads a payload of `pull_request_review_comment`.
pub(super) fn review_comment_event(root: &Object<'_>) -> Result<GithubEvent, PayloadError> {
    let written = root.text("action")?;
    let read = |action| {
        let pull_request = pull_request(root)?;
        let comment = comment(&root.object("comment")?, review_comment_source)?;
        let body_before = body_before(root);
        Ok(GithubEvent::ReviewComment(ReviewCommentEvent { action, pull_request, comment, body_before }))
    };
    read_comment("pull_request_review_comment", written, read)
}

/// Reads an event of a comment. An unknown action is no error; its payload is used if it can be read.
fn read_comment(
    event_type: &str,
    action: &str,
    read: impl FnOnce(CommentAction) -> Result<GithubEvent, PayloadError>,
) -> Result<GithubEvent, PayloadError> {
    match action {
        "created" => read(CommentAction::Created),
        "edited" => read(CommentAction::Edited),
        "deleted" => read(CommentAction::Deleted),
        other => read(CommentAction::Other).or_else(|_| Ok(GithubEvent::unknown_action(event_type, other))),
    }
}

/// Reads a payload of `issue_comment`, which GitHub sends for issues and for pull requests alike.
pub(super) fn issue_comment_event(root: &Object<'_>) -> Result<GithubEvent, PayloadError> {
    let issue = root.object("issue")?;
    let Some(link) = issue.optional_object("pull_request")? else {
        return Ok(GithubEvent::Ignored { reason: "a comment on an issue that is not a pull request".to_owned() });
    };
    let read = |action| {
        let (pull_request, body_before) = (outline(root, &issue, &link)?, body_before(root));
        let comment = comment(&root.object("comment")?, |number| format!("issue_comment:{number}"))?;
        Ok(GithubEvent::IssueComment(IssueCommentEvent { action, pull_request, comment, body_before }))
    };
    read_comment("issue_comment", root.text("action")?, read)
}

fn outline(root: &Object<'_>, issue: &Object<'_>, link: &Object<'_>) -> Result<PullRequestOutline, PayloadError> {
    let merged_at = link.optional_time("merged_at")?;
    Ok(PullRequestOutline {
        repository: root.repository()?,
        number: issue.number("number")?,
        title: issue.text("title")?.to_owned(),
        url: issue.text("html_url")?.to_owned(),
        author: issue.login("user")?,
        body: issue.owned_text("body")?,
        state: state(issue, merged_at)?,
        merged_at,
        updated_at: issue.time("updated_at")?,
    })
}

/// Reads a payload of `pull_request_review_thread`.
pub(super) fn review_thread_event(root: &Object<'_>) -> Result<GithubEvent, PayloadError> {
    let resolved = match root.text("action")? {
        "resolved" => true,
        "unresolved" => false,
        // The payload holds the pull request as it stood.
        other => {
            let unknown = GithubEvent::unknown_action("pull_request_review_thread", other);
            return Ok(pull_request_event(root).unwrap_or(unknown));
        }
    };
    let pull_request = pull_request(root)?;
    let thread = root.object("thread")?;
    let comments = thread.objects("comments")?;
    let comment_source_ids =
        comments.iter().map(|comment| comment.number("id").map(review_comment_source)).collect::<Result<_, _>>()?;
    Ok(GithubEvent::ReviewThread(ReviewThreadEvent {
        thread_id: thread.text("node_id")?.to_owned(),
        resolved,
        comment_source_ids,
        updated_at: root.optional_time("updated_at")?.unwrap_or(pull_request.updated_at),
        pull_request,
    }))
}

fn pull_request(root: &Object<'_>) -> Result<PullRequest, PayloadError> {
    let repository = root.repository()?;
    let fields = root.object("pull_request")?;
    let head = fields.object("head")?;
    let merged_at = fields.optional_time("merged_at")?;
    Ok(PullRequest {
        repository,
        number: fields.number("number")?,
        title: fields.text("title")?.to_owned(),
        url: fields.text("html_url")?.to_owned(),
        author: fields.login("user")?,
        body: fields.owned_text("body")?,
        state: state(&fields, merged_at)?,
        head_branch: head.text("ref")?.to_owned(),
        base_branch: fields.object("base")?.text("ref")?.to_owned(),
        head_sha: head.text("sha")?.to_owned(),
        additions: fields.optional_number("additions")?,
        deletions: fields.optional_number("deletions")?,
        changed_files: fields.optional_number("changed_files")?,
        merged_at,
        updated_at: fields.time("updated_at")?,
    })
}

/// Only payloads of `pull_request` say outright that it is merged; the others merely when.
fn state(fields: &Object<'_>, merged_at: Option<i64>) -> Result<PullRequestState, PayloadError> {
    let merged = fields.flag("merged")?.unwrap_or(false) || merged_at.is_some();
    let draft = fields.flag("draft")?.unwrap_or(false);
    let is_closed = fields.optional_time("closed_at")?.is_some();
    match fields.text("state")? {
        _ if merged => Ok(PullRequestState::Merged),
        "closed" => Ok(PullRequestState::Closed),
        "open" if draft => Ok(PullRequestState::Draft),
        "open" => Ok(PullRequestState::Open),
        // A state that did not exist when this was written: the other fields say where it stands.
        _ if is_closed => Ok(PullRequestState::Closed),
        _ if draft => Ok(PullRequestState::Draft),
        _ => Ok(PullRequestState::Open),
    }
}

fn comment(fields: &Object<'_>, source_id: impl FnOnce(u64) -> String) -> Result<Comment, PayloadError> {
    let line = match fields.optional_number("line")? {
        Some(line) => Some(line),
        None => fields.optional_number("original_line")?,
    };
    Ok(Comment {
        source_id: source_id(fields.number("id")?),
        author: fields.login("user")?,
        body: fields.text("body")?.to_owned(),
        path: fields.owned_text("path")?,
        line,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
    })
}

fn body_before(root: &Object<'_>) -> Option<String> {
    root.text_at(&["changes", "body", "from"]).map(str::to_owned)
}

fn review_comment_source(number: u64) -> String {
    format!("review_comment:{number}")
}
