//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::{
    child::{Child, Ending},
    measures,
    systems::{Engine, apalis_sqlite},
};

pub(crate) const HELP: &str = "\
tropism beside other embedded databases.

  --json FILE       write one JSON object per line: measure, system, value, unit, and the quartiles low and high;
                    then tropism's ratios to its rivals: measure, system, rival, ratio, low, high
  --quick           fewer rows and short runs
  --only MEASURE    only this measure (may be repeated)
  --system NAME     only this system (may be repeated)
  --rounds N        rounds of slices in measures of rates (default 21; quick 3)
  --runs N          runs of each system in the other measures (default 5; quick 2)
  --directory DIR   where the databases are written (default: beside this program)";

/// What the program is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Measure(Arguments),
    /// Started by this program itself.
    Child(Child),
}

/// Which measures to take, and how.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) json: Option<PathBuf>,
    pub(crate) quick: bool,
    pub(crate) only: Vec<String>,
    pub(crate) systems: Vec<String>,
    pub(crate) rounds: Option<usize>,
    pub(crate) runs: Option<usize>,
    pub(crate) directory: Option<PathBuf>,
}

impl Command {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut parsed = Arguments::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--json" => parsed.json = Some(value()?.into()),
                "--quick" => parsed.quick = true,
                "--only" => parsed.only.push(known(value()?, &measures::NAMES, "measure")?),
                "--system" => parsed.systems.push(known(value()?, &system_names(), "system")?),
                "--rounds" => parsed.rounds = Some(positive(&argument, &value()?)?),
                "--runs" => parsed.runs = Some(positive(&argument, &value()?)?),
                "--directory" => parsed.directory = Some(value()?.into()),
                "--help" | "-h" => return Ok(Self::Help),
                "--child" => return child(arguments),
                _ => bail!("{argument} is not an argument\n\n{HELP}"),
            }
        }
        Ok(Self::Measure(parsed))
    }
}

fn system_names() -> Vec<&'static str> {
    let mut names: Vec<_> =
        Engine::ALL.iter().map(|engine| engine.name()).chain(["by_hand", "disk", apalis_sqlite::NAME]).collect();
    names.dedup();
    names
}

fn known(name: String, names: &[&str], what: &str) -> Result<String> {
    ensure!(names.contains(&name.as_str()), "{name} is not a {what}; there are {}", names.join(", "));
    Ok(name)
}

fn positive(argument: &str, text: &str) -> Result<usize> {
    let number = text.parse().with_context(|| format!("{argument} {text} is not a number"))?;
    ensure!(number > 0, "{argument} 0 measures nothing");
    Ok(number)
}

/// `--child ENGINE ENDING PROJECTS DIRECTORY`, as [`Child::start`] writes it.
fn child(mut arguments: impl Iterator<Item = String>) -> Result<Command> {
    let mut next =
        || arguments.next().context("a child needs an engine, an ending, a number of projects and a directory");
    Ok(Command::Child(Child {
        engine: Engine::durable(&next()?)?,
        ending: Ending::from_label(&next()?)?,
        projects: next()?.parse()?,
        directory: next()?.into(),
    }))
}
