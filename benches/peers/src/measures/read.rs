//! `get_fresh`, `get_reused`, `range_20` and `range_100`: random reads, every row decoded.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::{Context, Loaded};
use crate::{
    results::{Results, Unit},
    rows::{Category, ROWS_PER_PAIR, ROWS_PER_PROJECT, Random},
    systems::{Engine, System},
};

/// Reads between two looks at the clock.
const READS_PER_LOOK: usize = 16;

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if !context.wants_any(&["get_fresh", "get_reused", "range_20", "range_100"]) {
        return Ok(());
    }
    let mut databases = Vec::new();
    for engine in context.engines(Engine::DURABLE) {
        let loaded = context.loaded(engine)?;
        read_everything(&*loaded.system, context)?;
        databases.push((engine.name(), loaded));
    }
    measure(context, results, "get_fresh", &databases, |system, random| {
        system.get(1 + random.below(context.rows()))?;
        Ok(())
    })?;
    if context.wants("get_reused") {
        for run in 0..context.runs {
            for (name, loaded) in &databases {
                results.add("get_reused", name, Unit::PerSecond, reused(&*loaded.system, context, run as u64)?);
            }
        }
    }
    measure(context, results, "range_20", &databases, |system, random| {
        let project_id = 1 + random.below(context.projects);
        let found = system.by_project_and_category(project_id, Category::from_random(random.next()))?;
        ensure!(found == ROWS_PER_PAIR, "{found} rows of a pair");
        Ok(())
    })?;
    measure(context, results, "range_100", &databases, |system, random| {
        let found = system.by_project(1 + random.below(context.projects))?;
        ensure!(found == ROWS_PER_PROJECT, "{found} rows of a project");
        Ok(())
    })?;
    databases.into_iter().try_for_each(|(_, loaded)| loaded.remove())
}

/// Repeats a read for a while, run by run and system by system.
fn measure(
    context: &Context,
    results: &mut Results,
    measure: &'static str,
    databases: &[(&'static str, Loaded)],
    read: impl Fn(&dyn System, &mut Random) -> Result<()>,
) -> Result<()> {
    if !context.wants(measure) {
        return Ok(());
    }
    for run in 0..context.runs {
        for (name, loaded) in databases {
            let mut random = Random::new(3_000 + run as u64);
            let start = Instant::now();
            let mut reads = 0;
            while start.elapsed() < context.window {
                for _ in 0..READS_PER_LOOK {
                    read(&*loaded.system, &mut random)?;
                }
                reads += READS_PER_LOOK;
            }
            results.add(measure, name, Unit::PerSecond, reads as f64 / start.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

/// Random point reads in one transaction for all: twice as many as there are rows.
fn reused(system: &dyn System, context: &Context, run: u64) -> Result<f64> {
    let mut random = Random::new(4_000 + run);
    let ids: Vec<u64> = (0..2 * context.rows()).map(|_| 1 + random.below(context.rows())).collect();
    let start = Instant::now();
    let found = system.get_many(&ids)?;
    Ok(found as f64 / start.elapsed().as_secs_f64())
}

/// Fills the system's caches.
fn read_everything(system: &dyn System, context: &Context) -> Result<()> {
    let ids: Vec<u64> = (1..=context.rows()).collect();
    system.get_many(&ids)?;
    for project_id in 1..=context.projects {
        system.by_project(project_id)?;
        for category in Category::ALL {
            system.by_project_and_category(project_id, category)?;
        }
    }
    Ok(())
}
