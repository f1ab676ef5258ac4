//! `queue_pop` and `queue_pop_first`: a table used as a queue. Each transaction takes the first row and deletes it,
//! relaxed, until the table is empty. `queue_pop_first` is the rate of the first tenth, `queue_pop` that of the last
//! one, of 100,000 rows 10,000 each. An engine that walks over what was deleted shows the difference.
//!
//! The systems take turns, a hundredth of the rows at a time. Whoever needs longer than [`Context::queue_patience`]
//! stops there, which is said, and its last tenth is the last of what it did.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Context, Loaded, slices::order};
use crate::{
    results::{Results, Unit},
    systems::Engine,
};

/// Turns in which the table becomes empty.
const TURNS: usize = 100;
/// Turns of the first and of the last tenth.
const TENTH: usize = TURNS / 10;

/// A loaded database whose rows are taken one by one.
struct Queue {
    system: &'static str,
    loaded: Loaded,
    /// The rate of each turn.
    rates: Vec<f64>,
    elapsed: Duration,
}

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if !context.wants_any(&["queue_pop", "queue_pop_first"]) {
        return Ok(());
    }
    let databases = context.databases(Engine::RELAXED_IF_ANY)?.into_iter();
    let mut queues: Vec<_> = databases
        .map(|(system, loaded)| Queue { system, loaded, rates: Vec::new(), elapsed: Duration::ZERO })
        .collect();
    let rows = context.rows() / TURNS as u64;
    for turn in 0..TURNS {
        for at in order(queues.len(), turn) {
            if queues[at].elapsed < context.queue_patience {
                queues[at].pop(rows)?;
            }
        }
    }
    for (measure, of) in
        [("queue_pop_first", Queue::first_tenth as fn(&Queue) -> &[f64]), ("queue_pop", Queue::last_tenth)]
    {
        for queue in queues.iter().filter(|_| context.wants(measure)) {
            of(queue).iter().for_each(|rate| results.add_quietly(measure, queue.system, Unit::PerSecond, *rate));
            results.report(measure, queue.system);
        }
    }
    for queue in queues {
        let popped = queue.rates.len() as u64 * rows;
        if queue.rates.len() < TURNS {
            eprintln!("  queue_pop {} was stopped after {popped} rows; its last tenth ends there", queue.system);
        }
        queue.loaded.remove()?;
    }
    Ok(())
}

impl Queue {
    /// Takes so many rows, one per transaction.
    fn pop(&mut self, rows: u64) -> Result<()> {
        let start = Instant::now();
        for _ in 0..rows {
            ensure!(self.loaded.system.pop_first()?, "{} lost a row of its queue", self.system);
        }
        let elapsed = start.elapsed();
        self.elapsed += elapsed;
        self.rates.push(rows as f64 / elapsed.as_secs_f64());
        Ok(())
    }

    fn first_tenth(&self) -> &[f64] {
        &self.rates[..TENTH.min(self.rates.len())]
    }

    fn last_tenth(&self) -> &[f64] {
        &self.rates[self.rates.len().saturating_sub(TENTH)..]
    }
}
