//! heed: LMDB, a database of rows and two index databases kept by hand.
//!
//! Durable is LMDB's default: data and meta page are synced before a commit returns. Relaxed is `MDB_NOSYNC`, which syncs
//! nothing, so that a power cut may damage the file.

use std::{hint::black_box, path::Path};

use anyhow::{Context, Result};
use heed::{
    Database, Env, EnvFlags, EnvOpenOptions, RoTxn,
    byteorder::BigEndian,
    types::{Bytes, U64, Unit},
};

use super::{Durability, System};
use crate::rows::{Category, Row, category_key, id_of_key, project_key};

/// The address space set aside: LMDB wants the most that the file can ever hold.
const MAP_BYTES: usize = 8 << 30;

pub(crate) struct Heed {
    environment: Env,
    rows: Database<U64<BigEndian>, Bytes>,
    by_project: Database<Bytes, Unit>,
    by_category: Database<Bytes, Unit>,
}

impl Heed {
    pub(crate) fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_dbs(3);
        if durability == Durability::Relaxed {
            // SAFETY: the flag is unsafe for the data at a power cut, not for memory. Nothing is kept here.
            #[expect(unsafe_code)]
            unsafe {
                options.flags(EnvFlags::NO_SYNC);
            }
        }
        // SAFETY: the memory map is sound while nobody else changes the file. The directory is this process's own, or
        // was its child's, which has ended.
        #[expect(unsafe_code)]
        let environment = unsafe { options.open(directory)? };
        let mut write = environment.write_txn()?;
        let rows = environment.create_database(&mut write, Some("tasks"))?;
        let by_project = environment.create_database(&mut write, Some("by_project"))?;
        let by_category = environment.create_database(&mut write, Some("by_project_and_category"))?;
        write.commit()?;
        Ok(Self { environment, rows, by_project, by_category })
    }

    fn row(&self, read: &RoTxn<'_>, id: u64) -> Result<Row> {
        Row::decode(self.rows.get(read, &id)?.context("the row exists")?)
    }

    fn rows_of_prefix(&self, index: &Database<Bytes, Unit>, prefix: &[u8]) -> Result<Vec<Row>> {
        let read = self.environment.read_txn()?;
        index.prefix_iter(&read, prefix)?.map(|entry| self.row(&read, id_of_key(entry?.0)?)).collect()
    }
}

impl System for Heed {
    fn insert(&self, rows: Vec<Row>) -> Result<()> {
        let mut write = self.environment.write_txn()?;
        let mut id = self.rows.last(&write)?.map_or(0, |(id, _)| id);
        for row in &rows {
            id += 1;
            self.rows.put(&mut write, &id, &row.encode()?)?;
            self.by_project.put(&mut write, &project_key(row.project_id, id), &())?;
            self.by_category.put(&mut write, &category_key(row.project_id, row.category, id), &())?;
        }
        Ok(write.commit()?)
    }

    fn change_categories(&self, changes: &[(u64, Category)]) -> Result<()> {
        let mut write = self.environment.write_txn()?;
        for &(id, category) in changes {
            let mut row = self.row(&write, id)?;
            self.by_category.delete(&mut write, &category_key(row.project_id, row.category, id))?;
            row.category = category;
            self.by_category.put(&mut write, &category_key(row.project_id, row.category, id), &())?;
            self.rows.put(&mut write, &id, &row.encode()?)?;
        }
        Ok(write.commit()?)
    }

    fn pop_first(&self) -> Result<bool> {
        let mut write = self.environment.write_txn()?;
        let Some((id, bytes)) = self.rows.first(&write)? else { return Ok(false) };
        let row = Row::decode(bytes)?;
        self.rows.delete(&mut write, &id)?;
        self.by_project.delete(&mut write, &project_key(row.project_id, id))?;
        self.by_category.delete(&mut write, &category_key(row.project_id, row.category, id))?;
        write.commit()?;
        Ok(true)
    }

    fn get(&self, id: u64) -> Result<u64> {
        let read = self.environment.read_txn()?;
        Ok(black_box(self.row(&read, id)?).project_id)
    }

    fn get_many(&self, ids: &[u64]) -> Result<usize> {
        let read = self.environment.read_txn()?;
        for &id in ids {
            black_box(self.row(&read, id)?);
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

    /// LMDB does nothing in the background.
    fn settle(&self) -> Result<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.environment.prepare_for_closing().wait();
        Ok(())
    }
}
