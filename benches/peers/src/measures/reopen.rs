//! `reopen_first` and `reopen_200`: the first and the last of 200 opens, each followed by 100 relaxed updates and by a
//! drop without a close. A program that is often started for a short while must not start more slowly every time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{Context, load};
use crate::{
    results::{Results, Unit},
    rows::{Category, Random},
    systems::Engine,
};

/// Updates between an open and the drop after it.
const UPDATES: usize = 100;
/// Rows that are updated: the first ones.
const UPDATED_ROWS: u64 = 1_000;

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if !context.wants_any(&["reopen_first", "reopen_200"]) {
        return Ok(());
    }
    for _ in 0..context.reopen_runs() {
        for engine in context.engines(Engine::RELAXED_IF_ANY) {
            let (first, last) = reopen(context, engine).with_context(|| format!("{} opens again", engine.name()))?;
            for (measure, elapsed) in [("reopen_first", first), ("reopen_200", last)] {
                if context.wants(measure) {
                    results.add(measure, engine.name(), Unit::Milliseconds, elapsed.as_secs_f64() * 1e3);
                }
            }
        }
    }
    Ok(())
}

/// The times of the first and the last open of a database that was loaded and closed.
fn reopen(context: &Context, engine: Engine) -> Result<(Duration, Duration)> {
    let directory = context.empty_directory()?;
    let system = engine.open(directory.path())?;
    load(&*system, context.projects)?;
    system.settle()?;
    system.close()?;
    let mut random = Random::new(6_000);
    let mut times = Vec::with_capacity(context.reopens);
    for _ in 0..context.reopens {
        let start = Instant::now();
        let system = engine.open(directory.path())?;
        // Some systems put off work until they are asked.
        system.by_project_and_category(1, Category::Todo)?;
        times.push(start.elapsed());
        system.recall(UPDATED_ROWS)?;
        for _ in 0..UPDATES {
            let id = 1 + random.below(UPDATED_ROWS);
            system.change_categories(&[(id, Category::from_random(random.next()))])?;
        }
    }
    directory.close()?;
    let first = times.first().context("there is a first open")?;
    Ok((*first, *times.last().unwrap_or(first)))
}
