//! The rows that every system stores, the same ones for all, and the bytes in which the raw systems store them.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Rows of each project. With them spread evenly over the categories, each pair has a fifth.
pub(crate) const ROWS_PER_PROJECT: usize = 100;
/// Rows of each pair of a project and a category.
pub(crate) const ROWS_PER_PAIR: usize = ROWS_PER_PROJECT / Category::ALL.len();

const TITLE_BYTES: usize = 40;
const DESCRIPTION_BYTES: usize = 200;
const EPOCH_MS: i64 = 1_700_000_000_000;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub(crate) enum Category {
    Backlog,
    Todo,
    InProgress,
    Review,
    Done,
}

impl Category {
    pub(crate) const ALL: [Self; 5] = [Self::Backlog, Self::Todo, Self::InProgress, Self::Review, Self::Done];

    pub(crate) fn from_random(random: u64) -> Self {
        Self::ALL[(random % Self::ALL.len() as u64) as usize]
    }

    pub(crate) fn from_number(number: u8) -> Result<Self> {
        ensure!(usize::from(number) < Self::ALL.len(), "no category has the number {number}");
        Ok(Self::ALL[usize::from(number)])
    }
}

/// One row of `tasks`: about 270 bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) project_id: u64,
    pub(crate) category: Category,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) priority: u8,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl Row {
    /// The bytes of a raw system's row: bincode 2's standard format, as tropism's own rows.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        Ok(bincode::serde::encode_to_vec(self, bincode::config::standard())?)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(bincode::serde::decode_from_slice(bytes, bincode::config::standard())?.0)
    }
}

/// Key of the index `by_project`: `project ‖ id`, ordered as its parts.
pub(crate) fn project_key(project_id: u64, id: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&project_id.to_be_bytes());
    key[8..].copy_from_slice(&id.to_be_bytes());
    key
}

/// Key of the index `by_project_and_category`: `project ‖ category ‖ id`, ordered as its parts.
pub(crate) fn category_key(project_id: u64, category: Category, id: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..8].copy_from_slice(&project_id.to_be_bytes());
    key[8] = category as u8;
    key[9..].copy_from_slice(&id.to_be_bytes());
    key
}

/// The row's id at the end of an index key.
pub(crate) fn id_of_key(key: &[u8]) -> Result<u64> {
    let id = key.last_chunk().ok_or_else(|| anyhow::anyhow!("an index key of {} bytes holds no id", key.len()))?;
    Ok(u64::from_be_bytes(*id))
}

/// splitmix64: the same numbers in every run and for every system.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number from 0 to `end`, without it.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Letters and digits that no compression shortens much, so that a system that compresses has no head start.
    fn text(&mut self, len: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .";
        let mut text = String::with_capacity(len);
        while text.len() < len {
            let mut bits = self.next();
            for _ in 0..10.min(len - text.len()) {
                text.push(char::from(LETTERS[(bits & 63) as usize]));
                bits >>= 6;
            }
        }
        text
    }

    /// A row of this project and category.
    pub(crate) fn row_of(&mut self, project_id: u64, category: Category) -> Row {
        let created_at = EPOCH_MS + self.below(1 << 35) as i64;
        Row {
            project_id,
            category,
            title: self.text(TITLE_BYTES),
            description: self.text(DESCRIPTION_BYTES),
            priority: self.below(5) as u8,
            created_at,
            updated_at: created_at + self.below(1 << 30) as i64,
        }
    }

    /// A row of any project and category.
    pub(crate) fn row(&mut self, projects: u64) -> Row {
        let project_id = 1 + self.below(projects);
        let category = Category::from_random(self.next());
        self.row_of(project_id, category)
    }
}

/// The rows that a database is loaded with: every pair of project and category equally often, in random order.
///
/// They are made batch by batch, so that a process that loads them does not hold them all.
pub(crate) struct Dataset {
    pairs: Vec<u32>,
    random: Random,
    next: usize,
}

impl Dataset {
    pub(crate) fn new(projects: u64) -> Self {
        let mut random = Random::new(42);
        let mut pairs: Vec<u32> = (0..projects as u32 * ROWS_PER_PROJECT as u32).collect();
        for last in (1..pairs.len()).rev() {
            pairs.swap(last, random.below(last as u64 + 1) as usize);
        }
        Self { pairs, random, next: 0 }
    }

    /// The next `len` rows; fewer at the end, then none.
    pub(crate) fn batch(&mut self, len: usize) -> Vec<Row> {
        let end = (self.next + len).min(self.pairs.len());
        let pairs = &self.pairs[self.next..end];
        self.next = end;
        pairs
            .iter()
            .map(|pair| {
                let pair = *pair as usize;
                let project_id = 1 + (pair / ROWS_PER_PROJECT) as u64;
                self.random.row_of(project_id, Category::ALL[pair % Category::ALL.len()])
            })
            .collect()
    }
}
