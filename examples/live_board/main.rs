//! A task board that is always up to date: a software team's day, played into a database while a terminal shows it.
//!
//! The board is four live queries: the columns with their counts, the tasks that are ready to start, one person's desk,
//! and what was changed last. Nothing tells the screen what to draw; a query says what it shows, and the database knows
//! when that has changed.
//!
//! ```text
//! cargo run --release --example live_board
//! cargo run --release --example live_board -- --history changes.jsonl.gz --expect end-state.jsonl.gz
//! ```
//!
//! Without a history it plays a day that it makes up from a seed. In the end the database is closed and opened again,
//! and every task, live query and index is compared with what it must be.

mod board;
mod check;
mod day;
mod history;
mod play;
mod schema;
mod screen;

use std::{
    collections::HashMap,
    error::Error,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use board::Board;
use crossbeam_channel::{Receiver, bounded, tick};
use history::{Change, Fields, History, Malformed};
use screen::{Progress, Style};
use tropism::prelude::*;

const CHANGES_OF_A_DAY: usize = 3_000;

const USAGE: &str = "\
A live task board on an embedded database.

  --history FILE   play recorded changes (JSON lines, plain or gzip) instead of a made-up day
  --expect FILE    compare the end with this state (JSON lines, plain or gzip), with --history
  --db DIR         keep the database there (default: a temporary directory)
  --seed N         which day to make up (default 1)
  --pace N         at most so many changes a second (default: as fast as it goes; 300 where it is drawn)
  --relaxed        do not wait for the disk at each change
  --plain          print lines instead of drawing (default where the output is no terminal)
";

struct Arguments {
    history: Option<PathBuf>,
    expect: Option<PathBuf>,
    database: Option<PathBuf>,
    seed: u64,
    pace: Option<u32>,
    durability: Durability,
    style: Style,
}

fn main() -> ExitCode {
    let result = match arguments(std::env::args().skip(1)) {
        Ok(Some(arguments)) => run(&arguments),
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => Err(format!("{problem}\n\n{USAGE}").into()),
    };
    match result {
        Ok(differences) if differences.is_empty() => {
            println!("final state: equal");
            ExitCode::SUCCESS
        }
        Ok(differences) => {
            differences.iter().for_each(|difference| println!("{difference}"));
            println!("final state: different");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("live_board: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None`: only the usage is wanted.
fn arguments(mut given: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let style = if std::io::stdout().is_terminal() { Style::Drawn } else { Style::Plain };
    let mut arguments = Arguments {
        history: None,
        expect: None,
        database: None,
        seed: 1,
        pace: None,
        durability: Durability::Durable,
        style,
    };
    while let Some(option) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--history" => arguments.history = Some(value()?.into()),
            "--expect" => arguments.expect = Some(value()?.into()),
            "--db" => arguments.database = Some(value()?.into()),
            "--seed" => arguments.seed = number(&option, &value()?)?,
            "--pace" => arguments.pace = Some(number(&option, &value()?)?),
            "--relaxed" => arguments.durability = Durability::Relaxed,
            "--plain" => arguments.style = Style::Plain,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("{option:?} is not an option")),
        }
    }
    if arguments.expect.is_some() && arguments.history.is_none() {
        return Err("--expect needs --history".to_owned());
    }
    if arguments.pace == Some(0) {
        return Err("--pace must be at least 1".to_owned());
    }
    Ok(Some(arguments))
}

fn number<N: std::str::FromStr>(option: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{option} needs a number, and {text:?} is none"))
}

/// What is to be played, and what must stand in the end.
struct Script {
    history: History,
    expected: Option<Vec<Fields>>,
}

impl Script {
    fn new(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let named = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        let Some(path) = &arguments.history else {
            let (changes, expected) = day::generate(arguments.seed, CHANGES_OF_A_DAY);
            let history = History { changes: (1..).zip(changes).collect(), malformed: Vec::new() };
            return Ok(Self { history, expected: Some(expected) });
        };
        let history = history::read(path).map_err(|error| named(path, error))?;
        let expected = match &arguments.expect {
            Some(path) => Some(history::read_expected(path).map_err(|error| named(path, error))?),
            None => None,
        };
        Ok(Self { history, expected })
    }

    /// Who is assigned to most often.
    fn busiest(&self) -> String {
        let mut times: HashMap<&str, usize> = HashMap::new();
        for (_, change) in &self.history.changes {
            let (Change::Insert { doc: fields, .. } | Change::Patch { set: fields, .. }) = change else { continue };
            if let Some(name) = fields.get("assignee").and_then(|name| name.as_str()) {
                *times.entry(name).or_default() += 1;
            }
        }
        times
            .into_iter()
            .max_by_key(|(name, times)| (*times, *name))
            .map(|(name, _)| name.to_owned())
            .unwrap_or_default()
    }
}

/// Plays the script and checks the end; answers what is not as it must be.
fn run(arguments: &Arguments) -> Result<Vec<String>, Box<dyn Error>> {
    let script = Script::new(arguments)?;
    let temporary = tempfile::tempdir()?;
    let path = arguments.database.clone().unwrap_or_else(|| temporary.path().join("board.tropism"));
    let open = || {
        let config = Config { durability: arguments.durability, ..Config::default() };
        Db::builder().tables::<schema::Tables>().config(config).open(&path)
    };

    let db = open()?;
    let mut differences = perform(&db, &script, arguments)?;
    db.close()?;

    let started = Instant::now();
    let db = open()?;
    println!("closed and opened again in {:.1?}", started.elapsed());
    differences.extend(check::live_queries(&db, &Board::watch(&db, &script.busiest())?)?);
    differences.extend(check::indexes(&db)?);
    if let Some(expected) = &script.expected {
        differences.extend(check::tasks(&db, expected)?);
    }
    db.close()?;
    Ok(differences)
}

/// Plays every change while the screen shows the board; answers which live queries are not fresh in the end.
fn perform(db: &Db, script: &Script, arguments: &Arguments) -> Result<Vec<String>, Box<dyn Error>> {
    let board = Board::watch(db, &script.busiest())?;
    let progress = Progress::new(script.history.changes.len());
    let (ended, is_ended) = bounded::<()>(0);
    let (refused, delays) = thread::scope(|scope| {
        let screen = scope.spawn(|| screen::show(&board, &progress, arguments.style, &is_ended));
        let changes = paced(&script.history.changes, arguments);
        let refused = play::play_all(db, changes, |after| progress.committing(after));
        progress.end();
        drop(ended);
        (refused, screen.join())
    });
    let refused = refused?;
    let mut delays = delays.map_err(|_| "the screen panicked")??;
    let stale = check::live_queries(db, &board)?;
    screen::show_once(&board, &progress, arguments.style)?;

    let mut malformed: Vec<&Malformed> = script.history.malformed.iter().chain(&refused).collect();
    malformed.sort();
    malformed.iter().for_each(|malformed| eprintln!("{malformed}"));
    if !malformed.is_empty() {
        println!("{} lines were malformed or could not be played", malformed.len());
    }
    println!(
        "{} changes, {:.0}/s; from commit to redraw {:.1?} (median of {}), at most {:.1?}",
        script.history.changes.len(),
        progress.rate(),
        delays.median(),
        delays.count(),
        delays.longest()
    );
    Ok(stale)
}

/// The changes, no faster than they are wanted.
fn paced<'a>(changes: &'a [(usize, Change)], arguments: &Arguments) -> impl Iterator<Item = &'a (usize, Change)> {
    const DRAWN_PACE: u32 = 300;
    let is_shown = arguments.style == Style::Drawn && arguments.history.is_none();
    let ticks = arguments.pace.or(is_shown.then_some(DRAWN_PACE)).map(|pace| tick(Duration::from_secs(1) / pace));
    // Ticks never end, so there is always one to wait for.
    changes.iter().inspect(move |_| _ = ticks.as_ref().map(Receiver::recv))
}
