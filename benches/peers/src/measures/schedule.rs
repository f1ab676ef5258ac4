//! `schedule_100k`: durable mutations that are scheduled as jobs and run, in jobs per second.
//!
//! A job inserts one row, its number and a text of 100 bytes, into a table of the application. It is on the disk when
//! its scheduling returns, and done when its row and the note that it is done are there too. The clock runs from the
//! first job that is scheduled until the last one is done. Each system schedules and runs in the way that is fastest
//! for it; afterwards it must find each row exactly once and no job that is not done.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};

use super::{Context, quiet_disk};
use crate::{
    results::{Results, Unit},
    systems::{apalis_sqlite, tropism},
};

/// Digits of a job's number in its text.
const NUMBER_BYTES: usize = 20;
const TEXT_BYTES: usize = 100;

/// The systems that can run what was scheduled.
#[derive(Debug, Clone, Copy)]
enum Scheduler {
    Tropism,
    ApalisSqlite,
}

impl Scheduler {
    const ALL: [Self; 2] = [Self::Tropism, Self::ApalisSqlite];

    const fn name(self) -> &'static str {
        match self {
            Self::Tropism => "tropism",
            Self::ApalisSqlite => apalis_sqlite::NAME,
        }
    }

    /// Schedules and runs so many jobs in a new database in an existing directory; answers the time that it took.
    fn schedule_and_run(self, directory: &Path, jobs: u64) -> Result<Duration> {
        match self {
            Self::Tropism => tropism::schedule_and_run(directory, jobs),
            Self::ApalisSqlite => apalis_sqlite::schedule_and_run(directory, jobs),
        }
    }
}

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if !context.wants("schedule_100k") {
        return Ok(());
    }
    for _ in 0..context.runs {
        for scheduler in Scheduler::ALL {
            if !context.wants_system(scheduler.name()) {
                continue;
            }
            let directory = context.empty_directory()?;
            quiet_disk()?;
            let elapsed = scheduler
                .schedule_and_run(directory.path(), context.jobs)
                .with_context(|| format!("{} schedules and runs", scheduler.name()))?;
            let rate = context.jobs as f64 / elapsed.as_secs_f64();
            results.add("schedule_100k", scheduler.name(), Unit::PerSecond, rate);
            directory.close()?;
        }
    }
    Ok(())
}

/// The text that the job of this number stores.
pub(crate) fn job_text(number: u64) -> String {
    let filling = "a job that was scheduled and run beside others, whose text is this long. ";
    format!("{number:0NUMBER_BYTES$} {filling:.<width$}", width = TEXT_BYTES - NUMBER_BYTES - 1)
}
