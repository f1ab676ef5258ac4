//! Rates in slices, so that every system meets every phase of the disk and of the machine.
//!
//! A disk is fast in one minute and slow in the next. Systems that have a minute each are compared by their luck. Here
//! all databases are open at once, and each system works for a slice of a fifth of a second in its turn, round after
//! round. What is compared is two slices of one round, and what counts is the median of these ratios.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::Loaded;
use crate::{
    results::{Results, Unit},
    systems::System,
};

/// One system's part in one measure.
pub(super) struct Contestant<'a> {
    pub(super) measure: &'static str,
    pub(super) system: &'static str,
    /// Works for one slice of this round; answers its rate per second.
    pub(super) slice: Box<dyn FnMut(u64) -> Result<f64> + 'a>,
}

/// The same slice for each database of a measure.
pub(super) fn group<'a>(
    measure: &'static str,
    databases: &'a [(&'static str, Loaded)],
    slice: impl Fn(&dyn System, u64) -> Result<f64> + Copy + 'a,
) -> Vec<Contestant<'a>> {
    let contestant = |(system, loaded): &'a (&'static str, Loaded)| Contestant {
        measure,
        system,
        slice: Box::new(move |round| slice(&*loaded.system, round)),
    };
    databases.iter().map(contestant).collect()
}

/// Lets each contestant work for a slice, round after round. The contestants of one group follow each other, so that
/// what is compared with each other is measured close to each other.
pub(super) fn take_turns(rounds: usize, mut groups: Vec<Vec<Contestant<'_>>>, results: &mut Results) -> Result<()> {
    for round in 0..rounds {
        for group in &mut groups {
            for at in order(group.len(), round) {
                let Contestant { measure, system, slice } = &mut group[at];
                let rate = slice(round as u64).with_context(|| format!("{system} in {measure}"))?;
                results.add_quietly(measure, system, Unit::PerSecond, rate);
            }
        }
    }
    for contestant in groups.iter().flatten() {
        results.report(contestant.measure, contestant.system);
    }
    Ok(())
}

/// Whose turn it is in a round of `count` contestants. Each round begins with another one, and every second round goes
/// backwards, so that nobody always follows the same neighbour.
pub(super) fn order(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    if count > 0 {
        order.rotate_left(round / 2 % count);
    }
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// Repeats `work`, which answers how many operations it did, until the slice is over; answers the operations per second.
pub(super) fn rate(slice: Duration, mut work: impl FnMut() -> Result<usize>) -> Result<f64> {
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < slice {
        done += work()?;
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}
