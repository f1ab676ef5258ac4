//! `fanout_0` and `fanout_10k`: what a relaxed commit of one row costs its writer with no live query and with 10,000,
//! of which each commit touches one. tropism alone; its own figure without subscribers is the rival.

use std::time::Instant;

use anyhow::Result;

use super::{Context, load, quiet_disk};
use crate::{
    results::{Results, Unit, median},
    rows::{Category, Random},
    systems::{
        Durability, System,
        tropism::{self, Task, Tropism},
    },
};

/// Projects into which rows are inserted; each pair of one and a category has its live query.
const PROJECTS: u64 = 2_000;
/// Commits before the clock starts.
const WARM_UP: usize = 200;

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if !context.wants_any(&["fanout_0", "fanout_10k"]) || !context.wants_system("tropism") {
        return Ok(());
    }
    for run in 0..context.runs {
        let directory = context.empty_directory()?;
        let system = Tropism::open(directory.path(), Durability::Relaxed)?;
        load(&system, context.projects)?;
        system.settle()?;
        quiet_disk()?;
        let mut random = Random::new(5_000 + run as u64);
        let alone = commit_micros(&system, &mut random, context.samples)?;
        let subscriptions = subscribe_to_every_pair(&system)?;
        let watched = commit_micros(&system, &mut random, context.samples)?;
        drop(subscriptions);
        for (measure, value) in [("fanout_0", alone), ("fanout_10k", watched)] {
            if context.wants(measure) {
                results.add(measure, "tropism", Unit::Microseconds, value);
            }
        }
        Box::new(system).close()?;
        directory.close()?;
    }
    Ok(())
}

/// One live query for each pair; their first results are taken, as a subscriber would.
fn subscribe_to_every_pair(system: &Tropism) -> Result<Vec<impl Sized + use<>>> {
    let mut subscriptions = Vec::new();
    for project_id in 1..=PROJECTS {
        for category in Category::ALL.map(tropism::Category::from) {
            let subscription = system
                .database()
                .watch(move |tx| tx.query(Task::by_project_and_category).eq((project_id, category)).collect())?;
            if let Some(Err(error)) = subscription.recv() {
                return Err((*error).clone().into());
            }
            subscriptions.push(subscription);
        }
    }
    Ok(subscriptions)
}

/// The median cost of a commit that inserts a row of a random pair.
fn commit_micros(system: &Tropism, random: &mut Random, samples: usize) -> Result<f64> {
    let mut micros = Vec::with_capacity(samples);
    for sample in 0..WARM_UP + samples {
        let task = Task::from(random.row(PROJECTS));
        let start = Instant::now();
        system.database().write(|tx| tx.insert(task))?;
        if sample >= WARM_UP {
            micros.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(median(&micros))
}
