//! A person and two agents land a project together, live in the terminal: chat, jobs, pull requests, servers.
//!
//! The person asks a stand-in for a language model what to begin with and hands out jobs. One agent implements, the other
//! reviews; pull requests arrive as signed webhooks and move their tasks; two servers report how they do. Nobody tells the
//! screen anything: it subscribes to what it shows, and so do the agents to what they wait for.
//!
//! ```text
//! cargo run --example agent_manager
//! cargo run --example agent_manager -- --plain
//! ```
//!
//! - `plan.rs`: the project at its beginning. `person.rs`, `agents.rs`, `servers.rs`: who acts.
//! - `github.rs`, `provider.rs`: stand-ins for the world outside.
//! - `queries.rs`: two queries of the host's own, beside those of the module.
//! - `view.rs`: all that is subscribed to; `screen.rs` and `lines.rs`: how it looks.
//! - `pace.rs`: how long a pause is, and how to wait for something to come true. `check.rs`: how the story must end.

mod agents;
mod check;
mod github;
mod lines;
mod pace;
mod person;
mod plan;
mod provider;
mod queries;
mod screen;
mod servers;
mod view;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode, thread};

use agents::Agent;
use crossbeam_channel::{Sender, bounded};
use github::Github;
use pace::Pace;
use plan::Plan;
use provider::StandIn;
use screen::{Screen, Style};
use tropism::{agent_manager::AgentManager, prelude::*};
use view::{Subscriptions, View};

/// Whatever ends the story early.
type Failure = Box<dyn std::error::Error + Send + Sync>;

const USAGE: &str = "\
A person and two agents work on a project.

  --database DIR   keep the database in this folder, which must not hold one with a project in it (default: in memory)
  --plain          print a line for each change, as fast as it goes (default where the output is no terminal)
";

struct Arguments {
    database: Option<PathBuf>,
    style: Style,
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprint!("agent_manager: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(differences) if differences.is_empty() => {
            println!("the end is as the story has it");
            ExitCode::SUCCESS
        }
        Ok(differences) => {
            differences.iter().for_each(|difference| eprintln!("agent_manager: {difference}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("agent_manager: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None`: only the usage is wanted.
fn arguments(mut given: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let style = if std::io::stdout().is_terminal() { Style::Drawn } else { Style::Plain };
    let mut arguments = Arguments { database: None, style };
    while let Some(option) = given.next() {
        match option.as_str() {
            "--database" => arguments.database = Some(given.next().ok_or("--database needs a folder")?.into()),
            "--plain" => arguments.style = Style::Plain,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("{option:?} is not an option")),
        }
    }
    Ok(Some(arguments))
}

/// Plays the story and answers what is not as it must be in the end: as the live queries have it, and, where it is on
/// disk, once more as it reads after the database was closed and opened again.
fn run(arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let (ended, is_ended) = bounded(0);
    let pace = Pace::new(arguments.style == Style::Drawn, is_ended);
    let open = || {
        let agent_manager = AgentManager::new().provider(StandIn::new(pace.clone()));
        let builder = Db::builder().module(agent_manager).module(queries::OwnFunctions);
        match &arguments.database {
            Some(folder) => builder.open(folder),
            None => builder.in_memory(),
        }
    };
    let db = open()?;
    let plan = Plan::make(&db)?;
    let subscriptions = Subscriptions::new(&db, &plan)?;
    let mut screen = Screen::new(arguments.style)?;
    play(&db, &plan, &subscriptions, &pace, &mut screen, ended)?;

    let view = subscriptions.settled(&db, &plan)?;
    screen.show_last(&view)?;
    let mut differences = check::differences(&view);
    db.close()?;
    if arguments.database.is_some() {
        let db = open()?;
        differences.extend(check::differences(&View::read(&db, &plan)?));
        db.close()?;
    }
    Ok(differences)
}

/// Everybody acts, each on a thread, until the person's story is told and the servers have reported their hour.
fn play(
    db: &Db,
    plan: &Plan,
    subscriptions: &Subscriptions,
    pace: &Pace,
    screen: &mut Screen,
    ended: Sender<()>,
) -> Result<(), Failure> {
    let github = Github::new(db);
    let agent = |name| Agent { name, db, github: &github, pace };
    thread::scope(|scope| {
        let screen = scope.spawn(|| screen.follow(subscriptions, pace.ended()));
        let builder = scope.spawn(|| agent("builder").run(agents::IMPLEMENT, agents::implement));
        let reviewer = scope.spawn(|| agent("reviewer").run(agents::REVIEW, agents::review));
        let machines = scope.spawn(|| servers::report(db, plan, pace));
        let told = person::tell(db, plan, &github, pace).and_then(|()| joined(machines.join()));
        // Everybody who waits for more to do sees that there is none.
        drop(ended);
        // What an agent failed with is why the person waited in vain, so it comes first.
        joined(builder.join()).and(joined(reviewer.join())).and(told).and(joined(screen.join()))
    })
}

fn joined(ended: thread::Result<Result<(), Failure>>) -> Result<(), Failure> {
    ended.unwrap_or_else(|_| Err("a thread of the story panicked".into()))
}
