//! What has to happen in a process of its own: a load whose memory is measured, and a crash.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write, stdout},
    path::PathBuf,
    process::{self, Stdio},
    thread,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    measures::load,
    rows::{Category, ROWS_PER_PROJECT, Random},
    systems::Engine,
};

/// Changes between the checkpoint and the crash: they fill tropism's log to a little less than what starts the next
/// checkpoint by itself, so that an open has as much to replay as it can ever have.
const CHANGES_BEFORE_CRASH: usize = 28_000;
/// Changes in one of those transactions.
const CHANGES_PER_TRANSACTION: usize = 1_000;

/// Loads a database in a process of its own.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) engine: Engine,
    pub(crate) ending: Ending,
    pub(crate) projects: u64,
    pub(crate) directory: PathBuf,
}

/// How the child leaves its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Checkpointed and closed.
    Closed,
    /// Checkpointed, then changed until the system's log is full, then killed.
    Killed,
}

impl Ending {
    const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Killed => "killed",
        }
    }

    pub(crate) fn from_label(label: &str) -> Result<Self> {
        match label {
            "closed" => Ok(Self::Closed),
            "killed" => Ok(Self::Killed),
            _ => bail!("{label} is not an ending"),
        }
    }
}

impl Child {
    /// Starts the process, lets it do its work and ends it. Answers the most memory it ever had, in bytes.
    pub(crate) fn start(&self) -> Result<u64> {
        let mut process = process::Command::new(env::current_exe()?)
            .args(["--child", self.engine.name(), self.ending.label(), &self.projects.to_string()])
            .arg(&self.directory)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().context("the child's output is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        if self.ending == Ending::Killed {
            process.kill()?;
        }
        let status = process.wait()?;
        ensure!(
            self.ending == Ending::Killed || status.success(),
            "the child of {} failed: {status}",
            self.engine.name()
        );
        line.trim().parse().with_context(|| format!("the child of {} did not finish its load", self.engine.name()))
    }

    /// The child's side of [`Child::start`]: one line on the standard output when all is done.
    pub(crate) fn run(&self) -> Result<()> {
        let system = self.engine.open(&self.directory)?;
        load(&*system, self.projects)?;
        system.settle()?;
        match self.ending {
            Ending::Closed => {
                system.close()?;
                report_memory()
            }
            Ending::Killed => {
                let mut random = Random::new(7);
                let rows = self.projects * ROWS_PER_PROJECT as u64;
                for _ in 0..CHANGES_BEFORE_CRASH / CHANGES_PER_TRANSACTION {
                    let changes: Vec<_> = (0..CHANGES_PER_TRANSACTION)
                        .map(|_| (1 + random.below(rows), Category::from_random(random.next())))
                        .collect();
                    system.change_categories(&changes)?;
                }
                report_memory()?;
                loop {
                    thread::park();
                }
            }
        }
    }
}

fn report_memory() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let bytes = kilobytes.context("the system tells the peak of memory")?.parse::<u64>()? * 1024;
    println!("{bytes}");
    Ok(stdout().flush()?)
}
