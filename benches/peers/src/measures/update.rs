//! `relaxed_update_1`: the change of an indexed field, visible to the next read and not yet on the disk, in slices.

use anyhow::Result;

use super::{
    Context, quiet_disk,
    slices::{group, rate, take_turns},
};
use crate::{
    results::Results,
    rows::{Category, Random},
    systems::{Engine, System},
};

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if !context.wants("relaxed_update_1") {
        return Ok(());
    }
    let databases = context.databases(Engine::RELAXED)?;
    let slice = |system: &dyn System, round| {
        quiet_disk()?;
        let mut random = Random::new(2_000 + round);
        rate(context.slice, || {
            let id = 1 + random.below(context.rows());
            system.change_categories(&[(id, Category::from_random(random.next()))])?;
            Ok(1)
        })
    };
    take_turns(context.rounds, vec![group("relaxed_update_1", &databases, slice)], results)?;
    databases.into_iter().try_for_each(|(_, loaded)| loaded.remove())
}
