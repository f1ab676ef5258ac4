//! Scheduled work, on the manual scheduler's virtual clock: what runs when, how often, and what its row says.

mod actions;
mod bounds;
mod clocks;
#[path = "../common/mod.rs"]
mod common;
mod crashes;
mod crons;
mod damage;
mod full_disk;
mod hostile;
mod mutations;
mod not_durable;
#[cfg(feature = "cron")]
mod summer_time;
mod threads;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tropism::{
    CallError, CronSchedule, Error, Job, JobStatus, ManualScheduler, Module, Ran, Registration, Retry, ScheduleError,
    ThreadScheduler, disk::MemoryDisk, prelude::*,
};

schema! {
    /// What functions leave behind.
    pub table Trace in "traces" { text: String } with { index by_text (text); }
}

#[derive(Debug, thiserror::Error, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WorkError {
    #[error("attempt {attempt} failed")]
    Failed { attempt: u32 },
    #[error(transparent)]
    Engine(#[from] Error),
}

/// What the outside world has seen: it outlives every crash.
#[derive(Clone, Default)]
pub struct Outside {
    seen: Arc<Mutex<Vec<String>>>,
    /// Attempts that fail before one succeeds.
    failures: Arc<AtomicUsize>,
}

functions! {
    pub module Work;

    pub mutation AddTrace in "work:add" { text: String } -> Id<Trace> |tx| { tx.insert(Trace { text }) }

    pub mutation Fail in "work:fail" { text: String } -> Result<(), WorkError> |tx| {
        tx.insert(Trace { text })?;
        Err(WorkError::Failed { attempt: 1 })
    }

    pub mutation Explode in "work:explode" { text: String } -> () |tx| {
        tx.insert(Trace { text })?;
        panic!("on purpose")
    }

    /// Runs so many times, a minute apart.
    pub mutation Again in "work:again" { left: u32 } -> () |tx| {
        tx.insert(Trace { text: left.to_string() })?;
        if left > 1 {
            tx.schedule().after(MINUTE, Again { left: left - 1 })?;
        }
        Ok(())
    }

    pub mutation Forever in "work:forever" {} -> () |tx| { tx.schedule().now(Forever {}).map(drop) }

    /// Tells the outside, and fails as often as the outside wants.
    pub action Tell in "work:tell" { text: String } -> Result<u32, WorkError> |context| {
        let attempt = context.attempt();
        let outside = context.resource::<Outside>().cloned().unwrap_or_default();
        outside.seen.lock().push(text.clone());
        let left = outside.failures.load(Ordering::SeqCst);
        if left > 0 {
            outside.failures.store(left - 1, Ordering::SeqCst);
            return Err(WorkError::Failed { attempt });
        }
        context.mutate(AddTrace { text })?;
        Ok(attempt)
    }

    /// Fails, and says how the next attempt is to be.
    pub action Picky in "work:picky" { gives_up: bool } -> Result<(), WorkError> |context| {
        context.retry_after(HOUR);
        if gives_up {
            context.give_up();
        }
        Err(WorkError::Failed { attempt: context.attempt() })
    }

    pub action Burst in "work:burst" {} -> () |_| { panic!("on purpose") }

    /// A whole whose parts JSON does not carry.
    pub mutation Measure in "work:measure" { value: f64 } -> () |_| { Ok(()) }

    pub mutation TooMuch in "work:tooMuch" {} -> () |tx| {
        for _ in 0..200 {
            tx.insert(Trace { text: "x".repeat(10_000) })?;
        }
        Ok(())
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The functions with an outside world, and crons.
#[derive(Clone, Default)]
pub struct Host {
    outside: Outside,
    crons: Vec<(&'static str, Option<CronSchedule>, &'static str)>,
}

impl Module for Host {
    fn register(&self, registration: &mut Registration) {
        registration.tables::<Trace>().module(Work).resource(self.outside.clone());
        for (name, schedule, text) in &self.crons {
            let schedule = schedule.clone().unwrap_or_else(|| CronSchedule::every(HOUR));
            registration.cron(*name, schedule, AddTrace { text: (*text).to_owned() });
        }
    }
}

/// A database with a virtual clock.
struct Bench {
    db: Db,
    scheduler: ManualScheduler,
    host: Host,
}

impl Bench {
    fn new() -> Self {
        Self::with(Host::default(), Config::default())
    }

    fn with(host: Host, config: Config) -> Self {
        Self::on(MemoryDisk::default(), host, config, ManualScheduler::new(Timestamp::EPOCH))
    }

    fn on(disk: impl tropism::disk::Disk, host: Host, config: Config, scheduler: ManualScheduler) -> Self {
        let builder = Db::builder().module(host.clone()).config(config).driven_by_hand();
        let db = builder.scheduler(scheduler.clone()).open_on(disk).unwrap();
        Self { db, scheduler, host }
    }

    fn add(&self, after: Duration, text: &str) -> Id<Job> {
        self.db.write(|tx| tx.schedule().after(after, AddTrace { text: text.to_owned() })).unwrap()
    }

    fn tell(&self, retry: Option<Retry>, text: &str) -> Id<Job> {
        let schedule = |tx: &mut WriteTx| {
            let schedule = tx.schedule();
            let schedule = if let Some(retry) = retry { schedule.retrying(retry) } else { schedule };
            schedule.now(Tell { text: text.to_owned() })
        };
        self.db.write(schedule).unwrap()
    }

    fn job(&self, id: Id<Job>) -> Doc<Job> {
        self.db.read(|tx| tx.get(id)).unwrap().unwrap()
    }

    fn traces(&self) -> Vec<String> {
        traces(&self.db)
    }

    fn seen(&self) -> Vec<String> {
        self.host.outside.seen.lock().clone()
    }

    /// The functions that ran while time passed.
    fn advance(&self, by: Duration) -> Vec<String> {
        self.scheduler.advance(by).unwrap().into_iter().map(|ran| ran.function).collect()
    }
}

fn traces(db: &Db) -> Vec<String> {
    db.read(|tx| tx.query(Trace::by_id).collect()).unwrap().iter().map(|trace| trace.text.clone()).collect()
}

fn at(duration: Duration) -> Timestamp {
    Timestamp::from_millis(i64::try_from(duration.as_millis()).unwrap())
}
