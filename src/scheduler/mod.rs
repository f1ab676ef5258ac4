//! Work for later: functions that run when they are due, however often the process ends in between.
//!
//! Behaviour:
//! - A job is a row, written in the transaction that schedules it; if that rolls back, it never existed.
//! - A scheduled **mutation** runs exactly once: its effects and the change of its row are one commit. Mutations run one
//!   after the other, in the order in which they are due.
//! - A scheduled **action** runs at most once: it is marked as running, durably, before it begins. With a [`Retry`] it
//!   runs at least once: it runs again if it fails, or if the process ends while it runs, as often as the policy says.
//! - A job's status is data and can be subscribed to. A failure keeps its error and data. Finished jobs are kept for
//!   [`Config::job_retention`](crate::Config::job_retention).
//! - A job whose function is gone, or whose arguments no longer read, is kept as `unrunnable` with an error that says
//!   which, and is tried again when the database is opened.
//! - A cron does not overlap itself; what it missed while the process was down is one run; its next run is data.
//!
//! *What* is due is decided here; *when and where* it runs is a [`Scheduler`]'s business. This floor knows functions,
//! by name. It must not know threads, but for `thread.rs`.
//!
//! - `tables.rs`: [`Job`] and [`Cron`], ordinary tables.
//! - `schedule.rs`: `tx.schedule()`; `retry.rs`: how long to wait before another attempt.
//! - `due.rs`: what is due, and that it is given out once; `run.rs`: runs it; `finish.rs`: what becomes of the job.
//! - `queue.rs`: what waits, from where the last look ended.
//! - `crons.rs`: what crons are declared, and when they run; `cron_expression.rs`: the times of an expression.
//! - `interface.rs`: the trait; `thread.rs` and `manual.rs`: the two that come with the crate.

#[cfg(feature = "cron")]
mod cron_expression;
mod crons;
mod due;
mod finish;
mod interface;
mod manual;
mod queue;
mod retry;
mod run;
mod schedule;
mod tables;
mod thread;

pub(crate) use self::{crons::CronDefinition, due::SchedulerCore};
pub use self::{
    crons::CronSchedule,
    due::{DueWork, RunKind},
    interface::Scheduler,
    manual::ManualScheduler,
    retry::Retry,
    run::{Ran, Run},
    schedule::{Schedulable, Schedule},
    tables::{Cron, Job, JobKind, JobStatus, MAX_JOB_ARGUMENTS_BYTES, MAX_JOB_RESULT_BYTES},
    thread::ThreadScheduler,
};
