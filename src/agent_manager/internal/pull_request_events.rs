//! What reports of pull requests, reviews and pushes do to the tables, in whatever order they arrive.
//!
//! A row holds the reports of its newest seconds ([`Evidence`]), and how it stands follows from them. What follows from a
//! row (a task's column, to whom a check belongs) follows from the row alone.

use serde::{Deserialize, Serialize};

use super::{
    check_events,
    evidence::Evidence,
    github::{PullRequest as Reported, PullRequestEvent, PullRequestOutline, PushEvent, ReviewEvent, ReviewState},
    history::{Subject, record},
    pull_request_report::{KEPT_SECONDS, KNOWS_ALL, KNOWS_OUTLINE, Report, standing},
    repositories,
};
use crate::{
    agent_manager::{enums::*, error::Result, pull_requests, schema::*},
    prelude::*,
};

/// Who is behind what webhooks do.
pub(in crate::agent_manager) const GITHUB: &str = "github";

/// What the row of a pull request keeps of its reports.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    reports: Option<Evidence<Report>>,
    /// The task that it was linked to without somebody having said so.
    linked: Option<Id<Task>>,
}

impl Kept {
    /// Reads what a row keeps; any other text keeps nothing.
    fn of(row: &PullRequest) -> Self {
        serde_json::from_str(&row.reported).unwrap_or_default()
    }

    fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A pull request as it was reported: where, by what and when.
struct Seen<'e> {
    repository: &'e super::github::RepositoryName,
    number: u64,
    report: Report,
    knows: u8,
    at: i64,
}

/// Takes something that happened to a pull request.
pub(super) fn event(tx: &mut WriteTx, event: &PullRequestEvent) -> Result<()> {
    take(tx, Seen { report: Report::of_event(event), ..seen(&event.pull_request) }).map(drop)
}

/// Takes how a pull request stood when something else happened.
pub(super) fn pull_request(tx: &mut WriteTx, reported: &Reported) -> Result<Id<PullRequest>> {
    take(tx, seen(reported))
}

/// Takes what a comment knows of its pull request.
pub(super) fn outline(tx: &mut WriteTx, outline: &PullRequestOutline) -> Result<Id<PullRequest>> {
    let PullRequestOutline { repository, number, updated_at, .. } = outline;
    let (report, knows) = (Report::of_outline(outline), KNOWS_OUTLINE);
    take(tx, Seen { repository, number: *number, report, knows, at: *updated_at })
}

fn seen(reported: &Reported) -> Seen<'_> {
    let Reported { repository, number, updated_at, .. } = reported;
    Seen { repository, number: *number, report: Report::of_whole(reported), knows: KNOWS_ALL, at: *updated_at }
}

/// Puts what was seen into the tables, as far as it is news; links the task, moves it, and gives checks their owner.
fn take(tx: &mut WriteTx, seen: Seen<'_>) -> Result<Id<PullRequest>> {
    let repository = repositories::know(tx, seen.repository, Some(seen.at))?;
    let key = (repository.name.as_str(), seen.number);
    let before = tx.query(PullRequest::by_repository_and_number).eq(key).unique()?;
    let id = match &before {
        Some(before) => before.id(),
        None => tx.insert(blank(&repository.name, seen.number))?,
    };
    tx.patch(id, |row: &mut PullRequest| add(row, seen))?;
    let after = tx.existing(id)?;
    let was_linked_to = before.as_ref().and_then(|before| before.task_id);
    let task = link(tx, &after)?;
    let has_moved = before.as_ref().is_none_or(|before| before.state != after.state) || task != was_linked_to;
    if task.is_some() && has_moved {
        pull_requests::move_task(tx, id, GITHUB)?;
    }
    let sha_before = before.map(|before| before.head_sha.clone()).unwrap_or_default();
    if sha_before != after.head_sha {
        check_events::settle(tx, &repository, &sha_before)?;
        check_events::settle(tx, &repository, &after.head_sha)?;
    }
    Ok(id)
}

/// Adds a report to a row, which then stands as all that are kept say.
fn add(row: &mut PullRequest, seen: Seen<'_>) {
    if seen.report.counts.is_some() {
        let mut counted = Evidence::read(&row.counted);
        counted.add(0, seen.at, seen.report.clone(), 1);
        if let Some(counts) = standing(&counted).and_then(|standing| standing.last.counts) {
            (row.additions, row.deletions, row.changed_files) = counts;
        }
        row.counted = counted.write();
    }
    let mut kept = Kept::of(row);
    let mut reports = kept.reports.take().unwrap_or_default();
    reports.add(seen.knows, seen.at, seen.report, KEPT_SECONDS);
    if let Some(standing) = standing(&reports) {
        row.title = standing.title.to_owned();
        row.url = standing.last.url.clone();
        row.author = standing.last.author.clone();
        row.state = standing.state;
        row.merged_at = standing.last.merged_at.map(Timestamp::from_millis);
        // A row that no report has made may know more than a comment does.
        if reports.knows() == Some(KNOWS_ALL) || row.head_branch.is_empty() {
            row.head_branch = standing.last.head_branch.clone();
            row.base_branch = standing.base_branch.to_owned();
            row.head_sha = standing.head_sha.to_owned();
        }
    }
    row.reported = Kept { reports: Some(reports), ..kept }.write();
}

fn blank(repository: &str, number: u64) -> PullRequest {
    PullRequest {
        task_id: None,
        repository: repository.to_owned(),
        number,
        title: String::new(),
        url: String::new(),
        author: String::new(),
        head_branch: String::new(),
        base_branch: String::new(),
        head_sha: String::new(),
        state: PullRequestState::Open,
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

/// Links a pull request to the task that its text names or, if it has none, to the one on its branch; answers the task
/// that it is for. What somebody has said of it by hand stays.
fn link(tx: &mut WriteTx, row: &Doc<PullRequest>) -> Result<Option<Id<Task>>> {
    let kept = Kept::of(row);
    let linked = kept.linked.map(|task| tx.get(task)).transpose()?.flatten().map(|task| task.id());
    if row.task_id != linked {
        return Ok(row.task_id);
    }
    let mut task = None;
    if let Some(standing) = kept.reports.as_ref().and_then(standing) {
        for id in standing.last.named.iter().filter_map(|id| id.parse::<Id<Task>>().ok()) {
            task = task.or(tx.get(id)?.map(|task| task.id()));
        }
    }
    if task.or(linked).is_none() && !row.head_branch.is_empty() {
        task = pull_requests::tasks_on_branch(tx, &row.repository, &row.head_branch)?.first().copied();
    }
    match task {
        Some(task) if linked != Some(task) => {
            set_link(tx, row.id(), task)?;
            Ok(Some(task))
        }
        _ => Ok(linked),
    }
}

/// Links a pull request to a task without somebody having said so.
pub(in crate::agent_manager) fn set_link(tx: &mut WriteTx, id: Id<PullRequest>, task: Id<Task>) -> Result<()> {
    tx.patch(id, |row: &mut PullRequest| {
        row.task_id = Some(task);
        row.reported = Kept { linked: Some(task), ..Kept::of(row) }.write();
    })?;
    Ok(())
}

/// What a reviewer said: who, what, when, in which review, and when that was changed last.
type Said = (String, Review, Timestamp, u64, Timestamp);

/// Takes a review. Of each reviewer the last review counts, as it stands now; a comment is none.
///
/// A word that is not known is kept beside the last known one, for nobody knows whether it takes that back.
pub(super) fn review(tx: &mut WriteTx, event: &ReviewEvent) -> Result<()> {
    let id = pull_request(tx, &event.pull_request)?;
    let word = match &event.state {
        ReviewState::Approved => Review::Approved,
        ReviewState::ChangesRequested => Review::ChangesRequested,
        ReviewState::Dismissed => Review::Pending,
        ReviewState::Commented => return Ok(()),
        ReviewState::Other(word) => Review::from(word.as_str()),
    };
    let reviewer = event.author.clone().unwrap_or_else(|| "ghost".to_owned());
    let [submitted_at, updated_at] = [event.submitted_at, event.updated_at].map(Timestamp::from_millis);
    let new: Said = (reviewer, word, submitted_at, event.review_id, updated_at);
    tx.patch(id, |row: &mut PullRequest| {
        match row.reviews.iter_mut().find(|said| said.0 == new.0 && is_known(said) == is_known(&new)) {
            Some(said) if order(&new) > order(said) => *said = new,
            Some(_) => {}
            None => row.reviews.push(new),
        }
        row.reviews.sort_by(|one, other| (&one.0, !is_known(one)).cmp(&(&other.0, !is_known(other))));
        row.review = verdict(&row.reviews);
    })?;
    Ok(())
}

fn is_known(said: &Said) -> bool {
    !matches!(said.1, Review::Other(_))
}

/// Of two reviews of one reviewer, the greater one is the later. Nothing follows a dismissal, and a no stands before a
/// yes.
fn order(said: &Said) -> (Timestamp, u64, Timestamp, u8, &str) {
    let weight = match said.1 {
        Review::Other(_) => 0,
        Review::Approved => 1,
        Review::ChangesRequested => 2,
        Review::Pending => 3,
    };
    (said.2, said.3, said.4, weight, said.1.as_str())
}

/// What all reviewers say together. An unknown word is shown before a yes, and counts until its reviewer says a known
/// one.
fn verdict(reviews: &[Said]) -> Review {
    let says = |review: Review| reviews.iter().any(|said| said.1 == review);
    let is_taken_back = |word: &Said| reviews.iter().any(|said| said.0 == word.0 && order(said) > order(word));
    let unknown = reviews.iter().find(|said| !is_known(said) && !is_taken_back(said));
    match unknown {
        _ if says(Review::ChangesRequested) => Review::ChangesRequested,
        Some(said) => said.1.clone(),
        None if says(Review::Approved) => Review::Approved,
        None => Review::Pending,
    }
}

/// Writes down that commits were pushed to the branch of a task.
pub(super) fn push(tx: &mut WriteTx, event: &PushEvent) -> Result<()> {
    let at = event.pushed_at.max(event.head_commit_at);
    let repository = repositories::know(tx, &event.repository, at)?;
    let Some(branch) = event.branch.as_deref().filter(|_| !event.deleted) else { return Ok(()) };
    let user = event.pusher.as_deref().unwrap_or(GITHUB);
    for task in pull_requests::tasks_on_branch(tx, &repository.name, branch)? {
        let details = format!("{branch}: {} → {}", event.before_sha, event.after_sha);
        record(tx, Subject::Task(task), "branch.pushed", user, Some(details))?;
    }
    Ok(())
}
