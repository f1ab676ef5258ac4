//! The board on a terminal, drawn anew when a live query has something new; or as lines, for a log.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, select};
use parking_lot::Mutex;
use tropism::{Ts, prelude::*};

use crate::{
    board::{Board, Columns, Seen, Tasks},
    schema::{Status, Task},
};

/// How to show the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The whole board, over and over, in place. It fits a terminal of 80 by 24.
    Drawn,
    /// A line for every tenth of the changes.
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
    /// How long it took to play everything.
    took: Option<Duration>,
    /// The commits that are not on the screen yet: what each follows, and when it was made.
    unseen: VecDeque<(Ts, Instant)>,
}

impl Progress {
    pub fn new(total: usize) -> Self {
        Self { total, started: Instant::now(), state: Mutex::default() }
    }

    /// A change is about to be committed, after this commit.
    pub fn committing(&self, after: Ts) {
        let mut state = self.state.lock();
        state.played += 1;
        state.unseen.push_back((after, Instant::now()));
    }

    /// There are no more changes.
    pub fn end(&self) {
        self.state.lock().took = Some(self.started.elapsed());
    }

    /// Changes per second.
    pub fn rate(&self) -> f64 {
        let state = self.state.lock();
        state.played as f64 / state.took.unwrap_or_else(|| self.started.elapsed()).as_secs_f64()
    }

    fn played(&self) -> usize {
        self.state.lock().played
    }

    /// The screen shows the board as of this commit: how long ago that was made, if it was not on the screen before.
    fn shown(&self, at: Ts) -> Option<Duration> {
        let mut state = self.state.lock();
        let mut made = None;
        while let Some((after, when)) = state.unseen.front()
            && *after < at
        {
            made = Some(*when);
            state.unseen.pop_front();
        }
        made.map(|when| when.elapsed())
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
    const TENTHS: usize = 10;
    let mut delays = Delays::default();
    let mut last_tenth = 0;
    if style == Style::Drawn {
        write(CLEAR)?;
    }
    loop {
        select! {
            recv(ended) -> _ => return Ok(delays),
            recv(board.columns.receiver()) -> _ => {},
            recv(board.ready.receiver()) -> _ => {},
            recv(board.assigned.receiver()) -> _ => {},
            recv(board.recent.receiver()) -> _ => {},
        }
        let view = View::of(board);
        let text = view.text(progress, style);
        let tenth = progress.played() * TENTHS / progress.total.max(1);
        // The last one is shown when everything has arrived.
        if style == Style::Drawn || (last_tenth + 1..TENTHS).contains(&tenth) {
            last_tenth = tenth;
            write(&text)?;
        }
        delays.0.extend(progress.shown(view.at()));
    }
}

/// Shows the board once, as it stands.
pub fn show_once(board: &Board, progress: &Progress, style: Style) -> io::Result<()> {
    write(&View::of(board).text(progress, style))
}

/// Clears the terminal.
const CLEAR: &str = "\x1b[2J";
/// Goes to the top left and clears the line, and cuts lines at the edge instead of wrapping them.
const BEGIN: &str = "\x1b[H\x1b[K\x1b[?7l";
/// Clears what an earlier drawing left below, and wraps lines again.
const END: &str = "\x1b[J\x1b[?7h";
/// Goes to the column where the right half begins.
const RIGHT: &str = "\x1b[41G";
const HALF_WIDTH: usize = 39;

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What every live query says now; nothing where one failed, since the next commit may mend it.
struct View<'a> {
    assignee: &'a str,
    columns: Option<Arc<Seen<Columns>>>,
    ready: Option<Arc<Seen<Tasks>>>,
    assigned: Option<Arc<Seen<Tasks>>>,
    recent: Option<Arc<Seen<Tasks>>>,
}

impl<'a> View<'a> {
    fn of(board: &'a Board) -> Self {
        Self {
            assignee: &board.assignee,
            columns: board.columns.current().ok(),
            ready: board.ready.current().ok(),
            assigned: board.assigned.current().ok(),
            recent: board.recent.current().ok(),
        }
    }

    /// The newest commit that it shows.
    fn at(&self) -> Ts {
        let lists = [&self.ready, &self.assigned, &self.recent];
        let lists = lists.into_iter().flatten().map(|seen| seen.at);
        lists.chain(self.columns.iter().map(|seen| seen.at)).max().unwrap_or_default()
    }

    fn text(&self, progress: &Progress, style: Style) -> String {
        match style {
            Style::Drawn => self.drawing(progress),
            Style::Plain => self.line(progress),
        }
    }

    fn line(&self, progress: &Progress) -> String {
        let columns = self.columns.iter().flat_map(|seen| &seen.value);
        let counts: Vec<String> =
            columns.map(|(status, count)| format!("{} {count}", plain(status.as_str()))).collect();
        let ready = self.ready.as_ref().map_or(0, |seen| seen.value.len());
        let latest = self.recent.as_ref().and_then(|seen| seen.value.first().map(title)).unwrap_or_default();
        let percent = progress.played() * 100 / progress.total.max(1);
        format!("{percent:>3}%  {:>6.0}/s  {}  ready {ready}  latest {latest}\n", progress.rate(), counts.join("  "))
    }

    fn drawing(&self, progress: &Progress) -> String {
        const BAR: usize = 40;
        let (played, total) = (progress.played(), progress.total);
        let filled = played * BAR / total.max(1);
        let (done, left) = ("█".repeat(filled), "·".repeat(BAR - filled));
        let mut text =
            format!("{BEGIN}\x1b[1mlive board\x1b[0m {done}{left} {played}/{total} {:.0}/s", progress.rate());
        let desk = format!("on {}'s desk", plain(self.assignee));
        let upper = (("columns", self.columns()), ("ready to start", rows(self.ready.as_ref(), urgency)));
        let lower = (
            (desk.as_str(), rows(self.assigned.as_ref(), status)),
            ("changed last", rows(self.recent.as_ref(), status)),
        );
        for ((left_name, left), (right_name, right)) in [upper, lower] {
            text += &format!("\n\x1b[K\n\x1b[K\x1b[1m{left_name}{RIGHT}{right_name}\x1b[0m");
            for row in 0..left.len().max(right.len()) {
                let half = |rows: &[String]| rows.get(row).cloned().unwrap_or_default();
                text += &format!("\n\x1b[K{}{RIGHT}{}", half(&left), half(&right));
            }
        }
        text + "\n" + END
    }

    fn columns(&self) -> Vec<String> {
        const BAR: usize = 18;
        let columns = self.columns.iter().flat_map(|seen| &seen.value);
        let most = columns.clone().map(|(_, count)| *count).max().unwrap_or_default().max(1);
        let column = |(status, count): &(Status, usize)| {
            let name: String = plain(status.as_str()).chars().take(12).collect();
            format!("  {name:<12}{count:>5} {}", "▪".repeat(count * BAR / most))
        };
        columns.map(column).collect()
    }
}

fn rows(tasks: Option<&Arc<Seen<Tasks>>>, mark: fn(&Task) -> String) -> Vec<String> {
    let row = |task: &Doc<Task>| format!("  {} {}", mark(task), title(task)).chars().take(HALF_WIDTH).collect();
    tasks.into_iter().flat_map(|seen| &seen.value).map(row).collect()
}

fn status(task: &Task) -> String {
    format!("{:<11}", plain(task.status.as_str()))
}

fn urgency(task: &Task) -> String {
    task.priority.map_or_else(|| "  ".to_owned(), |priority| format!("P{priority}"))
}

fn title(task: &Doc<Task>) -> String {
    const WIDTH: usize = 60;
    plain(&format!("{} {}", task.key, task.title)).chars().take(WIDTH).collect()
}

/// Text that moves no cursor and changes no colour: tasks are written by others.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
