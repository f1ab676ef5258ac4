//! apalis with its SQLite storage: jobs that survive a crash, in the tables of an SQLite database, through sqlx.
//!
//! Durable is WAL with `synchronous = FULL`. `SqliteStorage::setup`, which apalis' examples call, would set
//! `synchronous = OFF` on the connection that it happens to get; its migrations alone do not.
//!
//! The settings are the fastest of those that keep a job's promise, each tried with 20,000 jobs. In jobs per second;
//! repetitions differ by up to a tenth.
//!
//! - Statistics for SQLite's planner, see [`STATISTICS`]: 500 without them at 5,000 jobs, and less with each job more.
//! - [`BATCH`] of 10, the default: 1,970; of 200: 2,810; of 1,000: 2,880 to 3,200; of 5,000: 3,190 to 3,330. A fetch and
//!   the acknowledgements after it are a transaction each. As many jobs may run at once as are fetched; with batches of
//!   1,000 and 100 at once: 3,040.
//! - `push_bulk`, a transaction per call, of 100 jobs: 3,000; of 1,000: 3,190; of 5,000: 3,330.
//! - One connection. With 2 or 4, `database is locked` after sqlx's 5 seconds of patience, since connections wait for
//!   SQLite's one writer by polling; with more patience not done after 60 seconds. In a pool of one they queue.
//!
//! The others with batches of 1,000, all jobs pushed first unless it says otherwise, where the base is 2,950 to 3,090:
//!
//! - `begin` and `commit` around the statement for a job's row, two more round trips to sqlx's thread: 2,590. The
//!   statement alone is a transaction too.
//! - Pushing while the worker runs: 2,880 to 3,200.
//! - A runtime on two threads instead of the current one: 2,980 (with batches of 5,000: 2,800 instead of 3,190), and
//!   with `parallelize(tokio::spawn)`: 2,650. sqlx has a thread of its own for the connection.
//! - All jobs in one `push_bulk`: 2,840.
//! - `lock_tasks(true)`: 3,100. Off, as in apalis' `realtime` example: a fetch has claimed its jobs already.
//! - A checkpoint of the WAL every 10,000 pages instead of SQLite's 1,000: 2,810.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use apalis::prelude::{BackendExt, Data, TaskSink, WorkerBuilder, WorkerBuilderExt};
use apalis_sqlite::{Config, SqliteStorage};
use serde::{Deserialize, Serialize};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{
    runtime,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::CACHE_BYTES;
use crate::measures::schedule::job_text;

/// The name in the results.
pub(crate) const NAME: &str = "apalis_sqlite";

/// Jobs that are pushed, fetched and run together.
const BATCH: usize = 5_000;
/// How often a worker that found nothing looks again.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// All jobs of a batch wait for the one connection, which is no failure.
const PATIENCE: Duration = Duration::from_secs(600);

/// No key, so that a row that is inserted twice is found out afterwards.
const EFFECTS: &str = "CREATE TABLE effects (number INTEGER NOT NULL, text TEXT NOT NULL) STRICT";
const INSERT: &str = "INSERT INTO effects (number, text) VALUES (?1, ?2)";

/// What `ANALYZE` finds in a queue that has been in use: one worker locked all jobs, each has its own id.
///
/// SQLite knows nothing of an empty table. It then takes the index on the worker to be selective, and each
/// acknowledgement goes through all jobs that the worker ever had, for each of its own.
const STATISTICS: [&str; 3] = [
    "ANALYZE",
    "INSERT INTO sqlite_stat1 VALUES
        ('Jobs', 'LIdx', '100000 100000'), ('Jobs', 'sqlite_autoindex_Jobs_1', '100000 1')",
    "ANALYZE sqlite_schema",
];

/// Every status but `Done`, so that the answer comes from an index.
const ANY_NOT_DONE: &str =
    "SELECT EXISTS (SELECT 1 FROM Jobs WHERE status IN ('Pending', 'Queued', 'Running', 'Failed', 'Killed'))";

#[derive(Debug, Serialize, Deserialize)]
struct Job {
    number: u64,
    text: String,
}

/// What the handler of the jobs works with.
#[derive(Debug, Clone)]
struct Application {
    pool: SqlitePool,
    /// Hears of each job how its handler ended.
    handled: UnboundedSender<Result<(), String>>,
}

/// Schedules and runs so many jobs in a new database in an existing directory; answers the time from the first push
/// until the last acknowledgement.
pub(crate) fn schedule_and_run(directory: &Path, jobs: u64) -> Result<Duration> {
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let pool = open(directory).await?;
        let elapsed = push_and_work(&pool, jobs).await?;
        verify(&pool, jobs).await?;
        pool.close().await;
        Ok(elapsed)
    })
}

async fn open(directory: &Path) -> Result<SqlitePool> {
    // The cache and the place of temporary tables are as `SqliteStorage::setup` would set them.
    let options = SqliteConnectOptions::new()
        .filename(directory.join("jobs.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", format!("-{}", CACHE_BYTES / 1024))
        .pragma("temp_store", "MEMORY");
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    SqliteStorage::migrations().run(&pool).await?;
    sqlx::query(EFFECTS).execute(&pool).await?;
    for statement in STATISTICS {
        sqlx::query(statement).execute(&pool).await?;
    }
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&pool).await?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&pool).await?;
    ensure!(
        (journal.as_str(), synchronous) == ("wal", 2),
        "the connection is not durable: journal {journal}, synchronous {synchronous}"
    );
    Ok(pool)
}

/// The work of a job. Its transaction is its only statement.
async fn insert(job: Job, application: Data<Application>) -> Result<(), sqlx::Error> {
    let insert = sqlx::query(INSERT).bind(job.number as i64).bind(job.text);
    let inserted = insert.execute(&application.pool).await.map(drop);
    // Nobody hears it only when the measure has failed already.
    let _ = application.handled.send(inserted.as_ref().map(|_| ()).map_err(ToString::to_string));
    inserted
}

async fn push_and_work(pool: &SqlitePool, jobs: u64) -> Result<Duration> {
    let config = Config::default().queue("schedule").batch_size(BATCH).lock_tasks(false);
    let storage = SqliteStorage::<Job>::new(pool).with_config(config);
    let (handled, outcomes) = unbounded_channel();
    let worker = WorkerBuilder::new("peer")
        .backend(storage.clone().poll_with_interval(POLL_INTERVAL))
        .data(Application { pool: pool.clone(), handled })
        .concurrency(BATCH)
        .build(insert);
    let start = Instant::now();
    // A task of its own, so that it does not wait until the worker yields.
    let pushing = tokio::spawn(push(storage, jobs));
    let done = async {
        pushing.await??;
        all_handled(outcomes, jobs).await?;
        all_acknowledged(pool).await?;
        Ok(start.elapsed())
    };
    tokio::select! {
        ended = worker.run() => bail!("the worker ended before its work: {ended:?}"),
        elapsed = done => elapsed,
    }
}

/// Pushes the jobs; each call returns when its jobs are on the disk.
async fn push(mut storage: SqliteStorage<Job>, jobs: u64) -> Result<()> {
    let mut numbers = 0..jobs;
    loop {
        let batch: Vec<_> = numbers.by_ref().take(BATCH).map(|number| Job { number, text: job_text(number) }).collect();
        if batch.is_empty() {
            return Ok(());
        }
        storage.push_bulk(batch).await?;
    }
}

/// Waits until the handler has ended for every job; a failure is this measure's, though apalis would try again.
async fn all_handled(mut outcomes: UnboundedReceiver<Result<(), String>>, jobs: u64) -> Result<()> {
    for _ in 0..jobs {
        let outcome = outcomes.recv().await.context("the worker is gone")?;
        outcome.map_err(|error| anyhow!("a job failed: {error}"))?;
    }
    Ok(())
}

/// Waits until every job is acknowledged on the disk. Each query queues for the connection behind the worker's
/// acknowledgements, so that there are few.
async fn all_acknowledged(pool: &SqlitePool) -> Result<()> {
    while sqlx::query_scalar::<_, bool>(ANY_NOT_DONE).fetch_one(pool).await? {}
    Ok(())
}

/// Every job inserted its row once and is done.
async fn verify(pool: &SqlitePool, jobs: u64) -> Result<()> {
    let jobs = jobs as i64;
    let query = "SELECT COUNT(*), COUNT(DISTINCT number), MIN(number), MAX(number) FROM effects";
    let rows: (i64, i64, i64, i64) = sqlx::query_as(query).fetch_one(pool).await?;
    ensure!(rows == (jobs, jobs, 0, jobs - 1), "{jobs} jobs left rows, numbers, least and greatest of {rows:?}");
    let query = "SELECT COUNT(*), COUNT(*) FILTER (WHERE status = 'Done') FROM Jobs";
    let done: (i64, i64) = sqlx::query_as(query).fetch_one(pool).await?;
    ensure!(done == (jobs, jobs), "of {} jobs only {} are done", done.0, done.1);
    Ok(())
}
