//! SQLite through rusqlite: WAL, cached statements, one connection behind a mutex.
//!
//! Durable is `synchronous = FULL`, which syncs the WAL at each commit. Relaxed is `NORMAL`, which syncs it at each
//! checkpoint: after a power cut the last commits are gone, and the rest is sound. SQLite has one writer; threads that wait for a
//! mutex do better than threads that poll its lock with connections of their own, and one connection keeps its page cache.

use std::{
    hint::black_box,
    path::Path,
    sync::{Mutex, MutexGuard},
};

use anyhow::{Result, anyhow};
use rusqlite::{Connection, OptionalExtension, Params, Transaction, TransactionBehavior};

use super::{CACHE_BYTES, Durability, System};
use crate::rows::{Category, Row};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS tasks (
        id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL, category INTEGER NOT NULL, title TEXT NOT NULL,
        description TEXT NOT NULL, priority INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS by_project ON tasks (project_id);
    CREATE INDEX IF NOT EXISTS by_project_and_category ON tasks (project_id, category);";

const INSERT: &str = "INSERT INTO tasks (project_id, category, title, description, priority, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// A select of whole rows, completed by its condition.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT project_id, category, title, description, priority, created_at, updated_at FROM tasks ",
            $condition
        )
    };
}

const GET: &str = select!("WHERE id = ?1");
const FIRST: &str = "SELECT project_id, category, title, description, priority, created_at, updated_at, id FROM tasks
    ORDER BY id LIMIT 1";

pub(crate) struct Sqlite {
    connection: Mutex<Connection>,
}

impl Sqlite {
    pub(crate) fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let synchronous = match durability {
            Durability::Durable => "FULL",
            Durability::Relaxed => "NORMAL",
        };
        let connection = Connection::open(directory.join("tasks.sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "cache_size", -((CACHE_BYTES / 1024) as i64))?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> Result<MutexGuard<'_, Connection>> {
        self.connection.lock().map_err(|_| anyhow!("another thread failed while it used the connection"))
    }

    fn write(&self, body: impl FnOnce(&Transaction<'_>) -> Result<()>) -> Result<()> {
        let mut connection = self.connection()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        body(&transaction)?;
        Ok(transaction.commit()?)
    }

    /// Runs a query that is a transaction of its own.
    fn rows(&self, sql: &str, parameters: impl Params) -> Result<Vec<Row>> {
        let connection = self.connection()?;
        let mut statement = connection.prepare_cached(sql)?;
        let mut found = statement.query(parameters)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(row_of(row)?);
        }
        Ok(rows)
    }
}

fn row_of(row: &rusqlite::Row<'_>) -> Result<Row> {
    Ok(Row {
        project_id: row.get::<_, i64>(0)? as u64,
        category: Category::from_number(row.get(1)?)?,
        title: row.get(2)?,
        description: row.get(3)?,
        priority: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
    })
}

impl System for Sqlite {
    fn insert(&self, rows: Vec<Row>) -> Result<()> {
        self.write(|transaction| {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for row in &rows {
                insert.execute((
                    row.project_id as i64,
                    row.category as u8,
                    &row.title,
                    &row.description,
                    row.priority,
                    row.created_at,
                    row.updated_at,
                ))?;
            }
            Ok(())
        })
    }

    fn change_categories(&self, changes: &[(u64, Category)]) -> Result<()> {
        self.write(|transaction| {
            let mut update = transaction.prepare_cached("UPDATE tasks SET category = ?2 WHERE id = ?1")?;
            for &(id, category) in changes {
                update.execute((id as i64, category as u8))?;
            }
            Ok(())
        })
    }

    fn pop_first(&self) -> Result<bool> {
        let mut connection = self.connection()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let first = transaction
            .prepare_cached(FIRST)?
            .query_row([], |row| Ok((row.get::<_, i64>("id")?, row_of(row))))
            .optional()?;
        let Some((id, row)) = first else { return Ok(false) };
        black_box(row?);
        transaction.prepare_cached("DELETE FROM tasks WHERE id = ?1")?.execute([id])?;
        transaction.commit()?;
        Ok(true)
    }

    fn get(&self, id: u64) -> Result<u64> {
        let connection = self.connection()?;
        let row = connection.prepare_cached(GET)?.query_one([id as i64], |row| Ok(row_of(row)))??;
        Ok(black_box(row).project_id)
    }

    fn get_many(&self, ids: &[u64]) -> Result<usize> {
        let mut connection = self.connection()?;
        let transaction = connection.transaction()?;
        {
            let mut get = transaction.prepare_cached(GET)?;
            for &id in ids {
                black_box(get.query_one([id as i64], |row| Ok(row_of(row)))??);
            }
        }
        transaction.commit()?;
        Ok(ids.len())
    }

    fn by_project(&self, project_id: u64) -> Result<usize> {
        Ok(black_box(self.rows(select!("INDEXED BY by_project WHERE project_id = ?1"), [project_id as i64])?).len())
    }

    fn by_project_and_category(&self, project_id: u64, category: Category) -> Result<usize> {
        let sql = select!("INDEXED BY by_project_and_category WHERE project_id = ?1 AND category = ?2");
        Ok(black_box(self.rows(sql, (project_id as i64, category as u8))?).len())
    }

    /// The WAL goes into the database file and becomes empty.
    fn settle(&self) -> Result<()> {
        self.connection()?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        let connection = self.connection.into_inner().map_err(|_| anyhow!("another thread failed"))?;
        connection.close().map_err(|(_, error)| error.into())
    }
}
