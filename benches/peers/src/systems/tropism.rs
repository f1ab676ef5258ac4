//! tropism: typed rows, declared with its macro, with its default options.
//!
//! Durable is its default: a commit returns after its group's sync. Relaxed returns when the change is visible.

use std::{
    hint::black_box,
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use tropism::{Config, Db, Doc, Id, Job, JobKind, JobStatus, Timestamp, functions, schema};

use super::{Durability, System};
use crate::{
    measures::schedule::job_text,
    rows::{self, Row},
};

schema! {
    pub enum Category { Backlog = "backlog", Todo = "todo", InProgress = "in_progress", Review = "review", Done = "done" }

    pub table Task in "tasks" {
        project_id: u64,
        category: Category,
        title: String,
        description: String,
        priority: u8,
        created_at: Timestamp,
        updated_at: Timestamp,
    } with {
        index by_project (project_id);
        index by_project_and_category (project_id, category);
    }
}

impl From<rows::Category> for Category {
    fn from(category: rows::Category) -> Self {
        match category {
            rows::Category::Backlog => Self::Backlog,
            rows::Category::Todo => Self::Todo,
            rows::Category::InProgress => Self::InProgress,
            rows::Category::Review => Self::Review,
            rows::Category::Done => Self::Done,
        }
    }
}

impl From<Row> for Task {
    fn from(row: Row) -> Self {
        Self {
            project_id: row.project_id,
            category: row.category.into(),
            title: row.title,
            description: row.description,
            priority: row.priority,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
        }
    }
}

pub(crate) struct Tropism {
    database: Db,
    /// The id of each row that was inserted or recalled since the database was opened, in their order.
    ids: RwLock<Vec<Id<Task>>>,
}

impl Tropism {
    pub(crate) fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let durability = match durability {
            Durability::Durable => tropism::Durability::Durable,
            Durability::Relaxed => tropism::Durability::Relaxed,
        };
        let config = Config { durability, ..Config::default() };
        let database = Db::builder().tables::<(Task,)>().config(config).open(directory)?;
        Ok(Self { database, ids: RwLock::default() })
    }

    pub(crate) fn database(&self) -> &Db {
        &self.database
    }

    fn ids(&self) -> RwLockReadGuard<'_, Vec<Id<Task>>> {
        self.ids.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self, number: u64) -> Result<Id<Task>> {
        self.ids().get(number as usize - 1).copied().context("the row was inserted or recalled")
    }
}

impl System for Tropism {
    fn insert(&self, rows: Vec<Row>) -> Result<()> {
        let inserted = self.database.write(|tx| {
            rows.into_iter().map(|row| tx.insert(Task::from(row))).collect::<Result<Vec<_>, tropism::Error>>()
        })?;
        self.ids.write().unwrap_or_else(PoisonError::into_inner).extend(inserted);
        Ok(())
    }

    fn change_categories(&self, changes: &[(u64, rows::Category)]) -> Result<()> {
        self.database.write(|tx| {
            for &(number, category) in changes {
                tx.patch(self.id(number)?, |task| task.category = category.into())?;
            }
            Ok(())
        })
    }

    fn pop_first(&self) -> Result<bool> {
        self.database.write(|tx| {
            let Some(task) = tx.query(Task::by_id).first()? else { return Ok(false) };
            tx.delete(black_box(task).id())?;
            Ok(true)
        })
    }

    fn get(&self, id: u64) -> Result<u64> {
        let id = self.id(id)?;
        let task = self.database.read(|tx| tx.get(id))?.context("the row exists")?;
        Ok(black_box(task).project_id)
    }

    fn get_many(&self, ids: &[u64]) -> Result<usize> {
        let known = self.ids();
        self.database.read(|tx| {
            for &id in ids {
                black_box(tx.get(known[id as usize - 1])?.context("the row exists")?);
            }
            Ok(ids.len())
        })
    }

    fn by_project(&self, project_id: u64) -> Result<usize> {
        let tasks = self.database.read(|tx| tx.query(Task::by_project).eq(project_id).collect())?;
        Ok(black_box(tasks).len())
    }

    fn by_project_and_category(&self, project_id: u64, category: rows::Category) -> Result<usize> {
        let key = (project_id, Category::from(category));
        let tasks = self.database.read(|tx| tx.query(Task::by_project_and_category).eq(key).collect())?;
        Ok(black_box(tasks).len())
    }

    fn recall(&self, rows: u64) -> Result<()> {
        let tasks = self.database.read(|tx| tx.query(Task::by_id).take(rows as usize).collect())?;
        *self.ids.write().unwrap_or_else(PoisonError::into_inner) = tasks.iter().map(Doc::id).collect();
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        Ok(self.database.checkpoint()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.close()?)
    }
}

schema! {
    pub table Effect in "effects" { number: u64, text: String }
}

functions! {
    pub module Jobs;

    pub mutation AddEffect in "effects:add" { number: u64, text: String } -> () |tx| {
        tx.insert(Effect { number, text }).map(drop)
    }
}

/// Jobs that are scheduled in one transaction: as many as apalis is given at a time.
const JOBS_PER_TRANSACTION: u64 = 5_000;

/// Schedules and runs so many durable mutations for `schedule_100k`; answers the time from the first that is scheduled
/// until the last one is done. Jobs run while others are being scheduled, on the scheduler's own thread.
pub(crate) fn schedule_and_run(directory: &Path, jobs: u64) -> Result<Duration> {
    let database = Db::builder().tables::<Effect>().module(Jobs).open(directory.join("jobs.tropism"))?;
    let started = Instant::now();
    let mut last = None;
    for first in (0..jobs).step_by(JOBS_PER_TRANSACTION as usize) {
        last = database.write(|tx| -> Result<_, tropism::Error> {
            let mut last = None;
            for number in first..jobs.min(first + JOBS_PER_TRANSACTION) {
                last = Some(tx.schedule().now(AddEffect { number, text: job_text(number) })?);
            }
            Ok(last)
        })?;
    }
    let last = last.context("there is a job")?;
    // Mutations run in the order in which they were scheduled, so the last one is the last to be done.
    let status = database.watch(move |tx| Ok::<_, tropism::Error>(tx.get(last)?.map(|job| job.status)))?;
    for status in &status {
        if *status.map_err(|error| anyhow!("the job cannot be read: {error}"))? == Some(JobStatus::Succeeded) {
            break;
        }
    }
    let elapsed = started.elapsed();
    drop(status);
    let (effects, done) = database.read(|tx| -> Result<_, tropism::Error> {
        let effects = tx.query(Effect::by_id).collect()?;
        Ok((effects, tx.query(Job::by_queue).eq((JobStatus::Succeeded, JobKind::Mutation)).count()?))
    })?;
    ensure!(done as u64 == jobs, "{done} of {jobs} jobs are done");
    ensure!(effects.iter().map(|effect| effect.number).eq(0..jobs), "a job has not run once");
    ensure!(effects.iter().all(|effect| effect.text == job_text(effect.number)), "a job has run with another's text");
    database.close()?;
    Ok(elapsed)
}
