//! What is on the screen as lines of text, for a log: a change is a line that was not there before.

use tropism::agent_manager::{PullRequestBoard, ServerBoard, ServerStatus};

use crate::view::View;

/// Minutes between two lines about how a server does.
const MINUTES: i64 = 15;

/// One line for everything that can change by itself.
pub fn of(view: &View) -> Vec<String> {
    let mut lines = Vec::new();
    let columns = view.board.iter().flat_map(|board| &board.columns);
    for (column, task) in columns.flat_map(|column| column.tasks.iter().map(move |task| (column, task))) {
        lines.push(format!("task {:?} is in {}", task.title, column.category));
    }
    for (job, title) in view.jobs.iter() {
        let result = job.result.as_ref().or(job.error.as_ref()).map(|text| format!(", {text}")).unwrap_or_default();
        lines.push(format!("job {}, {} {title:?}: {} {} %{result}", job.id(), job.kind, job.status, job.progress));
    }
    view.pull_requests.iter().for_each(|board| lines.extend(of_pull_request(board)));
    for message in view.chat.iter() {
        lines.push(format!("chat, {} ({}): {}", message.author, message.status, message.text));
    }
    view.servers.iter().flat_map(|board| board.iter()).for_each(|board| lines.extend(of_server(board)));
    lines.iter().map(|line| plain(line)).collect()
}

fn of_pull_request(board: &PullRequestBoard) -> Vec<String> {
    let pull_request = &board.pull_request;
    let name = format!("pull request #{}", pull_request.number);
    let mut lines =
        vec![format!("{name} {:?}: {}, review {}", pull_request.title, pull_request.state, pull_request.review)];
    let checks = board.checks.iter().map(|check| {
        let conclusion = check.conclusion.as_deref().unwrap_or("not over");
        let commit = &check.head_sha[check.head_sha.len().saturating_sub(7)..];
        format!("{name}, check {} of {commit}: {}, {conclusion}", check.name, check.status)
    });
    lines.extend(checks);
    let comments = board.comments.iter().map(|comment| {
        let settled = if comment.resolved { "settled" } else { "open" };
        format!("{name}, {} ({settled}): {}", comment.author, comment.body)
    });
    lines.extend(comments);
    lines.extend(
        board.issues.iter().map(|issue| format!("{name}, {} ({}): {}", issue.severity, issue.status, issue.message)),
    );
    lines
}

fn of_server(board: &ServerBoard) -> Vec<String> {
    let name = &board.server.name;
    let minute = |point: &tropism::agent_manager::MetricsPoint| point.at.as_millis().div_euclid(60_000);
    let quarter = board.last_hour.iter().rev().find(|point| minute(point) % MINUTES == 0);
    let mut lines = vec![format!("server {name} is {}", board.server.status)];
    // One that was not heard of yet has nothing to say, and says so with its status.
    let is_known = board.server.status != ServerStatus::Offline;
    lines.extend(quarter.filter(|_| is_known).map(|point| {
        let (hour, minute) = (minute(point) / 60 % 24, minute(point) % 60);
        format!("server {name} at {hour:02}:{minute:02} UTC: processors {:.0} %", point.cpu_percent)
    }));
    lines
}

/// Text that moves no cursor and changes no colour: much of it is written by others.
pub fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
