//! What became of the deliveries, as text.

use std::{collections::BTreeMap, error::Error, fmt::Write};

use tropism::{
    agent_manager::{
        Category, ListTaskHistory, PullRequest, PullRequestBoard, ShowPullRequestBoard, Task, WebhookEvent,
        WebhookStatus,
    },
    prelude::*,
};

/// A row for each event type, with how many of its events stand how.
pub fn events(db: &Db) -> Result<String, Box<dyn Error>> {
    let mut types: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    db.read(|tx| -> Result<(), tropism::Error> {
        for event in tx.query(WebhookEvent::by_id).iter()? {
            let event = event?;
            let counts = types.entry(event.event_type.clone()).or_insert_with(|| vec![0; WebhookStatus::ALL.len()]);
            let place = WebhookStatus::ALL.iter().position(|status| *status == event.status);
            place.and_then(|place| counts.get_mut(place)).into_iter().for_each(|count| *count += 1);
        }
        Ok(())
    })?;
    let sums = (0..WebhookStatus::ALL.len()).map(|place| types.values().map(|counts| counts[place]).sum()).collect();
    let mut text = format!("{:<34}", "event");
    WebhookStatus::ALL.iter().try_for_each(|status| write!(text, "{status:>12}"))?;
    text.push('\n');
    for (event_type, counts) in types.iter().chain([(&"in all".to_owned(), &sums)]) {
        write!(text, "{:<34}", plain(event_type))?;
        for count in counts {
            // A page of zeros hides the figures that matter.
            let count = if *count == 0 { "·".to_owned() } else { count.to_string() };
            write!(text, "{count:>12}")?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// The events that ended neither processed nor ignored, each with its error.
pub fn unprocessed(db: &Db) -> Result<Vec<String>, tropism::Error> {
    let is_settled = |event: &Doc<WebhookEvent>| match event.status {
        WebhookStatus::Processed | WebhookStatus::Ignored => true,
        WebhookStatus::Pending | WebhookStatus::Processing | WebhookStatus::Failed | WebhookStatus::Dead => false,
    };
    let events = db.read(|tx| tx.query(WebhookEvent::by_id).filter(|event| !is_settled(event)).collect())?;
    let described = |event: &Doc<WebhookEvent>| {
        let error = event.last_error.as_deref().unwrap_or("no error was written down");
        plain(&format!("delivery {} is {}: {error}", event.delivery_id, event.status))
    };
    Ok(events.iter().map(described).collect())
}

/// Every pull request with its review, comments and checks.
pub fn pull_requests(db: &Db) -> Result<String, Box<dyn Error>> {
    let all = db.read(|tx| tx.query(PullRequest::by_repository_and_number).collect())?;
    let mut text = format!("\npull requests: {}\n", all.len());
    for pull_request in &all {
        let board = db.query(ShowPullRequestBoard { pull_request_id: pull_request.id() })?;
        if let Some(board) = &*board {
            text += &described(board)?;
        }
    }
    Ok(text)
}

fn described(board: &PullRequestBoard) -> Result<String, std::fmt::Error> {
    let PullRequest { repository, number, title, state, review, head_branch, base_branch, .. } = &*board.pull_request;
    let PullRequest { additions, deletions, changed_files, .. } = &*board.pull_request;
    let mut text = plain(&format!("{repository}#{number} {title}"));
    write!(text, "\n  {state}, review {review}, +{additions} −{deletions} in {changed_files} files")?;
    writeln!(text, ", {} → {}", plain(head_branch), plain(base_branch))?;
    if let Some(task) = &board.task {
        writeln!(text, "  for the task {:?}, which is {}", task.title, task.category)?;
    }
    for comment in &board.comments {
        let place = match (&comment.path, comment.line) {
            (Some(path), Some(line)) => format!(" on {path}:{line}"),
            (Some(path), None) => format!(" on {path}"),
            (None, _) => String::new(),
        };
        let settled = if comment.resolved { " (settled)" } else { "" };
        writeln!(text, "  {}", plain(&format!("{}{place}: {:?}{settled}", comment.author, comment.body)))?;
    }
    for check in &board.checks {
        let conclusion = check.conclusion.as_deref().unwrap_or("no conclusion yet");
        writeln!(text, "  check {}", plain(&format!("{}: {}, {conclusion}", check.name, check.status)))?;
    }
    Ok(text)
}

/// Where a task stands, and how it came there.
pub fn task(db: &Db, id: Id<Task>) -> Result<String, Box<dyn Error>> {
    let task = db.read(|tx| tx.get(id))?.ok_or("the task is gone")?;
    let category: Category = task.category;
    let mut text = format!("\nthe task {:?} is {category}\n", task.title);
    // The newest comes first there, and a story is told from its beginning.
    for event in db.query(ListTaskHistory { task_id: id, limit: 100 })?.iter().rev() {
        let details = event.details.as_deref().unwrap_or_default();
        writeln!(text, "  {}", plain(&format!("{} by {}: {details}", event.action, event.user)))?;
    }
    Ok(text)
}

/// Text that moves no cursor and changes no colour: payloads are written by others.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
