//! native_db: typed rows with secondary keys, declared with its macros, on redb 2.
//!
//! Durable is its only mode: redb's default, an fsync at each commit.

use std::{
    hint::black_box,
    path::Path,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};
use native_db::{Builder, Database, Models, ToKey, native_db, transaction::RTransaction};
use native_model::{Model, native_model};
use serde::{Deserialize, Serialize};

use super::System;
use crate::rows::{Category, Row};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[native_model(id = 1, version = 1)]
#[native_db(secondary_key(by_project_and_category -> (u64, u8)))]
struct Task {
    #[primary_key]
    id: u64,
    #[secondary_key]
    project_id: u64,
    category: Category,
    title: String,
    description: String,
    priority: u8,
    created_at: i64,
    updated_at: i64,
}

impl Task {
    fn new(id: u64, row: Row) -> Self {
        let Row { project_id, category, title, description, priority, created_at, updated_at } = row;
        Self { id, project_id, category, title, description, priority, created_at, updated_at }
    }

    /// The compound key, which native_db computes through a method.
    fn by_project_and_category(&self) -> (u64, u8) {
        (self.project_id, self.category as u8)
    }
}

static MODELS: LazyLock<Models> = LazyLock::new(|| {
    let mut models = Models::new();
    models.define::<Task>().expect("the one model is sound");
    models
});

pub(crate) struct NativeDb {
    database: Database<'static>,
    last_id: AtomicU64,
}

impl NativeDb {
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let path = directory.join("tasks.native_db");
        let database =
            if path.exists() { Builder::new().open(&MODELS, path) } else { Builder::new().create(&MODELS, path) }?;
        let last_id = last_id(&database.r_transaction()?)?;
        Ok(Self { database, last_id: AtomicU64::new(last_id) })
    }

    fn by_key<K: ToKey + Clone>(&self, index: TaskKey, key: K) -> Result<usize> {
        let read = self.database.r_transaction()?;
        let scan = read.scan().secondary::<Task>(index)?;
        let tasks = scan.range(key.clone()..=key)?.collect::<native_db::db_type::Result<Vec<Task>>>()?;
        Ok(black_box(tasks).len())
    }
}

fn last_id(read: &RTransaction<'_>) -> Result<u64> {
    let scan = read.scan().primary::<Task>()?;
    let last = scan.all()?.next_back().transpose()?;
    Ok(last.map_or(0, |task: Task| task.id))
}

impl System for NativeDb {
    fn insert(&self, rows: Vec<Row>) -> Result<()> {
        let write = self.database.rw_transaction()?;
        for row in rows {
            let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
            write.insert(Task::new(id, row))?;
        }
        Ok(write.commit()?)
    }

    fn change_categories(&self, changes: &[(u64, Category)]) -> Result<()> {
        let write = self.database.rw_transaction()?;
        for &(id, category) in changes {
            let old: Task = write.get().primary(id)?.context("the row exists")?;
            write.update(old.clone(), Task { category, ..old })?;
        }
        Ok(write.commit()?)
    }

    fn pop_first(&self) -> Result<bool> {
        let write = self.database.rw_transaction()?;
        let first: Option<Task> = write.scan().primary()?.all()?.next().transpose()?;
        let Some(task) = first else { return Ok(false) };
        write.remove(task)?;
        write.commit()?;
        Ok(true)
    }

    fn get(&self, id: u64) -> Result<u64> {
        let task: Task = self.database.r_transaction()?.get().primary(id)?.context("the row exists")?;
        Ok(black_box(task).project_id)
    }

    fn get_many(&self, ids: &[u64]) -> Result<usize> {
        let read = self.database.r_transaction()?;
        for &id in ids {
            black_box(read.get().primary::<Task>(id)?.context("the row exists")?);
        }
        Ok(ids.len())
    }

    fn by_project(&self, project_id: u64) -> Result<usize> {
        self.by_key(TaskKey::project_id, project_id)
    }

    fn by_project_and_category(&self, project_id: u64, category: Category) -> Result<usize> {
        self.by_key(TaskKey::by_project_and_category, (project_id, category as u8))
    }

    /// native_db does nothing in the background.
    fn settle(&self) -> Result<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
