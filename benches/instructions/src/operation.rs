//! What is counted: commits, reads and a delivery, over 2,000 rows of about 300 bytes with one index.

use std::{
    hint::black_box,
    process::{self, ExitCode},
};

use tropism::{Error, prelude::*};

use crate::Result;

schema! {
    /// Where a task stands.
    pub enum Category { Backlog = "backlog", Todo = "todo", InProgress = "in_progress", Review = "review", Done = "done" }

    /// One piece of work.
    pub table Task in "tasks" { project: u64, category: Category, title: String, description: String, priority: u64 } with {
        index by_project_and_category (project, category);
    }
}

const TASKS: u64 = 2_000;
/// Tasks of a project; a fifth of them is in each category.
const TASKS_PER_PROJECT: u64 = 100;
const TITLE_BYTES: usize = 40;
/// About 200 bytes.
const TEXT: &str = concat!(
    "A piece of work whose description is this long, since the rows of many programs hold a sentence or two of text. ",
    "What it says is of no concern to whoever counts the instructions, and is the same for all."
);
/// One task in so many is changed after the checkpoint, so that reads merge what is in the base with what is not.
const CHANGED_ONE_IN: usize = 10;

/// A line of the baseline.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Figure {
    /// A durable transaction that inserts a row.
    DurableCommit,
    /// A relaxed transaction that inserts a row.
    RelaxedCommit,
    /// A read of a row in a transaction of its own.
    Get,
    /// A read of 20 rows through the index in a transaction of its own.
    RangeOf20,
    /// The way from a commit that changes one of 20 rows to the new value of a live query of them, without the commit.
    Delivery,
}

/// What a run of the program repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    DurableInsert,
    RelaxedInsert,
    Get,
    RangeOf20,
    Patch,
    PatchAndDelivery,
}

impl Figure {
    pub(crate) const ALL: [Self; 5] =
        [Self::DurableCommit, Self::RelaxedCommit, Self::Get, Self::RangeOf20, Self::Delivery];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DurableCommit => "durable_commit",
            Self::RelaxedCommit => "relaxed_commit",
            Self::Get => "get",
            Self::RangeOf20 => "range_of_20",
            Self::Delivery => "delivery",
        }
    }

    /// The operation whose count it is.
    pub(crate) const fn operation(self) -> Operation {
        match self {
            Self::DurableCommit => Operation::DurableInsert,
            Self::RelaxedCommit => Operation::RelaxedInsert,
            Self::Get => Operation::Get,
            Self::RangeOf20 => Operation::RangeOf20,
            Self::Delivery => Operation::PatchAndDelivery,
        }
    }

    /// The operation whose count is subtracted.
    pub(crate) const fn without(self) -> Option<Operation> {
        match self {
            Self::Delivery => Some(Operation::Patch),
            Self::DurableCommit | Self::RelaxedCommit | Self::Get | Self::RangeOf20 => None,
        }
    }
}

impl Operation {
    const ALL: [Self; 6] =
        [Self::DurableInsert, Self::RelaxedInsert, Self::Get, Self::RangeOf20, Self::Patch, Self::PatchAndDelivery];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DurableInsert => "durable_insert",
            Self::RelaxedInsert => "relaxed_insert",
            Self::Get => "get",
            Self::RangeOf20 => "range_of_20",
            Self::Patch => "patch",
            Self::PatchAndDelivery => "patch_and_delivery",
        }
    }

    pub(crate) fn from_name(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|operation| operation.name() == name);
        Ok(found.ok_or_else(|| format!("{name} is not an operation"))?)
    }

    /// Does it so many times in a loaded database, and ends the process: closing would cost by the number of commits.
    pub(crate) fn work(self, times: u64) -> Result<ExitCode> {
        let durability = match self {
            Self::DurableInsert => Durability::Durable,
            _ => Durability::Relaxed,
        };
        let (db, ids) = loaded(durability)?;
        let mut numbers = Numbers(1);
        match self {
            Self::DurableInsert | Self::RelaxedInsert => {
                for _ in 0..times {
                    let number = numbers.below(TASKS);
                    db.write(|tx| tx.insert(task(number)))?;
                }
            }
            Self::Get => {
                for _ in 0..times {
                    let id = ids[numbers.below(TASKS) as usize];
                    black_box(db.read(|tx| tx.get(id))?);
                }
            }
            Self::RangeOf20 => {
                for _ in 0..times {
                    let project = numbers.below(TASKS / TASKS_PER_PROJECT);
                    black_box(todo_of(&db, project)?);
                }
            }
            Self::Patch => patch(&db, times, || Ok(()))?,
            Self::PatchAndDelivery => deliver(&db, times)?,
        }
        db.flush()?;
        process::exit(0)
    }
}

fn todo_of(db: &Db, project: u64) -> Result<Vec<Doc<Task>>> {
    let key = (project, Category::Todo);
    Ok(db.read(|tx| tx.query(Task::by_project_and_category).eq(key).collect())?)
}

/// Changes the tasks of the first project's category `Todo` in turn, and does something after each change.
fn patch(db: &Db, times: u64, mut then: impl FnMut() -> Result<()>) -> Result<()> {
    let todo: Vec<Id<Task>> = todo_of(db, 0)?.iter().map(Doc::id).collect();
    for number in 0..times {
        let id = todo[number as usize % todo.len()];
        db.write(|tx| tx.patch(id, |task| task.priority = TASKS + number))?;
        then()?;
    }
    Ok(())
}

fn deliver(db: &Db, times: u64) -> Result<()> {
    let reactor = db.reactor().ok_or("the database is driven by hand")?;
    let key = (0, Category::Todo);
    let live = db.watch(move |tx| tx.query(Task::by_project_and_category).eq(key).collect())?;
    black_box(live.try_recv().ok_or("the first value is there at once")?.map_err(|error| (*error).clone())?);
    patch(db, times, || {
        black_box(reactor.run());
        let value = live.try_recv().ok_or("a change of a row is delivered")?;
        black_box(value.map_err(|error| (*error).clone())?);
        Ok(())
    })
}

/// A database with its tasks, most of them in the base.
fn loaded(durability: Durability) -> Result<(Db, Vec<Id<Task>>)> {
    let config = Config { durability, ..Config::default() };
    let db = Db::builder().tables::<(Task,)>().config(config).driven_by_hand().in_memory()?;
    let ids: Vec<Id<Task>> = db.write(|tx| (0..TASKS).map(|number| tx.insert(task(number))).collect::<Tried<_>>())?;
    db.checkpoint()?;
    db.write(|tx| -> Tried<()> {
        for id in ids.iter().step_by(CHANGED_ONE_IN) {
            tx.patch(*id, |task| task.priority += 1)?;
        }
        Ok(())
    })?;
    Ok((db, ids))
}

type Tried<T> = std::result::Result<T, Error>;

/// A task whose texts are copies: formatting one would cost half as much as the transaction that stores it.
fn task(number: u64) -> Task {
    let within = number % TASKS_PER_PROJECT;
    Task {
        project: number / TASKS_PER_PROJECT,
        category: Category::ALL[(within % 5) as usize],
        title: TEXT[..TITLE_BYTES].to_owned(),
        description: TEXT.to_owned(),
        priority: number % 4,
    }
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
