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
