//! The board on a terminal, drawn anew when a live query has something new; or as lines, for a log.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, select};
use parking_lot::Mutex;
use tropism::{Error, prelude::*};

use crate::{
    board::Board,
    schema::{Status, Task},
};

/// How to show the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The whole board, over and over, in place.
    Drawn,
    /// A line now and then.
    Plain,
}

/// What the player tells the screen.
pub struct Progress {
    total: usize,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    played: usize,
    /// When the oldest commit was made that is not on the screen yet.
    waiting_since: Option<Instant>,
}

impl Progress {
    pub fn new(total: usize) -> Self {
        Self { total, started: Instant::now(), state: Mutex::default() }
    }

    /// One more change is committed.
    pub fn committed(&self) {
        let mut state = self.state.lock();
        state.played += 1;
        state.waiting_since.get_or_insert_with(Instant::now);
    }

    pub fn rate(&self) -> f64 {
        self.state.lock().played as f64 / self.started.elapsed().as_secs_f64()
    }
}

/// The times from a commit to the screen that shows it.
#[derive(Default)]
pub struct Delays(Vec<Duration>);

impl Delays {
    pub fn median(&mut self) -> Duration {
        self.0.sort_unstable();
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    pub fn longest(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Shows the board until `ended` is disconnected. Whenever a live query delivers, everything that has arrived is shown
/// at once.
pub fn show(board: &Board, progress: &Progress, style: Style, ended: &Receiver<()>) -> io::Result<Delays> {
    let mut delays = Delays::default();
    let mut last_tenth = 0;
    if style == Style::Drawn {
        print!("\x1b[2J");
    }
    loop {
        let is_over = select! {
            recv(ended) -> _ => true,
            recv(board.columns.receiver()) -> _ => false,
            recv(board.ready.receiver()) -> _ => false,
            recv(board.assigned.receiver()) -> _ => false,
            recv(board.recent.receiver()) -> _ => false,
        };
        let (played, waiting_since) = {
            let mut state = progress.state.lock();
            (state.played, state.waiting_since.take())
        };
        match style {
            Style::Drawn => draw(board, progress, played)?,
            Style::Plain => {
                let tenth = played * 10 / progress.total.max(1);
                if tenth > last_tenth || is_over {
                    last_tenth = tenth;
                    println!("{}", line(board, progress, played));
                }
            }
        }
        delays.0.extend(waiting_since.map(|since| since.elapsed()));
        if is_over {
            return Ok(delays);
        }
    }
}

fn line(board: &Board, progress: &Progress, played: usize) -> String {
    let columns = value(board.columns.current());
    let counts: Vec<String> = columns.iter().flatten().map(|(status, count)| format!("{status} {count}")).collect();
    let ready = value(board.ready.current()).map_or(0, |tasks| tasks.len());
    let latest = value(board.recent.current()).and_then(|tasks| tasks.first().map(title)).unwrap_or_default();
    let percent = played * 100 / progress.total.max(1);
    format!("{percent:>3}%  {:>6.0}/s  {}  ready {ready}  latest {latest}", progress.rate(), counts.join("  "))
}

fn draw(board: &Board, progress: &Progress, played: usize) -> io::Result<()> {
    const BAR: usize = 40;
    let filled = played * BAR / progress.total.max(1);
    let mut text = String::from("\x1b[H");
    let mut put = |line: &str| text.push_str(&format!("{line}\x1b[K\n"));
    put(&format!(
        "\x1b[1mlive board\x1b[0m  [{}{}] {played} of {}  {:.0} changes/s",
        "█".repeat(filled),
        "·".repeat(BAR - filled),
        progress.total,
        progress.rate()
    ));
    put("");
    for (status, count) in value(board.columns.current()).iter().flatten() {
        put(&format!("  {:<12} {count:>5}  {}", status.to_string(), "▪".repeat((*count / 20).min(60))));
    }
    let lists = [
        ("ready to start".to_owned(), value(board.ready.current())),
        (format!("on {}'s desk", board.assignee), value(board.assigned.current())),
        ("changed last".to_owned(), value(board.recent.current())),
    ];
    for (name, tasks) in lists {
        put("");
        put(&format!("\x1b[1m{name}\x1b[0m"));
        tasks.iter().flatten().for_each(|task| put(&format!("  {:<12} {}", mark(task.status), title(task))));
    }
    text.push_str("\x1b[J");
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What a live query says; nothing where it failed, since the next commit may mend it.
fn value<T: Clone>(current: Result<std::sync::Arc<T>, std::sync::Arc<Error>>) -> Option<T> {
    current.ok().map(|value| T::clone(&value))
}

fn title(task: &Doc<Task>) -> String {
    const WIDTH: usize = 60;
    let title: String = task.title.chars().take(WIDTH).collect();
    format!("{} {title}", task.key)
}

fn mark(status: Status) -> &'static str {
    status.as_str()
}
