//! [`Health`]: what an operator asks first.

use std::fmt;

use crate::{
    error::StorageError,
    functions::Engine,
    reactive::LiveQueryHealth,
    scheduler::{SchedulerCore, SchedulerHealth},
    storage::{CheckpointFailure, CheckpointReport},
    time::Ts,
};

/// How a database stands. From [`Db::health`](crate::Db::health).
///
/// It displays as a few lines of text.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// Why writes are refused at the moment; `None` if they are taken. [`StorageError::kind`] tells whether it passes.
    pub writes_refused: Option<StorageError>,
    /// The newest commit that readers see.
    pub visible: Ts,
    /// The newest commit that is durable.
    pub durable: Ts,
    /// A commit that is not newer than any snapshot in use: a lower bound, exact to a checkpoint. Space that later commits
    /// replaced is not reused.
    pub oldest_snapshot: Ts,
    /// The size of the log's segments, in bytes.
    pub log_bytes: u64,
    /// What the log holds that no checkpoint has begun with, in bytes.
    pub logged_bytes: usize,
    /// When so much of the log waits, a checkpoint is due: [`Config::checkpoint_bytes`](crate::Config::checkpoint_bytes).
    pub checkpoint_bytes: usize,
    /// The memory that changes outside of the base take, in bytes.
    pub overlay_bytes: usize,
    /// Past it writers wait: [`Config::overlay_limit_bytes`](crate::Config::overlay_limit_bytes).
    pub overlay_limit_bytes: usize,
    /// Whether a checkpoint is being written, or is to be tried again.
    pub is_checkpoint_pending: bool,
    /// The last checkpoint that went well since the database was opened.
    pub last_checkpoint: Option<CheckpointReport>,
    /// The checkpoints that have failed since then.
    pub checkpoint_failure: Option<CheckpointFailure>,
    /// Live queries, and what they have to do.
    pub live_queries: LiveQueryHealth,
    /// Scheduled work; `None` if it cannot be read at the moment.
    pub scheduler: Option<SchedulerHealth>,
}

impl Health {
    pub(crate) fn of(engine: &Engine, work: &SchedulerCore) -> Self {
        let storage = engine.pipeline.store().health();
        Self {
            writes_refused: storage.trouble,
            visible: Ts::from_u64(storage.visible_ts),
            durable: Ts::from_u64(storage.durable_ts),
            oldest_snapshot: Ts::from_u64(storage.oldest_snapshot_ts),
            log_bytes: storage.log_bytes,
            logged_bytes: storage.logged_bytes,
            checkpoint_bytes: storage.checkpoint_bytes,
            overlay_bytes: storage.memory_bytes,
            overlay_limit_bytes: storage.overlay_limit_bytes,
            is_checkpoint_pending: storage.is_checkpoint_pending,
            last_checkpoint: storage.last_checkpoint,
            checkpoint_failure: storage.checkpoint_failure,
            live_queries: engine.reactor.health(),
            scheduler: work.health().ok(),
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.writes_refused {
            None => writeln!(f, "writes: taken")?,
            Some(error) => writeln!(f, "writes: refused, {error}")?,
        }
        writeln!(
            f,
            "commits: {} visible, {} durable, {} oldest in use",
            self.visible, self.durable, self.oldest_snapshot
        )?;
        let Self { logged_bytes, checkpoint_bytes, log_bytes, .. } = self;
        writeln!(f, "log: {logged_bytes} of {checkpoint_bytes} bytes wait, {log_bytes} in files")?;
        writeln!(f, "overlay: {} of {} bytes", self.overlay_bytes, self.overlay_limit_bytes)?;
        match (&self.checkpoint_failure, &self.last_checkpoint) {
            (Some(failure), _) => writeln!(f, "checkpoint: {} failed, {}", failure.attempts, failure.error)?,
            (None, Some(last)) => writeln!(f, "checkpoint: at commit {} in {:?}", last.ts, last.duration)?,
            (None, None) => writeln!(f, "checkpoint: none since the database was opened")?,
        }
        let LiveQueryHealth { live_queries, dirty, .. } = self.live_queries;
        write!(f, "live queries: {live_queries}, {dirty} to be evaluated")?;
        match &self.scheduler {
            Some(scheduler) => write!(f, "\njobs: {} due, {} running", scheduler.jobs_due, scheduler.jobs_running),
            None => Ok(()),
        }
    }
}
