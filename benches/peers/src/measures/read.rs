//! `get_fresh`, `get_reused`, `range_20` and `range_100`: random reads, every row decoded,
//! in slices.

use anyhow::{Result, ensure};

use super::{
    Context, Loaded,
    slices::{group, rate, take_turns},
};
use crate::{
    results::Results,
    rows::{Category, ROWS_PER_PAIR, ROWS_PER_PROJECT, Random},
    systems::{Engine, System},
};

/// Reads between two looks at the clock.
const READS_PER_LOOK: usize = 16;

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if !context.wants_any(&["get_fresh", "get_reused", "range_20", "range_100"]) {
        return Ok(());
    }
    let databases = context.databases(Engine::DURABLE)?;
    for (_, loaded) in &databases {
        read_everything(&*loaded.system, context)?;
    }
    measure(context, results, "get_fresh", &databases, |system, random| {
        repeated(READS_PER_LOOK, || system.get(1 + random.below(context.rows())))
    })?;
    measure(context, results, "get_reused", &databases, |system, random| {
        // One transaction for as many reads as there are rows, which takes about a slice.
        let ids: Vec<u64> = (0..context.rows()).map(|_| 1 + random.below(context.rows())).collect();
        system.get_many(&ids)
    })?;
    measure(context, results, "range_20", &databases, |system, random| {
        repeated(READS_PER_LOOK, || {
            let project_id = 1 + random.below(context.projects);
            let found = system.by_project_and_category(project_id, Category::from_random(random.next()))?;
            ensure!(found == ROWS_PER_PAIR, "{found} rows of a pair");
            Ok(())
        })
    })?;
    measure(context, results, "range_100", &databases, |system, random| {
        repeated(READS_PER_LOOK, || {
            let found = system.by_project(1 + random.below(context.projects))?;
            ensure!(found == ROWS_PER_PROJECT, "{found} rows of a project");
            Ok(())
        })
    })?;
    databases.into_iter().try_for_each(|(_, loaded)| loaded.remove())
}

/// Lets the systems take turns with a read, which answers how many reads it was.
fn measure(
    context: &Context,
    results: &mut Results,
    measure: &'static str,
    databases: &[(&'static str, Loaded)],
    read: impl Fn(&dyn System, &mut Random) -> Result<usize>,
) -> Result<()> {
    if !context.wants(measure) {
        return Ok(());
    }
    let read = &read;
    let slice = |system: &dyn System, round| {
        let mut random = Random::new(3_000 + round);
        rate(context.slice, || read(system, &mut random))
    };
    take_turns(context.rounds, vec![group(measure, databases, slice)], results)
}

fn repeated<T>(times: usize, mut read: impl FnMut() -> Result<T>) -> Result<usize> {
    (0..times).try_for_each(|_| read().map(drop))?;
    Ok(times)
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
