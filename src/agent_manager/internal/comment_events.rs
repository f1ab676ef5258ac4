//! What reports of comments and of threads of comments do to the tables, in whatever order they arrive.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    evidence::{Evidence, Views, last_value},
    github::{Comment, CommentAction, IssueCommentEvent, ReviewCommentEvent, ReviewThreadEvent},
    pull_request_events::{outline, pull_request},
};
use crate::{
    agent_manager::{error::Result, schema::*},
    prelude::*,
};

/// One report of a comment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Report {
    is_created: bool,
    is_edited: bool,
    body: String,
    body_before: Option<String>,
    author: String,
    path: Option<String>,
    line: Option<u64>,
}

/// Takes a comment on the changes.
pub(super) fn review_comment(tx: &mut WriteTx, event: &ReviewCommentEvent) -> Result<()> {
    let id = pull_request(tx, &event.pull_request)?;
    comment(tx, id, &event.comment, event.action, event.body_before.clone())
}

/// Takes a comment in the conversation.
pub(super) fn issue_comment(tx: &mut WriteTx, event: &IssueCommentEvent) -> Result<()> {
    let id = outline(tx, &event.pull_request)?;
    comment(tx, id, &event.comment, event.action, event.body_before.clone())
}

fn comment(
    tx: &mut WriteTx,
    pull_request: Id<PullRequest>,
    said: &Comment,
    action: CommentAction,
    body_before: Option<String>,
) -> Result<()> {
    let report = Report {
        is_created: action == CommentAction::Created,
        is_edited: action == CommentAction::Edited,
        body: said.body.clone(),
        body_before,
        author: said.author.clone().unwrap_or_else(|| "ghost".to_owned()),
        path: said.path.clone(),
        line: said.line,
    };
    let row = existing_comment(tx, pull_request, &said.source_id)?;
    tx.patch(row, |row: &mut PrComment| {
        let mut evidence = Evidence::<Report>::read(&row.reported);
        // A deletion carries the time of the last edit, and is always the last that is heard.
        evidence.add(u8::from(action == CommentAction::Deleted), said.updated_at, report, 1);
        row.reported = evidence.write();
        row.deleted = evidence.knows() == Some(1);
        let Some(last) = evidence.fold(|_, reports| last_of(reports)).flatten() else { return };
        (row.author, row.body) = (last.author.clone(), last.body.clone());
        (row.path, row.line) = (last.path.clone(), last.line);
    })?;
    Ok(())
}

/// The last of the reports of one second.
fn last_of(reports: &BTreeSet<Report>) -> Option<&Report> {
    let mut views = Views::default();
    for report in reports {
        match report {
            Report { is_created: true, .. } => views.first = Some(&report.body),
            Report { is_edited: true, .. } => drop(views.changes.insert((report.body_before.as_deref(), &report.body))),
            _ => drop(views.seen.insert(&report.body)),
        }
    }
    let body = last_value(None, &views).unwrap_or_default();
    reports.iter().max_by_key(|report| (report.body == body, !report.is_created, *report))
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
    for source_id in &event.comment_source_ids {
        let row = existing_comment(tx, id, source_id)?;
        tx.patch(row, |row: &mut PrComment| {
            let mut evidence = Evidence::<bool>::read(&row.settled);
            evidence.add(0, event.updated_at, event.resolved, 3);
            row.settled = evidence.write();
            row.resolved = evidence.fold(is_settled).unwrap_or(row.resolved);
        })?;
    }
    Ok(())
}

/// Whether a thread is settled after a second. It begins as one that is not; if both happened, the one that could came
/// first.
fn is_settled(before: Option<bool>, reports: &BTreeSet<bool>) -> bool {
    match (reports.contains(&true), reports.contains(&false)) {
        (true, true) => before.unwrap_or(false),
        (is_settled, _) => is_settled,
    }
}
