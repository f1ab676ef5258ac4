//! What reports of pull requests, comments, reviews and checks do to the tables, in whatever order they arrive.
//!
//! Every row holds the *rank* of the newest report that it took: a text whose order is that of the reports. A report
//! with a lesser rank changes nothing. Ranks of different reports differ, so that any order of arrival ends in the same
//! rows; and what follows from a row (a task's column, to whom a check belongs) follows from the row alone.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    github::{
        CheckEvent, CheckStatus as ReportedCheck, Comment, CommentAction, IssueCommentEvent, PullRequest as Reported,
        PullRequestOutline, PullRequestState as ReportedState, ReviewCommentEvent, ReviewEvent, ReviewState,
        ReviewThreadEvent,
    },
    history::{Subject, record},
};
use crate::{
    agent_manager::{enums::*, error::Result, pull_requests, schema::*},
    prelude::*,
};

/// Who is behind what webhooks do.
pub(in crate::agent_manager) const GITHUB: &str = "github";

/// A text that orders reports: by what they know, by time, by what cannot come before the other at one time, and, where
/// all of that is equal, by their content.
fn rank(knows: u8, at: i64, stage: u8, content: &str) -> String {
    // From the earliest time on, so that it orders as text.
    let at = i128::from(at) - i128::from(i64::MIN);
    format!("{knows}-{at:020}-{stage}-{:016x}", xxh3_64(content.as_bytes()))
}

/// What a report says of a pull request.
struct Seen {
    pull_request: PullRequest,
    body: Option<String>,
    counted: Option<String>,
}

impl Seen {
    fn of_report(report: &Reported) -> Self {
        let Reported { additions, deletions, changed_files, .. } = report;
        let state = state(report.state);
        let content = format!("{report:?}");
        let counted = additions.is_some().then(|| rank(1, report.updated_at, stage(state), &content));
        let known = format!(
            "{:?}",
            (&report.title, &report.url, &report.author, &report.head_branch, &report.base_branch, &report.head_sha)
        );
        Self {
            pull_request: PullRequest {
                head_branch: report.head_branch.clone(),
                base_branch: report.base_branch.clone(),
                head_sha: report.head_sha.clone(),
                additions: additions.unwrap_or(0),
                deletions: deletions.unwrap_or(0),
                changed_files: changed_files.unwrap_or(0),
                counted: counted.clone().unwrap_or_default(),
                reported: rank(2, report.updated_at, stage(state), &known),
                ..blank(&report.repository, report.number, &report.title, &report.url, report.author.as_deref(), state)
            }
            .merged(report.merged_at),
            body: report.body.clone(),
            counted,
        }
    }

    fn of_outline(outline: &PullRequestOutline) -> Self {
        let PullRequestOutline { repository, number, title, url, author, .. } = outline;
        let state = state(outline.state);
        let known = format!("{:?}", (title, url, author));
        Self {
            pull_request: PullRequest {
                reported: rank(1, outline.updated_at, stage(state), &known),
                ..blank(repository, *number, title, url, author.as_deref(), state)
            }
            .merged(outline.merged_at),
            body: outline.body.clone(),
            counted: None,
        }
    }
}

impl PullRequest {
    fn merged(self, at: Option<i64>) -> Self {
        Self { merged_at: at.map(Timestamp::from_millis), ..self }
    }
}

fn blank(
    repository: &str,
    number: u64,
    title: &str,
    url: &str,
    author: Option<&str>,
    state: PullRequestState,
) -> PullRequest {
    PullRequest {
        task_id: None,
        repository: repository.to_owned(),
        number,
        title: title.to_owned(),
        url: url.to_owned(),
        author: author.unwrap_or("ghost").to_owned(),
        head_branch: String::new(),
        base_branch: String::new(),
        head_sha: String::new(),
        state,
        review: Review::Pending,
        reviews: Vec::new(),
        additions: 0,
        deletions: 0,
        changed_files: 0,
        merged_at: None,
        reported: String::new(),
        counted: String::new(),
    }
}

fn state(reported: ReportedState) -> PullRequestState {
    match reported {
        ReportedState::Draft => PullRequestState::Draft,
        ReportedState::Open => PullRequestState::Open,
        ReportedState::Merged => PullRequestState::Merged,
        ReportedState::Closed => PullRequestState::Closed,
    }
}

/// Of two reports of one time, the one further along counts.
fn stage(state: PullRequestState) -> u8 {
    match state {
        PullRequestState::Open => 0,
        PullRequestState::Draft => 1,
        PullRequestState::Closed => 2,
        PullRequestState::Merged => 3,
    }
}

/// Takes a report of a pull request.
pub(super) fn pull_request(tx: &mut WriteTx, report: &Reported) -> Result<Id<PullRequest>> {
    take(tx, Seen::of_report(report))
}

/// Puts what was seen into the tables, as far as it is news; links the task, moves it, and gives checks their owner.
fn take(tx: &mut WriteTx, seen: Seen) -> Result<Id<PullRequest>> {
    let new = seen.pull_request;
    let key = (new.repository.clone(), new.number);
    let stored = tx.query(PullRequest::by_repository_and_number).eq((key.0.as_str(), key.1)).unique()?;
    let (id, before) = match stored {
        None => (tx.insert(new.clone())?, None),
        Some(stored) => {
            let has_news = new.reported > stored.reported;
            let counts = seen.counted.as_ref().is_some_and(|counted| *counted > stored.counted);
            tx.patch(stored.id(), |row: &mut PullRequest| {
                if counts {
                    (row.additions, row.deletions, row.changed_files) =
                        (new.additions, new.deletions, new.changed_files);
                    row.counted = new.counted.clone();
                }
                if has_news {
                    row.title = new.title.clone();
                    row.url = new.url.clone();
                    row.author = new.author.clone();
                    row.head_branch = new.head_branch.clone();
                    row.base_branch = new.base_branch.clone();
                    row.head_sha = new.head_sha.clone();
                    (row.state, row.merged_at) = (new.state, new.merged_at);
                    row.reported = new.reported.clone();
                }
            })?;
            (stored.id(), Some(stored))
        }
    };
    let Some(after) = tx.get(id)? else { return Ok(id) };
    let was_linked = before.as_ref().is_some_and(|before| before.task_id.is_some());
    let is_linked = was_linked || pull_requests::link(tx, &after, seen.body.as_deref())?;
    let has_moved = before.as_ref().is_none_or(|before| before.state != after.state) || !was_linked;
    if is_linked && has_moved {
        pull_requests::move_task(tx, id, GITHUB)?;
    }
    let sha_before = before.map(|before| before.head_sha.clone()).unwrap_or_default();
    if sha_before != after.head_sha {
        settle_checks(tx, &after.repository, &sha_before)?;
        settle_checks(tx, &after.repository, &after.head_sha)?;
    }
    Ok(id)
}

/// Takes a review. Each reviewer's last word counts; a comment is none.
pub(super) fn review(tx: &mut WriteTx, event: &ReviewEvent) -> Result<()> {
    let id = pull_request(tx, &event.pull_request)?;
    let word = match event.state {
        ReviewState::Approved => Review::Approved,
        ReviewState::ChangesRequested => Review::ChangesRequested,
        ReviewState::Dismissed => Review::Pending,
        ReviewState::Commented => return Ok(()),
    };
    let reviewer = event.author.as_deref().unwrap_or("ghost").to_owned();
    let at = Timestamp::from_millis(event.updated_at);
    // Of two words of one time a dismissal is the last, and a no stands before a yes.
    let weight = |review: Review| match review {
        Review::Approved => 0,
        Review::ChangesRequested => 1,
        Review::Pending => 2,
    };
    tx.patch(id, |row: &mut PullRequest| {
        match row.reviews.iter_mut().find(|(who, ..)| *who == reviewer) {
            Some((_, said, when)) if (at, weight(word)) > (*when, weight(*said)) => (*said, *when) = (word, at),
            Some(_) => {}
            None => row.reviews.push((reviewer, word, at)),
        }
        row.reviews.sort_by(|one, other| one.0.cmp(&other.0));
        let says = |review: Review| row.reviews.iter().any(|(_, said, _)| *said == review);
        row.review = match () {
            () if says(Review::ChangesRequested) => Review::ChangesRequested,
            () if says(Review::Approved) => Review::Approved,
            () => Review::Pending,
        };
    })?;
    Ok(())
}

/// Takes a comment on the changes.
pub(super) fn review_comment(tx: &mut WriteTx, event: &ReviewCommentEvent) -> Result<()> {
    let id = pull_request(tx, &event.pull_request)?;
    comment(tx, id, &event.comment, event.action)
}

/// Takes a comment in the conversation.
pub(super) fn issue_comment(tx: &mut WriteTx, event: &IssueCommentEvent) -> Result<()> {
    let id = take(tx, Seen::of_outline(&event.pull_request))?;
    comment(tx, id, &event.comment, event.action)
}

fn comment(tx: &mut WriteTx, pull_request: Id<PullRequest>, said: &Comment, action: CommentAction) -> Result<()> {
    let deleted = action == CommentAction::Deleted;
    // A deletion carries the time of the last edit, and is always the last that is heard.
    let reported = rank(u8::from(deleted), said.updated_at, 0, &format!("{said:?}"));
    let row = existing_comment(tx, pull_request, &said.source_id)?;
    tx.patch(row, |row: &mut PrComment| {
        if reported > row.reported {
            row.author = said.author.clone().unwrap_or_else(|| "ghost".to_owned());
            row.body = said.body.clone();
            (row.path, row.line) = (said.path.clone(), said.line);
            (row.deleted, row.reported) = (deleted, reported);
        }
    })?;
    Ok(())
}

/// The comment, or a blank one that waits for its report.
fn existing_comment(tx: &mut WriteTx, pull_request: Id<PullRequest>, source_id: &str) -> Result<Id<PrComment>> {
    if let Some(stored) = tx.query(PrComment::by_source_id).eq(source_id).unique()? {
        return Ok(stored.id());
    }
    Ok(tx.insert(PrComment {
        pull_request_id: pull_request,
        source_id: source_id.to_owned(),
        author: String::new(),
        body: String::new(),
        path: None,
        line: None,
        resolved: false,
        deleted: false,
        reported: String::new(),
        settled: String::new(),
    })?)
}

/// Takes that a thread of comments is settled, or is not any more.
pub(super) fn review_thread(tx: &mut WriteTx, event: &ReviewThreadEvent) -> Result<()> {
    let id = pull_request(tx, &event.pull_request)?;
    // A thread is taken up again only after it was settled.
    let settled = rank(0, event.updated_at, u8::from(!event.resolved), "");
    for source_id in &event.comment_source_ids {
        let row = existing_comment(tx, id, source_id)?;
        tx.patch(row, |row: &mut PrComment| {
            if settled > row.settled {
                (row.resolved, row.settled) = (event.resolved, settled.clone());
            }
        })?;
    }
    Ok(())
}

/// Takes a check of a commit, which belongs to the pull request whose newest commit that is, known yet or not.
pub(super) fn check(tx: &mut WriteTx, event: &CheckEvent) -> Result<()> {
    let (name, precedence) = (event.qualified_name(), event.precedence());
    let (status, stage) = match event.status {
        ReportedCheck::Queued => (CheckStatus::Queued, 0),
        ReportedCheck::InProgress => (CheckStatus::InProgress, 1),
        ReportedCheck::Completed => (CheckStatus::Completed, 2),
    };
    let updated_at = precedence.updated_at.unwrap_or(i64::MIN);
    let newest = rank(0, updated_at, stage, &format!("{event:?}"));
    let reported = format!("{:020}-{:020}-{newest}", precedence.id, precedence.attempt);
    let report = PrCheck {
        pull_request_id: None,
        repository: event.repository.clone(),
        head_sha: event.head_sha.clone(),
        name: name.clone(),
        status,
        conclusion: event.conclusion.as_ref().map(|conclusion| conclusion.as_str().to_owned()),
        url: event.url.clone(),
        started_at: event.started_at.map(Timestamp::from_millis),
        completed_at: event.completed_at.map(Timestamp::from_millis),
        reported,
    };
    take_check(tx, report)
}

/// Puts a report of a check into the tables, as far as it is news.
pub(super) fn take_check(tx: &mut WriteTx, report: PrCheck) -> Result<()> {
    let key = (report.repository.as_str(), report.head_sha.as_str(), report.name.as_str());
    match tx.query(PrCheck::by_commit_and_name).eq(key).unique()? {
        Some(stored) if report.reported > stored.reported => {
            tx.replace(stored.id(), PrCheck { pull_request_id: stored.pull_request_id, ..report.clone() })?;
        }
        Some(_) => {}
        None => drop(tx.insert(report.clone())?),
    }
    settle_checks(tx, &report.repository, &report.head_sha)
}

/// Gives the checks of a commit to the pull request whose newest commit it is; where several have it, to the first.
fn settle_checks(tx: &mut WriteTx, repository: &str, sha: &str) -> Result<()> {
    if sha.is_empty() {
        return Ok(());
    }
    let candidates = tx.query(PullRequest::by_head_sha).eq(sha).collect()?;
    let own = candidates.iter().filter(|row| row.repository == repository);
    let owner = own.min_by_key(|row| row.number).map(Doc::id);
    for check in tx.query(PrCheck::by_commit_and_name).eq((repository, sha)).collect()? {
        tx.patch(check.id(), |check: &mut PrCheck| check.pull_request_id = owner)?;
    }
    Ok(())
}

/// Writes down that commits were pushed to the branch of a task.
pub(super) fn push(tx: &mut WriteTx, event: &super::github::PushEvent) -> Result<()> {
    let Some(branch) = event.branch.as_deref().filter(|_| !event.deleted) else { return Ok(()) };
    let user = event.pusher.as_deref().unwrap_or(GITHUB);
    for task in pull_requests::tasks_on_branch(tx, &event.repository, branch)? {
        let details = format!("{branch}: {} → {}", event.before_sha, event.after_sha);
        record(tx, Subject::Task(task), "branch.pushed", user, Some(details))?;
    }
    Ok(())
}
