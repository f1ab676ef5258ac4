//! `subscribe_latency` and `_p99`: from the start of a relaxed commit until the new result of a query over a project's
//! 100 rows is in the hands of a subscriber on another thread.
//!
//! The commit changes a field of one of the rows that no index covers. The rival `by_hand` is what one writes without
//! live queries: redb, a channel that says that something changed, and the query run again.

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use crossbeam_channel::{Receiver, Sender, bounded};
use tropism::{Doc, Subscription, Timestamp};

use super::{Context, load, quiet_disk};
use crate::{
    results::{Results, Unit, median, percentile},
    rows::ROWS_PER_PROJECT,
    systems::{
        Durability, System,
        redb::Redb,
        tropism::{Task, Tropism},
    },
};

const PROJECT: u64 = 7;
/// After every time that the loaded rows hold.
const LATER_MS: i64 = 1 << 45;

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if !context.wants_any(&["subscribe_latency", "subscribe_latency_p99"]) {
        return Ok(());
    }
    for _ in 0..context.runs {
        if context.wants_system("tropism") {
            add(results, context, "tropism", &live_query(context)?);
        }
        if context.wants_system("by_hand") {
            add(results, context, "by_hand", &by_hand(context)?);
        }
    }
    Ok(())
}

fn add(results: &mut Results, context: &Context, system: &'static str, latencies: &[Duration]) {
    let micros: Vec<f64> = latencies.iter().map(|latency| latency.as_secs_f64() * 1e6).collect();
    if context.wants("subscribe_latency") {
        results.add("subscribe_latency", system, Unit::Microseconds, median(&micros));
    }
    if context.wants("subscribe_latency_p99") {
        results.add("subscribe_latency_p99", system, Unit::Microseconds, percentile(&micros, 0.99));
    }
}

/// Commits change after change and takes the time until the subscriber has each. `change` writes one; `arrivals` says
/// when the subscriber had a result in which a row was last updated when.
fn latencies(
    context: &Context,
    mut change: impl FnMut(usize, i64) -> Result<()>,
    arrivals: &Receiver<(Instant, i64)>,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(context.samples);
    for sample in 0..context.samples {
        let updated_at = LATER_MS + sample as i64;
        let start = Instant::now();
        change(sample % ROWS_PER_PROJECT, updated_at)?;
        let (arrival, newest) = arrivals.recv().context("the subscriber is still there")?;
        ensure!(newest == updated_at, "the subscriber's result is not that of the last commit");
        latencies.push(arrival - start);
    }
    Ok(latencies)
}

fn live_query(context: &Context) -> Result<Vec<Duration>> {
    let directory = context.empty_directory()?;
    let system = Tropism::open(directory.path(), Durability::Relaxed)?;
    load(&system, context.projects)?;
    system.settle()?;
    quiet_disk()?;
    let database = system.database();
    let ids: Vec<_> =
        database.read(|tx| tx.query(Task::by_project).eq(PROJECT).collect())?.iter().map(Doc::id).collect();
    let subscription = database.watch(|tx| tx.query(Task::by_project).eq(PROJECT).collect())?;
    subscription.recv().context("the first result is there at once")?.map_err(|error| (*error).clone())?;
    let (arrived, arrivals) = bounded(1);
    let latencies = thread::scope(|scope| {
        let subscriber = scope.spawn(|| take_results(&subscription, &arrived));
        let latencies = latencies(
            context,
            |row, updated_at| {
                let updated_at = Timestamp::from_millis(updated_at);
                Ok(database.write(|tx| tx.patch(ids[row], |task| task.updated_at = updated_at))?)
            },
            &arrivals,
        );
        // Ends the subscription, and with it the subscriber.
        database.clone().close()?;
        subscriber.join().map_err(|_| anyhow!("the subscriber panicked"))??;
        latencies
    })?;
    directory.close()?;
    Ok(latencies)
}

fn take_results(subscription: &Subscription<Vec<Doc<Task>>>, arrived: &Sender<(Instant, i64)>) -> Result<()> {
    for tasks in subscription {
        let tasks = black_box(tasks.map_err(|error| (*error).clone())?);
        let arrival = Instant::now();
        let newest = tasks.iter().map(|task| task.updated_at.as_millis()).max();
        arrived.send((arrival, newest.unwrap_or_default()))?;
    }
    Ok(())
}

fn by_hand(context: &Context) -> Result<Vec<Duration>> {
    let directory = context.empty_directory()?;
    let database = Redb::open(directory.path(), Durability::Relaxed)?;
    load(&database, context.projects)?;
    quiet_disk()?;
    let ids = database.ids_of_project(PROJECT)?;
    let (changed, changes) = bounded(1);
    let (arrived, arrivals) = bounded(1);
    let latencies = thread::scope(|scope| {
        let subscriber = scope.spawn(|| query_again(&database, &changes, &arrived));
        let latencies = latencies(
            context,
            |row, updated_at| {
                database.touch(ids[row], updated_at)?;
                Ok(changed.send(())?)
            },
            &arrivals,
        );
        drop(changed);
        subscriber.join().map_err(|_| anyhow!("the subscriber panicked"))??;
        latencies
    })?;
    drop(database);
    directory.close()?;
    Ok(latencies)
}

fn query_again(database: &Redb, changes: &Receiver<()>, arrived: &Sender<(Instant, i64)>) -> Result<()> {
    for () in changes {
        let rows = black_box(database.rows_of_project(PROJECT)?);
        let arrival = Instant::now();
        let newest = rows.iter().map(|row| row.updated_at).max();
        arrived.send((arrival, newest.unwrap_or_default()))?;
    }
    Ok(())
}
