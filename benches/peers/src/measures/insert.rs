//! `durable_insert_1`, `_8`, `_64` and `bulk_load`: inserts that are on the disk when their transaction returns.

use std::{sync::Barrier, thread, time::Instant};

use anyhow::{Result, anyhow};

use super::{Context, load, quiet_disk};
use crate::{
    results::{Results, Unit},
    rows::Random,
    systems::{Engine, System},
};

const THREADS: [(&str, usize); 3] = [("durable_insert_1", 1), ("durable_insert_8", 8), ("durable_insert_64", 64)];

/// Inserts before the clock starts.
const WARM_UP: usize = 50;

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    for (measure, threads) in THREADS {
        if !context.wants(measure) {
            continue;
        }
        for run in 0..context.runs {
            for engine in context.engines(Engine::DURABLE) {
                let loaded = context.loaded(engine)?;
                let rate = durable_inserts(&*loaded.system, context, threads, run as u64)?;
                results.add(measure, engine.name(), Unit::PerSecond, rate);
                loaded.remove()?;
            }
        }
    }
    if context.wants("bulk_load") {
        for _ in 0..context.runs {
            for engine in context.engines(Engine::DURABLE) {
                bulk_load(context, engine, results)?;
            }
        }
    }
    Ok(())
}

/// Inserts a row per transaction from so many threads; answers the transactions per second of all together.
fn durable_inserts(system: &dyn System, context: &Context, threads: usize, run: u64) -> Result<f64> {
    let mut random = Random::new(1_000 + run);
    for _ in 0..WARM_UP {
        system.insert(vec![random.row(context.projects)])?;
    }
    let barrier = Barrier::new(threads + 1);
    let insert = |seed: u64| -> Result<usize> {
        let mut random = Random::new(seed);
        let mut inserted = 0;
        barrier.wait();
        let start = Instant::now();
        while start.elapsed() < context.window {
            system.insert(vec![random.row(context.projects)])?;
            inserted += 1;
        }
        Ok(inserted)
    };
    thread::scope(|scope| {
        let insert = &insert;
        let workers: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || insert((run << 32) + thread as u64))).collect();
        barrier.wait();
        let start = Instant::now();
        let mut inserted = 0;
        for worker in workers {
            inserted += worker.join().map_err(|_| anyhow!("a thread that inserts panicked"))??;
        }
        Ok(inserted as f64 / start.elapsed().as_secs_f64())
    })
}

fn bulk_load(context: &Context, engine: Engine, results: &mut Results) -> Result<()> {
    let directory = context.empty_directory()?;
    let system = engine.open(directory.path())?;
    quiet_disk()?;
    let elapsed = load(&*system, context.projects)?;
    results.add("bulk_load", engine.name(), Unit::PerSecond, context.rows() as f64 / elapsed.as_secs_f64());
    system.close()?;
    Ok(directory.close()?)
}
