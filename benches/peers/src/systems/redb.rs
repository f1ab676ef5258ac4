//! Raw redb: a table of rows and two index tables, kept by hand.
//!
//! Durable is redb's default, `Durability::Immediate`: a commit returns after its fsync. Relaxed is `Durability::None`.

use std::{hint::black_box, path::Path};

use anyhow::{Context, Result};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{Durability, System};
use crate::rows::{Category, Row, category_key, id_of_key, project_key};

const ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("tasks");
const BY_PROJECT: TableDefinition<[u8; 16], ()> = TableDefinition::new("by_project");
const BY_CATEGORY: TableDefinition<[u8; 17], ()> = TableDefinition::new("by_project_and_category");

pub(crate) struct Redb {
    database: Database,
    durability: redb::Durability,
}

impl Redb {
    pub(crate) fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let database = Database::create(directory.join("tasks.redb"))?;
        let durability = match durability {
            Durability::Durable => redb::Durability::Immediate,
            Durability::Relaxed => redb::Durability::None,
        };
        Ok(Self { database, durability })
    }

    fn write<T>(&self, body: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        let value = body(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Changes a field of a row that no index covers.
    pub(crate) fn touch(&self, id: u64, updated_at: i64) -> Result<()> {
        self.write(|transaction| {
            let mut rows = transaction.open_table(ROWS)?;
            let mut row = Row::decode(rows.get(id)?.context("the row exists")?.value())?;
            row.updated_at = updated_at;
            rows.insert(id, row.encode()?.as_slice())?;
            Ok(())
        })
    }

    /// The ids of a project's rows.
    pub(crate) fn ids_of_project(&self, project_id: u64) -> Result<Vec<u64>> {
        let index = self.database.begin_read()?.open_table(BY_PROJECT)?;
        let keys = index.range(project_key(project_id, 0)..=project_key(project_id, u64::MAX))?;
        keys.map(|entry| id_of_key(&entry?.0.value())).collect()
    }

    /// A project's rows.
    pub(crate) fn rows_of_project(&self, project_id: u64) -> Result<Vec<Row>> {
        let transaction = self.database.begin_read()?;
        let index = transaction.open_table(BY_PROJECT)?;
        let keys = index.range(project_key(project_id, 0)..=project_key(project_id, u64::MAX))?;
        rows_of_keys(&transaction, keys.map(|entry| id_of_key(&entry?.0.value())))
    }
}

fn rows_of_keys(transaction: &ReadTransaction, ids: impl Iterator<Item = Result<u64>>) -> Result<Vec<Row>> {
    let rows = transaction.open_table(ROWS)?;
    ids.map(|id| Row::decode(rows.get(id?)?.context("an index entry has its row")?.value())).collect()
}

impl System for Redb {
    fn insert(&self, rows: Vec<Row>) -> Result<()> {
        self.write(|transaction| {
            let mut table = transaction.open_table(ROWS)?;
            let mut by_project = transaction.open_table(BY_PROJECT)?;
            let mut by_category = transaction.open_table(BY_CATEGORY)?;
            let mut id = table.last()?.map_or(0, |(id, _)| id.value());
            for row in &rows {
                id += 1;
                table.insert(id, row.encode()?.as_slice())?;
                by_project.insert(project_key(row.project_id, id), ())?;
                by_category.insert(category_key(row.project_id, row.category, id), ())?;
            }
            Ok(())
        })
    }

    fn change_categories(&self, changes: &[(u64, Category)]) -> Result<()> {
        self.write(|transaction| {
            let mut table = transaction.open_table(ROWS)?;
            let mut by_category = transaction.open_table(BY_CATEGORY)?;
            for &(id, category) in changes {
                let mut row = Row::decode(table.get(id)?.context("the row exists")?.value())?;
                by_category.remove(category_key(row.project_id, row.category, id))?;
                row.category = category;
                by_category.insert(category_key(row.project_id, row.category, id), ())?;
                table.insert(id, row.encode()?.as_slice())?;
            }
            Ok(())
        })
    }

    fn pop_first(&self) -> Result<bool> {
        self.write(|transaction| {
            let mut table = transaction.open_table(ROWS)?;
            let Some((id, row)) = table.pop_first()? else { return Ok(false) };
            let (id, row) = (id.value(), Row::decode(row.value())?);
            transaction.open_table(BY_PROJECT)?.remove(project_key(row.project_id, id))?;
            transaction.open_table(BY_CATEGORY)?.remove(category_key(row.project_id, row.category, id))?;
            Ok(true)
        })
    }

    fn get(&self, id: u64) -> Result<u64> {
        let rows = self.database.begin_read()?.open_table(ROWS)?;
        let row = Row::decode(rows.get(id)?.context("the row exists")?.value())?;
        Ok(black_box(row).project_id)
    }

    fn get_many(&self, ids: &[u64]) -> Result<usize> {
        let rows = self.database.begin_read()?.open_table(ROWS)?;
        for &id in ids {
            black_box(Row::decode(rows.get(id)?.context("the row exists")?.value())?);
        }
        Ok(ids.len())
    }

    fn by_project(&self, project_id: u64) -> Result<usize> {
        Ok(black_box(self.rows_of_project(project_id)?).len())
    }

    fn by_project_and_category(&self, project_id: u64, category: Category) -> Result<usize> {
        let transaction = self.database.begin_read()?;
        let index = transaction.open_table(BY_CATEGORY)?;
        let keys = index.range(category_key(project_id, category, 0)..=category_key(project_id, category, u64::MAX))?;
        let rows = rows_of_keys(&transaction, keys.map(|entry| id_of_key(&entry?.0.value())))?;
        Ok(black_box(rows).len())
    }

    /// redb does nothing in the background.
    fn settle(&self) -> Result<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
