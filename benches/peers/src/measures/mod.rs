//! What is measured, a file per group: `disk` the bound of every durable figure, `insert` durable inserts and the bulk
//! load, `update` relaxed updates, `read` points and ranges, `subscribe` a live query's latency, `fanout` the cost of
//! many of them to a writer, `schedule` jobs that are scheduled and run, `footprint` opening, disk and memory.

mod disk;
mod fanout;
mod footprint;
mod insert;
mod read;
pub(crate) mod schedule;
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
pub(crate) const NAMES: [&str; 19] = [
    "disk_sync",
    "durable_insert_1",
    "durable_insert_8",
    "durable_insert_64",
    "relaxed_update_1",
    "bulk_load",
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
    "disk_size",
    "peak_memory",
];

pub(crate) const MEGABYTE: f64 = 1e6;

/// Rows in one transaction of a load.
const ROWS_PER_TRANSACTION: usize = 1_000;

/// Takes every measure that is asked for.
pub(crate) fn run(context: &Context, results: &mut Results) -> Result<()> {
    disk::run(context, results)?;
    insert::run(context, results)?;
    update::run(context, results)?;
    read::run(context, results)?;
    subscribe::run(context, results)?;
    fanout::run(context, results)?;
    schedule::run(context, results)?;
    footprint::run(context, results)
}

/// How much is measured, and where.
#[derive(Debug)]
pub(crate) struct Context {
    /// Runs of each system in each measure.
    runs: usize,
    /// Projects of the loaded rows, 100 rows each.
    projects: u64,
    /// How long one run of a rate goes on.
    window: Duration,
    /// Single operations of one run of a latency.
    samples: usize,
    /// Jobs that are scheduled and run.
    jobs: u64,
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
        let (runs, projects, window_ms, samples, jobs) =
            if arguments.quick { (2, 200, 400, 500, 5_000) } else { (5, 1_000, 1_500, 5_000, 100_000) };
        Ok(Self {
            runs: arguments.runs.unwrap_or(runs),
            projects,
            window: Duration::from_millis(window_ms),
            samples,
            jobs,
            only: arguments.only.clone(),
            systems: arguments.systems.clone(),
            directory,
        })
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

/// Inserts the dataset in transactions of 1,000 rows; answers the time inside them.
pub(crate) fn load(system: &dyn System, projects: u64) -> Result<Duration> {
    let mut dataset = Dataset::new(projects);
    let mut elapsed = Duration::ZERO;
    loop {
        let rows = dataset.batch(ROWS_PER_TRANSACTION);
        if rows.is_empty() {
            return Ok(elapsed);
        }
        let start = Instant::now();
        system.insert(rows)?;
        elapsed += start.elapsed();
    }
}

/// Writes everything that the operating system still holds back, of this measure's preparation or the last one's
/// rest, so that it does not come in the way of a sync that is measured.
fn quiet_disk() -> Result<()> {
    let status = process::Command::new("sync").status().context("the command `sync` runs")?;
    ensure!(status.success(), "the command `sync` failed");
    Ok(())
}
