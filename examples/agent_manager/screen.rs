//! The view on a terminal, drawn anew when a live query has something new; or as lines, for a log.

use std::{
    collections::HashSet,
    io::{self, Write},
    time::Duration,
};

use crossbeam_channel::Receiver;
use tropism::agent_manager::{
    AgentJobStatus, Category, ChatAuthor, ChatStatus, IssueStatus, LatestMetrics, PullRequestBoard, PullRequestState,
    Review, ServerStatus, WebhookStatus,
};

use crate::{
    Failure,
    lines::{self, plain},
    queries::JobWithTitle,
    view::{Subscriptions, View},
};

/// How to show the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The whole, over and over, in place. It fits a terminal of 80 by 24.
    Drawn,
    /// A line for each change.
    Plain,
}

/// Where the view is shown.
pub struct Screen {
    style: Style,
    /// The lines of the view that was shown last, for a log.
    shown: HashSet<String>,
}

impl Screen {
    pub fn new(style: Style) -> io::Result<Self> {
        if style == Style::Drawn {
            write(CLEAR)?;
        }
        Ok(Self { style, shown: HashSet::new() })
    }

    /// Shows the view whenever a part of it has something new, until `ended` is disconnected.
    pub fn follow(&mut self, subscriptions: &Subscriptions, ended: &Receiver<()>) -> Result<(), Failure> {
        while subscriptions.wait(ended, Duration::MAX) {
            self.show(&subscriptions.view()?)?;
        }
        Ok(())
    }

    fn show(&mut self, view: &View) -> io::Result<()> {
        if self.style == Style::Drawn {
            return write(&drawing(view));
        }
        let lines = lines::of(view);
        let news = lines.iter().filter(|line| !self.shown.contains(*line)).map(|line| format!("{line}\n"));
        write(&news.collect::<String>())?;
        self.shown = lines.into_iter().collect();
        Ok(())
    }

    /// Shows the view as it ends; a log has the whole of it once more.
    pub fn show_last(&mut self, view: &View) -> io::Result<()> {
        self.show(view)?;
        if self.style == Style::Drawn {
            return Ok(());
        }
        let lines = lines::of(view).into_iter().map(|line| format!("  {line}\n"));
        write(&format!("in the end\n{}", lines.collect::<String>()))
    }
}

/// Clears the terminal.
const CLEAR: &str = "\x1b[2J";
/// Goes to the top left and clears the line, and cuts lines at the edge instead of wrapping them.
const BEGIN: &str = "\x1b[H\x1b[K\x1b[?7l";
/// Clears what an earlier drawing left below, and wraps lines again.
const END: &str = "\x1b[J\x1b[?7h";
/// Goes to the column where the right half begins.
const RIGHT: &str = "\x1b[41G";
const WIDTH: usize = 78;
const HALF_WIDTH: usize = 38;
/// Messages that have room.
const MESSAGES: usize = 5;

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// How a row looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Usual,
    Good,
    Busy,
    Bad,
    Faint,
}

impl Look {
    fn escape(self) -> &'static str {
        match self {
            Self::Usual => "",
            Self::Good => "\x1b[32m",
            Self::Busy => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Faint => "\x1b[2m",
        }
    }
}

/// A row of a part.
struct Row {
    look: Look,
    text: String,
}

impl Row {
    fn new(look: Look, text: &str) -> Self {
        Self { look, text: plain(text) }
    }

    fn painted(&self, width: usize) -> String {
        let text: String = self.text.chars().take(width).collect();
        format!("{}  {text}\x1b[0m", self.look.escape())
    }
}

fn drawing(view: &View) -> String {
    let processed = view.webhooks.iter().filter(|row| row.status == WebhookStatus::Processed);
    let processed: usize = processed.map(|row| row.count).sum();
    let received: usize = view.webhooks.iter().map(|row| row.count).sum();
    let name = view.board.as_ref().as_ref().map_or("", |board| &board.project.name);
    let mut text = format!("{BEGIN}\x1b[1magent manager\x1b[0m  {}", plain(name));
    text += &format!("{RIGHT}webhooks: {processed} of {received} processed");
    text += &halves(("board", board(view)), ("jobs", view.jobs.iter().map(job).collect()));
    text += &halves(("pull requests", pull_requests(view)), ("servers", servers(view)));
    text += "\n\x1b[K\n\x1b[K\x1b[1mchat\x1b[0m";
    chat(view).iter().for_each(|row| text += &format!("\n\x1b[K{}", row.painted(WIDTH)));
    text + "\n" + END
}

/// Two parts beside each other.
fn halves((left_name, left): (&str, Vec<Row>), (right_name, right): (&str, Vec<Row>)) -> String {
    let mut text = format!("\n\x1b[K\n\x1b[K\x1b[1m{left_name}{RIGHT}{right_name}\x1b[0m");
    for place in 0..left.len().max(right.len()) {
        let half = |rows: &[Row]| rows.get(place).map(|row| row.painted(HALF_WIDTH - 2)).unwrap_or_default();
        text += &format!("\n\x1b[K{}{RIGHT}{}", half(&left), half(&right));
    }
    text
}

/// A row for each task, and one for each column that has none.
fn board(view: &View) -> Vec<Row> {
    let mut rows = Vec::new();
    for column in view.board.iter().flat_map(|board| &board.columns) {
        let look = match column.category {
            Category::Backlog => Look::Faint,
            Category::Todo => Look::Usual,
            Category::InProgress | Category::Review => Look::Busy,
            Category::Done => Look::Good,
        };
        let name = column.category.as_str();
        if column.tasks.is_empty() {
            rows.push(Row::new(Look::Faint, &format!("{name:<11} ·")));
        }
        rows.extend(column.tasks.iter().enumerate().map(|(place, task)| {
            let name = if place == 0 { name } else { "" };
            Row::new(look, &format!("{name:<11} {}", task.title))
        }));
    }
    rows
}

fn job((job, title): &JobWithTitle) -> Row {
    let look = match job.status {
        AgentJobStatus::Queued | AgentJobStatus::Cancelled => Look::Faint,
        AgentJobStatus::Running => Look::Busy,
        AgentJobStatus::Succeeded => Look::Good,
        AgentJobStatus::Failed => Look::Bad,
    };
    let filled = usize::from(job.progress) / 10;
    let (done, left) = ("▰".repeat(filled), "▱".repeat(10_usize.saturating_sub(filled)));
    let tail = job.result.as_ref().or(job.error.as_ref()).unwrap_or(title);
    Row::new(look, &format!("{:<9} {done}{left} {tail}", job.kind))
}

fn pull_requests(view: &View) -> Vec<Row> {
    view.pull_requests.iter().flat_map(pull_request).collect()
}

fn pull_request(board: &PullRequestBoard) -> [Row; 2] {
    let pull_request = &board.pull_request;
    let look = match (&pull_request.state, &pull_request.review) {
        (PullRequestState::Merged, _) => Look::Good,
        (PullRequestState::Closed, _) | (PullRequestState::Open, Review::ChangesRequested) => Look::Bad,
        (PullRequestState::Draft | PullRequestState::Open, _) => Look::Busy,
    };
    let check = board
        .checks
        .first()
        .map_or("no checks yet", |check| check.conclusion.as_deref().unwrap_or_else(|| check.status.as_str()));
    let open = board.issues.iter().filter(|issue| issue.status == IssueStatus::Open).count()
        + board.comments.iter().filter(|comment| !comment.resolved).count();
    let raised = board.issues.len() + board.comments.len();
    let first = format!("#{} {}, {}", pull_request.number, pull_request.state, pull_request.review);
    let second = format!("  +{}, checks {check}, {open}/{raised} open", pull_request.additions);
    [Row::new(look, &first), Row::new(Look::Usual, &second)]
}

/// Two rows for each: how it does, and how it did.
fn servers(view: &View) -> Vec<Row> {
    let mut rows = Vec::new();
    for (latest, board) in view.latest.iter().zip(&view.servers) {
        let LatestMetrics { server, metrics } = latest;
        let look = match server.status {
            ServerStatus::Online => Look::Good,
            ServerStatus::Degraded => Look::Bad,
            ServerStatus::Offline => Look::Faint,
        };
        let figures = metrics.as_ref().map_or_else(String::new, |metrics| {
            let memory = metrics.memory_bytes as f64 * 100.0 / metrics.memory_total_bytes.max(1) as f64;
            format!("{:>3.0} %  memory {memory:.0} %", metrics.cpu_percent)
        });
        rows.push(Row::new(look, &format!("{:<8}{:<9}{figures}", server.name, server.status)));
        let points = board.iter().flat_map(|board| &board.last_hour).map(|point| point.cpu_percent);
        rows.push(Row::new(look, &sparkline(&points.collect::<Vec<_>>())));
    }
    rows
}

/// Percentages as bars, the newest at the right.
fn sparkline(percents: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let newest = &percents[percents.len().saturating_sub(HALF_WIDTH - 2)..];
    let bar = |percent: &f64| BARS[((percent / 100.0 * BARS.len() as f64) as usize).min(BARS.len() - 1)];
    newest.iter().map(bar).collect()
}

fn chat(view: &View) -> Vec<Row> {
    let messages = view.chat.iter().skip(view.chat.len().saturating_sub(MESSAGES));
    let row = |message: &tropism::prelude::Doc<tropism::agent_manager::ChatMessage>| {
        let look = match (message.author, message.status) {
            (_, ChatStatus::Failed) => Look::Bad,
            (_, ChatStatus::Pending) => Look::Faint,
            (ChatAuthor::User, ChatStatus::Complete) => Look::Usual,
            (ChatAuthor::Ai, ChatStatus::Complete) => Look::Good,
            (ChatAuthor::System, ChatStatus::Complete) => Look::Busy,
        };
        let text = if message.status == ChatStatus::Pending { "…" } else { &message.text };
        Row::new(look, &format!("{:<7} {text}", message.author))
    };
    messages.map(row).collect()
}
