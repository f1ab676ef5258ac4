//! `relaxed_update_1`: the change of an indexed field, visible to the next read and not yet on the disk.

use std::time::Instant;

use anyhow::Result;

use super::Context;
use crate::{
    results::{Results, Unit},
    rows::{Category, Random},
    systems::Engine,
};

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if !context.wants("relaxed_update_1") {
        return Ok(());
    }
    for run in 0..context.runs {
        for engine in context.engines(Engine::RELAXED) {
            let loaded = context.loaded(engine)?;
            let mut random = Random::new(2_000 + run as u64);
            let start = Instant::now();
            let mut updates = 0;
            while start.elapsed() < context.window {
                let id = 1 + random.below(context.rows());
                loaded.system.change_categories(&[(id, Category::from_random(random.next()))])?;
                updates += 1;
            }
            let rate = f64::from(updates) / start.elapsed().as_secs_f64();
            results.add("relaxed_update_1", engine.name(), Unit::PerSecond, rate);
            loaded.remove()?;
        }
    }
    Ok(())
}
