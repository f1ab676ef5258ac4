//! `bulk_load`, `bulk_load_4m` and `write_stall`: loads into a new database, in durable transactions of 1,000 rows.
//!
//! A slice of `bulk_load` is a whole load of 100,000 rows: a part of one would leave its background work to the next
//! system's slice. `bulk_load_4m` is one load of 4,000,000 rows by each system, long enough that the work which a system
//! puts off comes due; `write_stall` is the longest of its transactions.

use anyhow::{Context as _, Result};

use super::{
    Context, Load, load, quiet_disk,
    slices::{Contestant, take_turns},
};
use crate::{
    results::{Results, Unit},
    rows::ROWS_PER_PROJECT,
    systems::Engine,
};

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if context.wants("bulk_load") {
        let contestant = |engine: Engine| Contestant {
            measure: "bulk_load",
            system: engine.name(),
            slice: Box::new(move |_| Ok(rate(context.projects, load_new(context, engine, context.projects)?))),
        };
        let contestants = context.engines(Engine::DURABLE).into_iter().map(contestant).collect();
        take_turns(context.loads(), vec![contestants], results)?;
    }
    if context.wants_any(&["bulk_load_4m", "write_stall"]) {
        for engine in context.engines(Engine::DURABLE) {
            let load = load_new(context, engine, context.large_projects)?;
            if context.wants("bulk_load_4m") {
                let rate = rate(context.large_projects, load);
                results.add("bulk_load_4m", engine.name(), Unit::PerSecond, rate);
            }
            if context.wants("write_stall") {
                results.add("write_stall", engine.name(), Unit::Milliseconds, load.longest.as_secs_f64() * 1e3);
            }
        }
    }
    Ok(())
}

/// Loads a database that is new, and removes it.
fn load_new(context: &Context, engine: Engine, projects: u64) -> Result<Load> {
    let directory = context.empty_directory()?;
    let system = engine.open(directory.path())?;
    quiet_disk()?;
    let load = load(&*system, projects).with_context(|| format!("{} loads", engine.name()))?;
    system.close()?;
    directory.close()?;
    Ok(load)
}

/// Rows per second.
fn rate(projects: u64, load: Load) -> f64 {
    (projects * ROWS_PER_PROJECT as u64) as f64 / load.total.as_secs_f64()
}
