//! What reports of checks do to the tables, in whatever order they arrive.
//!
//! A check is one of its name in its suite, on a commit. Every row holds the *rank* of the newest report that it took: a
//! text whose order is that of the reports. A report with a lesser rank changes nothing.

use xxhash_rust::xxh3::xxh3_64;

use super::{
    github::{CheckEvent, CheckStatus as Reported},
    repositories,
};
use crate::{
    agent_manager::{enums::*, error::Result, schema::*},
    prelude::*,
};

/// Takes a check of a commit, which belongs to the pull request whose newest commit that is, known yet or not.
pub(super) fn check(tx: &mut WriteTx, event: &CheckEvent) -> Result<()> {
    let repository = repositories::know(tx, &event.repository, event.updated_at)?;
    let report = PrCheck {
        pull_request_id: None,
        repository: repository.name.clone(),
        head_sha: event.head_sha.clone(),
        suite: event.suite_id,
        name: event.qualified_name(),
        status: match (&event.unknown_status, event.status) {
            (Some(word), _) => CheckStatus::from(word.as_str()),
            (None, Reported::Queued) => CheckStatus::Queued,
            (None, Reported::InProgress) => CheckStatus::InProgress,
            (None, Reported::Completed) => CheckStatus::Completed,
        },
        conclusion: event.conclusion.as_ref().map(|conclusion| conclusion.as_str().to_owned()),
        url: event.url.clone(),
        started_at: event.started_at.map(Timestamp::from_millis),
        completed_at: event.completed_at.map(Timestamp::from_millis),
        reported: rank(event),
    };
    let mut stored = None;
    for name in repositories::names_of_checks(tx, &repository)? {
        let key = (name.as_str(), report.head_sha.as_str(), report.suite, report.name.as_str());
        stored = stored.or(tx.query(PrCheck::by_commit_suite_and_name).eq(key).unique()?);
    }
    match stored {
        Some(stored) if report.reported > stored.reported => {
            tx.replace(stored.id(), PrCheck { pull_request_id: stored.pull_request_id, ..report })?;
        }
        Some(_) => {}
        None => drop(tx.insert(report)?),
    }
    settle(tx, &repository, &event.head_sha)
}

/// A text that orders reports of one check: by the run (one that was started anew has a greater number, or the same and
/// a greater attempt), by time, and within one time by how far the check has come. Of two ends of one time the worse one
/// counts, and content decides where nothing else does.
fn rank(event: &CheckEvent) -> String {
    let newest = event.precedence();
    // From the earliest time on, so that it orders as text.
    let at = i128::from(newest.updated_at.unwrap_or(i64::MIN)) - i128::from(i64::MIN);
    let stage = match event.status {
        Reported::Queued => 0,
        Reported::InProgress => 1,
        Reported::Completed => 2,
    };
    let is_good = |conclusion: &str| matches!(conclusion, "success" | "neutral" | "skipped");
    let is_bad = event.conclusion.as_ref().is_some_and(|conclusion| !is_good(conclusion.as_str()));
    let CheckEvent { conclusion, url, started_at, unknown_status, .. } = event;
    let content = xxh3_64(format!("{conclusion:?}{url:?}{started_at:?}{unknown_status:?}").as_bytes());
    format!("{:020}-{:020}-{at:020}-{stage}-{}-{content:016x}", newest.id, newest.attempt, u8::from(is_bad))
}

/// Gives the checks of a commit to the pull request whose newest commit it is; where several have it, to the first.
pub(super) fn settle(tx: &mut WriteTx, repository: &Doc<Repository>, sha: &str) -> Result<()> {
    if sha.is_empty() {
        return Ok(());
    }
    let candidates = tx.query(PullRequest::by_head_sha).eq(sha).collect()?;
    let own = candidates.iter().filter(|row| row.repository == repository.name);
    let owner = own.min_by_key(|row| row.number).map(Doc::id);
    for name in repositories::names_of_checks(tx, repository)? {
        for check in tx.query(PrCheck::by_commit_suite_and_name).eq((name.as_str(), sha)).collect()? {
            tx.patch(check.id(), |check: &mut PrCheck| check.pull_request_id = owner)?;
            repositories::rename_check(tx, &check, &repository.name)?;
        }
    }
    Ok(())
}
