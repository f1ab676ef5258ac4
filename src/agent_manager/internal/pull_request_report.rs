//! A report of a pull request, and how that stands after the reports of its newest seconds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    evidence::{Evidence, Views, last_value},
    github::{Before, PullRequest as Reported, PullRequestEvent, PullRequestOutline},
};
use crate::agent_manager::enums::PullRequestState;

/// How many seconds of a pull request are kept: enough to know how it stood before the newest one.
pub(super) const KEPT_SECONDS: usize = 3;
/// What is known from a report that has no commits or branches.
pub(super) const KNOWS_OUTLINE: u8 = 1;
/// What is known from a whole report.
pub(super) const KNOWS_ALL: u8 = 2;
/// More ids than a text should name.
const MOST_NAMED: usize = 8;

/// What happened, as far as it says in which order two reports of one second were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Action {
    /// It began.
    Opened,
    /// Something that says nothing of the order.
    Other,
    /// It was closed or merged.
    Closed,
    /// It was closed before.
    Reopened,
    /// It was no draft before.
    ConvertedToDraft,
    /// It was a draft before.
    ReadyForReview,
    /// It had another newest commit before.
    Synchronize,
    /// It had another title or was for another branch before, if that is said.
    Edited,
}

/// One report of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Report {
    action: Action,
    pub(super) state: PullRequestState,
    title: String,
    title_before: Option<String>,
    base_branch: String,
    base_before: Option<String>,
    head_sha: String,
    sha_before: Option<String>,
    pub(super) head_branch: String,
    pub(super) url: String,
    pub(super) author: String,
    pub(super) merged_at: Option<i64>,
    /// Lines added, lines deleted and files changed, where the report has them.
    pub(super) counts: Option<(u64, u64, u64)>,
    /// The tasks that its text names, as they are written there.
    pub(super) named: Vec<String>,
}

/// How a pull request stands.
#[derive(Debug, Clone)]
pub(super) struct Standing<'e> {
    pub(super) state: PullRequestState,
    pub(super) title: &'e str,
    pub(super) base_branch: &'e str,
    pub(super) head_sha: &'e str,
    /// The report that says everything else.
    pub(super) last: &'e Report,
}

impl Report {
    /// Of something that happened to the pull request itself.
    pub(super) fn of_event(event: &PullRequestEvent) -> Self {
        let Before { head_sha, title, base_branch } = event.before.clone();
        let action = match event.action.as_str() {
            "opened" => Action::Opened,
            "closed" | "merged" => Action::Closed,
            "reopened" => Action::Reopened,
            "converted_to_draft" => Action::ConvertedToDraft,
            "ready_for_review" => Action::ReadyForReview,
            "synchronize" => Action::Synchronize,
            "edited" => Action::Edited,
            _ => Action::Other,
        };
        let whole = Self::of_whole(&event.pull_request);
        Self { action, sha_before: head_sha, title_before: title, base_before: base_branch, ..whole }
    }

    /// Of something else, with the pull request as it stood.
    pub(super) fn of_whole(report: &Reported) -> Self {
        let Reported { additions, deletions, changed_files, .. } = *report;
        let counts = additions.map(|additions| (additions, deletions.unwrap_or(0), changed_files.unwrap_or(0)));
        Self {
            action: Action::Other,
            state: report.state,
            title: report.title.clone(),
            title_before: None,
            base_branch: report.base_branch.clone(),
            base_before: None,
            head_sha: report.head_sha.clone(),
            sha_before: None,
            head_branch: report.head_branch.clone(),
            url: report.url.clone(),
            author: author(report.author.as_deref()),
            merged_at: report.merged_at,
            counts,
            named: named(report.body.as_deref()),
        }
    }

    /// Of a comment, with what that knows of the pull request.
    pub(super) fn of_outline(outline: &PullRequestOutline) -> Self {
        Self {
            action: Action::Other,
            state: outline.state,
            title: outline.title.clone(),
            title_before: None,
            base_branch: String::new(),
            base_before: None,
            head_sha: String::new(),
            sha_before: None,
            head_branch: String::new(),
            url: outline.url.clone(),
            author: author(outline.author.as_deref()),
            merged_at: outline.merged_at,
            counts: None,
            named: named(outline.body.as_deref()),
        }
    }
}

fn author(login: Option<&str>) -> String {
    login.unwrap_or("ghost").to_owned()
}

/// The ids in lines `task:<id>` of a text.
fn named(body: Option<&str>) -> Vec<String> {
    let lines = body.into_iter().flat_map(str::lines);
    let named = lines.filter_map(|line| line.trim().strip_prefix("task:")).map(str::trim);
    // An id is short; what is longer is none.
    named.filter(|id| !id.is_empty() && id.len() <= 64).take(MOST_NAMED).map(str::to_owned).collect()
}

/// How a pull request stands after all that is known of it; nothing if nothing is.
pub(super) fn standing(evidence: &Evidence<Report>) -> Option<Standing<'_>> {
    evidence.fold(after).flatten()
}

/// How it stands after a second.
fn after<'e>(before: Option<Option<Standing<'e>>>, reports: &'e BTreeSet<Report>) -> Option<Standing<'e>> {
    let before = before.flatten();
    let state = state_after(before.as_ref().map(|before| before.state), reports);
    let value = |before: Option<&'e str>, action, of: fn(&Report) -> (&str, Option<&str>)| {
        let before = before.filter(|before| !before.is_empty());
        last_value(before, &views(reports, action, of)).unwrap_or_default()
    };
    let title = value(before.as_ref().map(|before| before.title), Action::Edited, |report| {
        (&report.title, report.title_before.as_deref())
    });
    let base_branch = value(before.as_ref().map(|before| before.base_branch), Action::Edited, |report| {
        (&report.base_branch, report.base_before.as_deref())
    });
    let head_sha = value(before.as_ref().map(|before| before.head_sha), Action::Synchronize, |report| {
        (&report.head_sha, report.sha_before.as_deref())
    });
    let agrees = |report: &&Report| {
        let same_values = (report.state == state, report.head_sha == head_sha, report.title == title);
        (same_values, report.base_branch == base_branch, report.action)
    };
    let last = reports.iter().max_by(|one, other| (agrees(one), one).cmp(&(agrees(other), other)))?;
    Some(Standing { state, title, base_branch, head_sha, last })
}

/// What reports say of one of their values, which `action` changes.
fn views<'e>(reports: &'e BTreeSet<Report>, action: Action, of: fn(&Report) -> (&str, Option<&str>)) -> Views<'e> {
    let mut views = Views::default();
    for report in reports {
        let (value, before) = of(report);
        // An edit that does not say what the value was has changed something else.
        let is_change = report.action == action && (before.is_some() || action == Action::Synchronize);
        match report.action {
            Action::Opened => views.first = Some(value),
            _ if is_change => drop(views.changes.insert((before, value))),
            _ => drop(views.seen.insert(value)),
        }
    }
    views
}

/// `reopened` can only follow `closed`, and `ready_for_review` only a draft. Where both of two that follow each other
/// happened in one second, there was first the one that could, as it stood before.
fn state_after(before: Option<PullRequestState>, reports: &BTreeSet<Report>) -> PullRequestState {
    use PullRequestState::{Closed, Draft, Merged, Open};
    let has = |action: Action| reports.iter().any(|report| report.action == action);
    let is_later = |report: &&Report| report.action != Action::Opened;
    let opened = reports.iter().find(|report| !is_later(report)).map(|report| report.state);
    let later: BTreeSet<_> = reports.iter().filter(is_later).map(|report| report.state.as_str()).collect();
    let seen = |state: PullRequestState| later.contains(state.as_str()) || (later.is_empty() && opened == Some(state));
    let begun = opened.or(before);
    if seen(Merged) {
        return Merged;
    }
    let is_closed = match (has(Action::Closed), has(Action::Reopened)) {
        (true, true) => begun == Some(Closed),
        (is_closed, is_reopened) if is_closed != is_reopened => is_closed,
        // Nothing says what happened. Whoever saw something else than before saw it later.
        _ => seen(Closed) && (begun != Some(Closed) || !(seen(Open) || seen(Draft))),
    };
    if is_closed {
        return Closed;
    }
    let is_draft = match (has(Action::ConvertedToDraft), has(Action::ReadyForReview)) {
        (true, true) => begun == Some(Draft),
        (is_draft, is_ready) if is_draft != is_ready => is_draft,
        _ => seen(Draft) && (begun != Some(Draft) || !seen(Open)),
    };
    if is_draft { Draft } else { Open }
}
