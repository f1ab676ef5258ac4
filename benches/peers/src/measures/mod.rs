//! What is measured, a file per group: `disk` the bound of every durable figure, `insert` durable inserts, `bulk` loads,
//! `update` relaxed updates, `queue` a table that is used as one, `read` points and ranges, `subscribe` a live query's
//! latency, `fanout` the cost of many of them to a writer, `schedule` jobs that are scheduled and run, `reopen` many short
//! lives of one database, `footprint` opening, disk and memory. `slices` is how rates are measured.

mod bulk;
mod disk;
mod fanout;
mod footprint;
mod insert;
mod queue;
mod read;
mod reopen;
pub(crate) mod schedule;
mod slices;
mod subscribe;
mod update;

use std::{
    path::PathBuf,
    process,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{
    arguments::Arguments,
    results::Results,
    rows::{Dataset, ROWS_PER_PROJECT},
    systems::{Engine, System},
};

/// Every measure that there is.
pub(crate) const NAMES: [&str; 26] = [
    "disk_sync",
    "log_sync",
    "durable_insert_1",
    "durable_insert_8",
    "durable_insert_64",
    "relaxed_update_1",
    "queue_pop_first",
    "queue_pop",
    "bulk_load",
    "bulk_load_4m",
    "write_stall",
    "get_fresh",
    "get_reused",
    "range_20",
    "range_100",
    "subscribe_latency",
    "subscribe_latency_p99",
    "fanout_0",
    "fanout_10k",
    "schedule_100k",
    "open_clean",
    "open_crashed",
    "reopen_first",
    "reopen_200",
    "disk_size",
    "peak_memory",
];

pub(crate) const MEGABYTE: f64 = 1e6;

/// Rows in one transaction of a load.
const ROWS_PER_TRANSACTION: usize = 1_000;

/// Takes every measure that is asked for.
pub(crate) fn run(context: &Context, results: &mut Results) -> Result<()> {
    insert::run(context, results)?;
    update::run(context, results)?;
    queue::run(context, results)?;
    bulk::run(context, results)?;
    read::run(context, results)?;
    subscribe::run(context, results)?;
    fanout::run(context, results)?;
    schedule::run(context, results)?;
    footprint::run(context, results)?;
    reopen::run(context, results)
}

/// How much is measured, and where.
#[derive(Debug)]
pub(crate) struct Context {
    /// Rounds of slices in each measure of a rate.
    rounds: usize,
    /// Runs of each system in each other measure.
    runs: usize,
    /// Projects of the loaded rows, 100 rows each.
    projects: u64,
    /// Projects of the rows of `bulk_load_4m`.
    large_projects: u64,
    /// How long a slice goes on.
    slice: Duration,
    /// Single operations of one run of a latency.
    samples: usize,
    /// Jobs that are scheduled and run.
    jobs: u64,
    /// How often a database is opened for `reopen_200`.
    reopens: usize,
    /// How long a system may take for `queue_pop`.
    queue_patience: Duration,
    only: Vec<String>,
    systems: Vec<String>,
    directory: PathBuf,
}

impl Context {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self> {
        let directory = match &arguments.directory {
            Some(directory) => directory.clone(),
            // Not the directory for temporary files, which is in memory on many machines.
            None => std::env::current_exe()?.parent().context("the program is in a directory")?.to_path_buf(),
        };
        let (only, systems) = (arguments.only.clone(), arguments.systems.clone());
        let sizes = if arguments.quick {
            Self {
                rounds: 3,
                runs: 2,
                projects: 200,
                large_projects: 400,
                slice: Duration::from_millis(40),
                samples: 500,
                jobs: 5_000,
                reopens: 10,
                queue_patience: Duration::from_secs(5),
                only,
                systems,
                directory,
            }
        } else {
            Self {
                rounds: 21,
                runs: 5,
                projects: 1_000,
                large_projects: 40_000,
                slice: Duration::from_millis(200),
                samples: 5_000,
                jobs: 100_000,
                reopens: 200,
                queue_patience: Duration::from_secs(60),
                only,
                systems,
                directory,
            }
        };
        let rounds = arguments.rounds.unwrap_or(sizes.rounds);
        Ok(Self { rounds, runs: arguments.runs.unwrap_or(sizes.runs), ..sizes })
    }

    /// Rounds of `bulk_load`, whose slices are long.
    const fn loads(&self) -> usize {
        self.rounds.div_ceil(2)
    }

    /// Runs of `reopen_200`, each of which has many opens.
    fn reopen_runs(&self) -> usize {
        self.runs.min(3)
    }

    fn wants(&self, measure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == measure)
    }

    fn wants_any(&self, measures: &[&str]) -> bool {
        measures.iter().any(|measure| self.wants(measure))
    }

    fn wants_system(&self, name: &str) -> bool {
        self.systems.is_empty() || self.systems.iter().any(|system| system == name)
    }

    /// Those of the engines that are asked for.
    fn engines(&self, engines: &[Engine]) -> Vec<Engine> {
        engines.iter().copied().filter(|engine| self.wants_system(engine.name())).collect()
    }

    /// Rows of a loaded database.
    fn rows(&self) -> u64 {
        self.projects * ROWS_PER_PROJECT as u64
    }

    /// An empty directory that is removed with the value.
    fn empty_directory(&self) -> Result<TempDir> {
        Ok(tempfile::Builder::new().prefix("tropism-peers-").tempdir_in(&self.directory)?)
    }

    /// A loaded database of each of the engines that are asked for, all open at once, with their background work done.
    fn databases(&self, engines: &[Engine]) -> Result<Vec<(&'static str, Loaded)>> {
        self.engines(engines).into_iter().map(|engine| Ok((engine.name(), self.loaded(engine)?))).collect()
    }

    /// A loaded database whose background work is done, on a disk that has nothing else to write.
    fn loaded(&self, engine: Engine) -> Result<Loaded> {
        let directory = self.empty_directory()?;
        let system = engine.open(directory.path()).with_context(|| format!("{} opens", engine.name()))?;
        load(&*system, self.projects).with_context(|| format!("{} loads", engine.name()))?;
        system.settle()?;
        quiet_disk()?;
        Ok(Loaded { system, directory })
    }
}

/// A loaded database in a directory of its own.
struct Loaded {
    system: Box<dyn System>,
    directory: TempDir,
}

impl Loaded {
    /// Closes the database and removes it.
    fn remove(self) -> Result<()> {
        self.system.close()?;
        Ok(self.directory.close()?)
    }
}

/// How long the transactions of a load took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Load {
    /// All of them together.
    pub(crate) total: Duration,
    /// The longest.
    pub(crate) longest: Duration,
}

/// Inserts the dataset in transactions of 1,000 rows.
pub(crate) fn load(system: &dyn System, projects: u64) -> Result<Load> {
    let mut dataset = Dataset::new(projects);
    let mut load = Load::default();
    loop {
        let rows = dataset.batch(ROWS_PER_TRANSACTION);
        if rows.is_empty() {
            return Ok(load);
        }
        let start = Instant::now();
        system.insert(rows)?;
        let elapsed = start.elapsed();
        load.total += elapsed;
        load.longest = load.longest.max(elapsed);
    }
}

/// Writes everything that the operating system still holds back, of this measure's preparation or the last one's
/// rest, so that it does not come in the way of a sync that is measured.
fn quiet_disk() -> Result<()> {
    let status = process::Command::new("sync").status().context("the command `sync` runs")?;
    ensure!(status.success(), "the command `sync` failed");
    Ok(())
}
