//! Commits as the engine makes them: rows, their index entries, and the row that holds the next id. Seeded.

use std::sync::Arc;

use crate::{
    candidates::{Change, Value},
    key::{FIRST_KEYSPACE, INDEX_KEYSPACE, Key},
};

const ROWS: u32 = FIRST_KEYSPACE;
const BY_NUMBER: u32 = INDEX_KEYSPACE | 1;
const BY_NAME: u32 = INDEX_KEYSPACE | 2;
/// Of the engine's keyspaces: the next id of each table.
const NEXT_IDS: u32 = 1;
const ROW_BYTES: usize = 100;

/// Numbers that look random and are the same in every run (SplitMix64).
pub struct Seeded(pub u64);

impl Seeded {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Makes commits.
pub struct Workload {
    seeded: Seeded,
    rows: u64,
    /// What the two indexes say of each row.
    indexed: Vec<[Key; 2]>,
    empty: Arc<[u8]>,
}

impl Workload {
    /// No rows yet.
    pub fn new(seed: u64) -> Self {
        Self { seeded: Seeded(seed), rows: 0, indexed: Vec::new(), empty: Arc::from([]) }
    }

    fn row(&mut self) -> Value {
        Some(Arc::from(vec![self.seeded.next() as u8; ROW_BYTES]))
    }

    fn index_keys(&mut self, id: u64) -> [Key; 2] {
        let number = self.seeded.below(1000).to_be_bytes();
        let name = self.seeded.next().to_be_bytes();
        let id = id.to_be_bytes();
        [Key::new(BY_NUMBER, &[&number, &id]), Key::new(BY_NAME, &[b"n", &name, b"\0\0", &id])]
    }

    fn add_row(&mut self, indexes: usize, changes: &mut Vec<Change>) {
        let id = self.rows;
        self.rows += 1;
        let row = self.row();
        changes.push((row_key(id), row));
        let keys = self.index_keys(id);
        changes.extend(keys.iter().take(indexes).map(|key| (key.clone(), Some(Arc::clone(&self.empty)))));
        self.indexed.push(keys);
    }

    /// So many new rows with one or two index entries each, and the next id.
    pub fn insert(&mut self, rows: u64, indexes: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        (0..rows).for_each(|_| self.add_row(indexes, &mut changes));
        changes.push((next_id_key(), Some(Arc::from(self.rows.to_le_bytes()))));
        changes.sort_by(|(one, _), (other, _)| one.cmp(other));
        changes
    }

    /// One of the rows anew, with other index entries.
    pub fn update(&mut self) -> Vec<Change> {
        let id = self.seeded.below(self.rows);
        let keys = self.index_keys(id);
        let old = std::mem::replace(&mut self.indexed[id as usize], keys.clone());
        let mut changes = vec![(row_key(id), self.row())];
        changes.extend(old.into_iter().map(|key| (key, None)));
        changes.extend(keys.into_iter().map(|key| (key, Some(Arc::clone(&self.empty)))));
        changes.sort_by(|(one, _), (other, _)| one.cmp(other));
        changes
    }

    /// Keys that are there: rows and index entries by turns.
    pub fn present(&mut self, keys: usize) -> Vec<Key> {
        let mut next = || self.seeded.below(self.rows);
        let ids: Vec<u64> = (0..keys).map(|_| next()).collect();
        let key = |(at, id): (usize, u64)| match at % 2 {
            0 => row_key(id),
            _ => self.indexed[id as usize][0].clone(),
        };
        ids.into_iter().enumerate().map(key).collect()
    }

    /// Keys that are not there.
    pub fn absent(&mut self, keys: usize) -> Vec<Key> {
        (0..keys).map(|_| self.index_keys(u64::MAX)[0].clone()).collect()
    }
}

/// A row's key.
pub fn row_key(id: u64) -> Key {
    Key::new(ROWS, &[&id.to_be_bytes()])
}

/// The key that every insert overwrites.
pub fn next_id_key() -> Key {
    Key::new(NEXT_IDS, &[&ROWS.to_be_bytes()])
}

/// The keys between two keys, without the second.
pub type Bounds = (Key, Key);

/// All rows, and all entries of an index.
pub fn keyspaces() -> [Bounds; 2] {
    [ROWS, BY_NUMBER].map(|keyspace| (Key::new(keyspace, &[]), Key::new(keyspace + 1, &[])))
}
