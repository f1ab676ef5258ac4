//! `durable_insert_1`, `_8` and `_64`: inserts that are on the disk when their transaction returns, in slices.

use std::{mem, sync::Barrier, thread, time::Instant};

use anyhow::{Result, anyhow};

use super::{
    Context, disk, quiet_disk,
    slices::{group, take_turns},
};
use crate::{
    results::Results,
    rows::Random,
    systems::{Engine, System},
};

const THREADS: [(&str, usize); 3] = [("durable_insert_1", 1), ("durable_insert_8", 8), ("durable_insert_64", 64)];

/// Inserts before a slice begins.
const WARM_UP: usize = 10;

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    let directory = context.empty_directory()?;
    let mut disk = disk::contestants(context, directory.path())?;
    let wanted: Vec<_> = THREADS.into_iter().filter(|(measure, _)| context.wants(measure)).collect();
    let databases = if wanted.is_empty() { Vec::new() } else { context.databases(Engine::DURABLE)? };
    let mut groups = Vec::new();
    for (measure, threads) in wanted {
        // The disk takes part in the first group, which is that of one thread unless others are asked for.
        let mut contestants = mem::take(&mut disk);
        contestants
            .extend(group(measure, &databases, move |system, round| durable_inserts(system, context, threads, round)));
        groups.push(contestants);
    }
    if !disk.is_empty() {
        groups.push(disk);
    }
    take_turns(context.rounds, groups, results)?;
    databases.into_iter().try_for_each(|(_, loaded)| loaded.remove())?;
    Ok(directory.close()?)
}

/// Inserts a row per transaction from so many threads; answers the transactions per second of all together.
fn durable_inserts(system: &dyn System, context: &Context, threads: usize, round: u64) -> Result<f64> {
    quiet_disk()?;
    let mut random = Random::new(1_000 + round);
    for _ in 0..WARM_UP {
        system.insert(vec![random.row(context.projects)])?;
    }
    let barrier = Barrier::new(threads + 1);
    let insert = |seed: u64| -> Result<usize> {
        let mut random = Random::new(seed);
        let mut inserted = 0;
        barrier.wait();
        let start = Instant::now();
        while start.elapsed() < context.slice {
            system.insert(vec![random.row(context.projects)])?;
            inserted += 1;
        }
        Ok(inserted)
    };
    thread::scope(|scope| {
        let insert = &insert;
        let workers: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || insert((round << 32) + thread as u64))).collect();
        barrier.wait();
        let start = Instant::now();
        let mut inserted = 0;
        for worker in workers {
            inserted += worker.join().map_err(|_| anyhow!("a thread that inserts panicked"))??;
        }
        Ok(inserted as f64 / start.elapsed().as_secs_f64())
    })
}
