//! tropism: typed rows, declared with its macro, with its default options.
//!
//! Durable is its default: a commit returns after its group's sync. Relaxed returns when the change is visible.

use std::{
    hint::black_box,
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use anyhow::{Context, Result};
use tropism::{Config, Db, Id, Timestamp, schema};

use super::{Durability, System};
use crate::rows::{self, Row};

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
    /// The id of each row that was inserted since the database was opened, in their order.
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
        self.ids().get(number as usize - 1).copied().context("the row was inserted since the database was opened")
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

    fn settle(&self) -> Result<()> {
        Ok(self.database.checkpoint()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.close()?)
    }
}
