//! The rows that the benches work on: 100 tasks in each of some projects, five categories.

// Each bench uses a part of this.
#![allow(dead_code)]

use tropism::{Error, prelude::*};

schema! {
    /// Where a task stands.
    pub enum Category { Backlog = "backlog", Todo = "todo", InProgress = "in_progress", Review = "review", Done = "done" }

    /// One piece of work, about 300 bytes of it.
    pub table Task in "tasks" {
        project: u64,
        category: Category,
        title: String,
        description: String,
        priority: u8,
        created: Timestamp,
        updated: Timestamp,
    } with {
        index by_project (project);
        index by_project_and_category (project, category);
    }
}

pub const TASKS_PER_PROJECT: u64 = 100;

/// The `number`th task: 20 of each category in a project.
pub fn task(number: u64) -> Task {
    let within = number % TASKS_PER_PROJECT;
    Task {
        project: number / TASKS_PER_PROJECT,
        category: Category::ALL[(within % 5) as usize],
        title: format!("{number:040}"),
        description: format!("{number:0200}"),
        priority: (number % 4) as u8,
        created: Timestamp::from_millis(number as i64),
        updated: Timestamp::from_millis(number as i64),
    }
}

/// A database in a directory of its own, with `tasks` tasks in the base.
pub fn filled(durability: Durability, tasks: u64) -> Result<(tempfile::TempDir, Db), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let config = Config { durability, ..Config::default() };
    let db = Db::builder().tables::<(Task,)>().config(config).open(directory.path().join("db"))?;
    for batch in 0..tasks.div_ceil(1_000) {
        db.write(|tx| -> Result<(), Error> {
            for number in batch * 1_000..tasks.min((batch + 1) * 1_000) {
                tx.insert(task(number))?;
            }
            Ok(())
        })?;
    }
    db.checkpoint()?;
    Ok((directory, db))
}

/// Numbers that look random and are the same in every run.
pub struct Numbers(u64);

impl Numbers {
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
