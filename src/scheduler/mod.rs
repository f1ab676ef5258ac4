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
//! - `retry.rs`: how long to wait before another attempt; `schedule.rs`: `tx.schedule()`.
//! - `queue.rs`: what waits, in order.
//! - `cron_expression.rs`: the times of an expression; `cron_schedule.rs`: the times of a cron, and which have been.
//! - `pauses.rs`: what could not be written, and when it is tried again; `outcome.rs`: what becomes of a job;
//!   `kept.rs`: outcomes that could not be written yet.
//! - `damaged.rs`: jobs that cannot be read; `waking.rs`: hears of commits; `core.rs`: what all of the following share,
//!   and who has claimed what; `batch.rs`: changes many jobs, each on its own.
//! - `forget.rs`: removes finished jobs; `correct.rs`: puts times right after the clock was ahead; `recover.rs`: what was
//!   interrupted by the end of the process; `crons.rs`: declared crons; `work.rs`: runs jobs.
//! - `open.rs`: opens all of it; `due.rs`: what is due, given out once; `health.rs`: how it stands.
//! - `interface.rs`: the trait; `thread.rs` and `manual.rs`: the two that come with the crate.
//!
//! When something cannot be written, for want of room or because an operation of the disk failed, it waits for a pause
//! that grows from 100 ms to 30 s and is tried again; everything else goes on. A mutation then stays queued, an action
//! that could not be marked as running, durably, does not begin, and how an action ended is kept in memory until it is written, so
//! that it does not run again. Only the end of the process can lose that; the job is then where its rule for interrupted
//! ones puts it. Jobs that run are read one at a time, whatever their size.
//!
//! A damaged row is its own: what upkeep cannot read is logged and left as it is, and everything else goes on, also when
//! the database is opened. A damaged cron is paused as one that cannot be written.
//!
//! When the clock is put back, what was set while it was ahead is put right without a reopen: jobs for now and after a
//! wait wait from then on, crons run at their next time, and finished jobs are kept for their time from then on. A cron
//! does not run twice for one time. Jobs for a point in time wait for it. When the clock jumps ahead, what is due by it
//! runs, but finished jobs are removed no earlier than ten minutes (or a sixteenth of the retention, if that is
//! shorter) after the jump, in case it is put right.

mod tables;

mod retry;

mod schedule;

mod queue;

#[cfg(feature = "cron")]
mod cron_expression;
mod cron_schedule;

mod pauses;

mod outcome;

mod kept;

mod damaged;

mod waking;

mod core;

mod batch;

mod forget;

mod correct;

mod recover;

mod crons;

mod work;

mod open;

mod due;

mod health;

mod interface;

mod thread;

mod manual;

pub(crate) use self::{core::SchedulerCore, crons::CronDefinition};
pub use self::{
    core::SchedulerFailure,
    cron_schedule::CronSchedule,
    due::{DueWork, Run, RunKind},
    health::SchedulerHealth,
    interface::Scheduler,
    manual::ManualScheduler,
    outcome::Ran,
    retry::Retry,
    schedule::{Schedulable, Schedule},
    tables::{Cron, Job, JobKind, JobStatus, MAX_JOB_ARGUMENTS_BYTES, MAX_JOB_RESULT_BYTES},
    thread::ThreadScheduler,
};
