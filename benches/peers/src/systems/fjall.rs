//! fjall: an LSM engine, a keyspace of rows and two index keyspaces kept by hand.
//!
//! Durable is a write batch with `PersistMode::SyncData`: the journal's fdatasync before the commit returns, the
//! faster of its two durable modes. Relaxed is its default, which leaves the journal to the operating system. It syncs
//! under the journal's lock, one batch at a time, so it has no group commit that threads could share.

use std::{
    hint::black_box,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable, Snapshot};

use super::{CACHE_BYTES, Durability, System};
use crate::rows::{Category, Row, category_key, id_of_key, project_key};

pub(crate) struct Fjall {
    database: Database,
    rows: Keyspace,
    by_project: Keyspace,
    by_category: Keyspace,
    durability: Durability,
    last_id: AtomicU64,
}

impl Fjall {
    pub(crate) fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let database = Database::builder(directory.join("tasks.fjall")).cache_size(CACHE_BYTES as u64).open()?;
        let rows = database.keyspace("tasks", KeyspaceCreateOptions::default)?;
        let by_project = database.keyspace("by_project", KeyspaceCreateOptions::default)?;
        let by_category = database.keyspace("by_project_and_category", KeyspaceCreateOptions::default)?;
        let last_id = match rows.last_key_value() {
            Some(entry) => id_of_key(&entry.key()?)?,
            None => 0,
        };
        Ok(Self { database, rows, by_project, by_category, durability, last_id: AtomicU64::new(last_id) })
    }

    fn batch(&self) -> OwnedWriteBatch {
        match self.durability {
            Durability::Durable => self.database.batch().durability(Some(PersistMode::SyncData)),
            Durability::Relaxed => self.database.batch(),
        }
    }

    fn row(&self, snapshot: &Snapshot, id: u64) -> Result<Row> {
        Row::decode(&snapshot.get(&self.rows, id.to_be_bytes())?.context("the row exists")?)
    }

    fn rows_of_prefix(&self, index: &Keyspace, prefix: &[u8]) -> Result<Vec<Row>> {
        let snapshot = self.database.snapshot();
        snapshot.prefix(index, prefix).map(|entry| self.row(&snapshot, id_of_key(&entry.key()?)?)).collect()
    }
}

impl System for Fjall {
    fn insert(&self, rows: Vec<Row>) -> Result<()> {
        let mut batch = self.batch();
        for row in &rows {
            let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
            batch.insert(&self.rows, id.to_be_bytes(), row.encode()?);
            batch.insert(&self.by_project, project_key(row.project_id, id), []);
            batch.insert(&self.by_category, category_key(row.project_id, row.category, id), []);
        }
        Ok(batch.commit()?)
    }

    fn change_categories(&self, changes: &[(u64, Category)]) -> Result<()> {
        let mut batch = self.batch();
        for &(id, category) in changes {
            let mut row = Row::decode(&self.rows.get(id.to_be_bytes())?.context("the row exists")?)?;
            batch.remove(&self.by_category, category_key(row.project_id, row.category, id));
            row.category = category;
            batch.insert(&self.by_category, category_key(row.project_id, row.category, id), []);
            batch.insert(&self.rows, id.to_be_bytes(), row.encode()?);
        }
        Ok(batch.commit()?)
    }

    fn pop_first(&self) -> Result<bool> {
        let Some(first) = self.rows.first_key_value() else { return Ok(false) };
        let (key, bytes) = first.into_inner()?;
        let (id, row) = (id_of_key(&key)?, Row::decode(&bytes)?);
        let mut batch = self.batch();
        batch.remove(&self.rows, key);
        batch.remove(&self.by_project, project_key(row.project_id, id));
        batch.remove(&self.by_category, category_key(row.project_id, row.category, id));
        batch.commit()?;
        Ok(true)
    }

    fn get(&self, id: u64) -> Result<u64> {
        Ok(black_box(self.row(&self.database.snapshot(), id)?).project_id)
    }

    fn get_many(&self, ids: &[u64]) -> Result<usize> {
        let snapshot = self.database.snapshot();
        for &id in ids {
            black_box(self.row(&snapshot, id)?);
        }
        Ok(ids.len())
    }

    fn by_project(&self, project_id: u64) -> Result<usize> {
        Ok(black_box(self.rows_of_prefix(&self.by_project, &project_key(project_id, 0)[..8])?).len())
    }

    fn by_project_and_category(&self, project_id: u64, category: Category) -> Result<usize> {
        let prefix = &category_key(project_id, category, 0)[..9];
        Ok(black_box(self.rows_of_prefix(&self.by_category, prefix)?).len())
    }

    /// The memtables become tables, and compaction comes to rest.
    fn settle(&self) -> Result<()> {
        for keyspace in [&self.rows, &self.by_project, &self.by_category] {
            keyspace.rotate_memtable_and_wait()?;
        }
        // fjall signals neither, so they are polled; this is not in any measurement.
        while self.database.outstanding_flushes() > 0 || self.database.active_compactions() > 0 {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}
