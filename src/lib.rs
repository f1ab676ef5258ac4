//! **tropism** is an embeddable reactive database engine: typed tables, ACID transactions, and queries that are
//! subscriptions, in one directory on disk, in the host's own process.
//!
//! A query is an ordinary closure over a transaction. Subscribing to it needs no annotation, no topic and no
//! invalidation: what it read is what it depends on, to the key range.
//!
//! ```
//! use tropism::prelude::*;
//!
//! schema! {
//!     /// A software project.
//!     pub table Project in "projects" { name: String }
//!
//!     /// One piece of work.
//!     pub table Task in "tasks" { project_id: Id<Project>, title: String, is_done: bool = false } with {
//!         index by_project (project_id) on delete cascade;
//!     }
//! }
//!
//! # fn main() -> Result<(), tropism::Error> {
//! let db = Db::builder().tables::<(Project, Task)>().in_memory()?; // or .open("board.tropism")
//! let project = db.write(|tx| tx.insert(Project { name: "Apollo".into() }))?;
//!
//! let open_tasks = db.watch(move |tx| tx.query(Task::by_project).eq(project).filter(|task| !task.is_done).count())?;
//! db.write(|tx| tx.insert(Task { project_id: project, title: "Lift off".into(), is_done: false }))?;
//!
//! for count in &open_tasks {
//!     if count.is_ok_and(|count| *count == 1) {
//!         break;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **It is not** a SQL database, a network server, or an ORM.
//!
//! # Types
//!
//! The database knows what every type of a field, an argument or a result is made of ([`Typed`], [`Type`]). Such a type
//! is one of Rust's own, one that [`schema!`] declares, or any type with serde's traits in [`Json<T>`](Json):
//!
//! ```
//! use tropism::prelude::*;
//!
//! #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
//! #[serde(untagged)]
//! pub enum Setting {
//!     Number(i64),
//!     Text(String),
//! }
//!
//! schema! {
//!     /// Others decide which outcomes there are: `Outcome::Other` holds one that is new.
//!     pub open enum Outcome { Passed = "passed", Failed = "failed" }
//!
//!     /// A plain struct: a value within a row, an argument or a result.
//!     pub struct Step { name: String, outcome: Outcome, seconds: f64 = 0.0 }
//!
//!     pub table Build in "builds" { steps: Vec<Step>, setting: Json<Setting> }
//! }
//!
//! # fn main() -> Result<(), tropism::Error> {
//! let db = Db::builder().tables::<Build>().in_memory()?;
//! let step = Step { name: "test".into(), outcome: Outcome::from("timed_out"), seconds: 1.5 };
//! let build = Build { steps: vec![step], setting: Json(Setting::Number(3)) };
//! let id = db.write(|tx| tx.insert(build.clone()))?;
//! assert_eq!(*db.read(|tx| tx.existing(id))?, build);
//! # Ok(())
//! # }
//! ```
//!
//! - What is stored reads back equal, bit by bit for floats.
//! - A row has changed, and a result is delivered, if its stored form is another one; `==` is not asked.
//! - Equal arguments are one live query.
//! - A job is given what was scheduled. Arguments that would not read back the same are refused when they are scheduled.
//!
//! [`schema!`] and the README say what the limits are.

#![deny(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

#[cfg(feature = "agent-manager")]
pub mod agent_manager;
mod builder;
mod config;
mod database;
mod encoding;
mod error;
mod functions;
mod health;
mod panics;
mod reactive;
mod scheduler;
mod schema;
mod storage;
mod time;
mod transaction;

pub use builder::Builder;
pub use config::Config;
pub use database::Db;
pub use encoding::{
    DecodeError, Describer, EnumType, FieldType, IntegerType, StoredReader, StoredWriter, StructType, Type, Typed,
};
pub use error::{
    Error, FaultKind, IdError, JsonError, OpenError, QueryError, RegistrationError, RowError, ScheduleError,
    SchemaError, StorageError, TransactionError,
};
pub use functions::{
    Action, ActionContext, ApplicationError, ArgumentDescription, CallError, Caller, Description, Function,
    FunctionDescription, FunctionError, FunctionKind, FunctionStats, JsonSubscription, Module, Mutation, Query,
    RecentCall, Registration, Stats, TimeStats, Visibility,
};
pub use health::Health;
pub use reactive::{
    CallbackSubscription, Evaluation, Iter, LiveQueryHealth, LiveQueryId, Outcome, Reactor, Subscription,
};
pub use scheduler::{
    Cron, CronSchedule, DueWork, Job, JobKind, JobStatus, MAX_JOB_ARGUMENTS_BYTES, MAX_JOB_RESULT_BYTES,
    ManualScheduler, Ran, Retry, Run, RunKind, Schedulable, Schedule, Scheduler, SchedulerFailure, SchedulerHealth,
    ThreadScheduler,
};
pub use schema::{
    AsPart, CatalogDescription, Doc, DynamicRow, FieldDescription, FieldValue, Id, Index, IndexDescription, IndexKind,
    Json, KeyType, LayoutDescription, NextPart, OnDelete, Prefix, ReferenceDescription, Table, TableDescription,
    Tables, UnknownVariant, Value,
};
pub use storage::{CheckpointFailure, CheckpointReport, Durability, disk};
pub use time::{Clock, ManualClock, SystemClock, Timestamp, Ts};
pub use transaction::{
    BuildProgress, BuildWork, Cursor, DynamicRows, IndexBuild, IndexQuery, MAX_KEY_BYTES, MAX_ROW_BYTES, Page, ReadTx,
    Rows, UnreadableRow, WriteTx,
};

/// What a program that uses the crate needs: `use tropism::prelude::*;`.
pub mod prelude {
    pub use crate::{
        ActionContext, Config, Db, Doc, Durability, Id, Json, ReadTx, Subscription, Timestamp, WriteTx, functions,
        schema,
    };
}

/// The README's program is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What `schema!` expands to; not for use by hand, and not covered by any promise.
#[doc(hidden)]
pub mod __private {
    pub use crate::{functions::Arguments, schema::macro_support::*};
}
