//! What agents are to do for tasks, and how far they have come.

use super::{
    enums::*,
    error::{AgentError, Result, not_empty},
    internal::history::{Subject, record},
    lists::{LISTED, bounded},
    schema::*,
};
use crate::prelude::*;

functions! {
    /// The functions of agents' jobs.
    pub module JobFunctions;

    /// One job, or nothing.
    pub query GetAgentJob in "jobs:get" { id: Id<AgentJob> } -> Option<Doc<AgentJob>> |tx| { tx.get(id) }

    /// Those for a task.
    pub query ListAgentJobs in "jobs:listByTask" {
        task_id: Id<Task>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<AgentJob>> |tx| {
        tx.query(AgentJob::by_task).eq(task_id).take(bounded(limit)).collect()
    }

    /// Those that stand alike.
    pub query ListAgentJobsByStatus in "jobs:listByStatus" {
        status: AgentJobStatus,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<AgentJob>> |tx| {
        tx.query(AgentJob::by_status).eq(status).take(bounded(limit)).collect()
    }

    /// Adds one that waits.
    pub mutation CreateAgentJob in "jobs:create" {
        task_id: Id<Task>,
        /// What is to be done: `review`, `implement`.
        kind: String,
        user: String = "system".to_owned(),
    } -> Result<Id<AgentJob>, AgentError> |tx| {
        not_empty("kind", &kind)?;
        tx.existing(task_id)?;
        let id = tx.insert(AgentJob {
            task_id,
            kind: kind.clone(),
            status: AgentJobStatus::Queued,
            progress: 0,
            result: None,
            error: None,
            started_at: None,
            finished_at: None,
        })?;
        record(tx, Subject::Task(task_id), "job.created", &user, Some(kind))?;
        Ok(id)
    }

    /// Takes the job that waits longest, of one kind or of any: for agents that look for work. Nobody else gets it.
    pub mutation ClaimAgentJob in "jobs:claim" {
        kind: Option<String>,
        user: String = "system".to_owned(),
    } -> Result<Option<Id<AgentJob>>, AgentError> |tx| {
        let waiting = tx.query(AgentJob::by_status).eq(AgentJobStatus::Queued);
        let job = waiting.filter(|job| kind.as_ref().is_none_or(|kind| *kind == job.kind)).first()?;
        let Some(job) = job else { return Ok(None) };
        start(tx, job.id(), &user)?;
        Ok(Some(job.id()))
    }

    /// Says that an agent is at it.
    pub mutation StartAgentJob in "jobs:start" {
        id: Id<AgentJob>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| { start(tx, id, &user) }

    /// Says how far it has come. It never goes back.
    pub mutation ReportProgress in "jobs:reportProgress" {
        id: Id<AgentJob>,
        /// 0 to 100.
        progress: u8,
    } -> Result<(), AgentError> |tx| {
        if progress > 100 {
            let given = progress.to_string();
            return Err(AgentError::OutOfBounds { field: "progress", given, bounds: "0 to 100" });
        }
        open(tx, id)?;
        tx.patch(id, |job: &mut AgentJob| job.progress = job.progress.max(progress))?;
        Ok(())
    }

    /// Says what came of it.
    pub mutation SucceedAgentJob in "jobs:succeed" {
        id: Id<AgentJob>,
        result: Option<String>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        end(tx, id, AgentJobStatus::Succeeded, &user, |job| (job.result, job.progress) = (result, 100))
    }

    /// Says that it was not to be done, and why.
    pub mutation FailAgentJob in "jobs:fail" {
        id: Id<AgentJob>,
        error: String,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        end(tx, id, AgentJobStatus::Failed, &user, |job| job.error = Some(error))
    }

    /// Says that nobody wants it any more. Whoever is at it sees it in its status.
    pub mutation CancelAgentJob in "jobs:cancel" {
        id: Id<AgentJob>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| { end(tx, id, AgentJobStatus::Cancelled, &user, |_| {}) }

    /// Deletes one.
    pub mutation DeleteAgentJob in "jobs:delete" {
        id: Id<AgentJob>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        let job = tx.get(id)?;
        tx.delete(id)?;
        let Some(job) = job else { return Ok(()) };
        record(tx, Subject::Task(job.task_id), "job.deleted", &user, Some(format!("{}: {}", job.kind, job.status)))
    }
}

/// The job, if it has not ended.
fn open(tx: &ReadTx, id: Id<AgentJob>) -> Result<Doc<AgentJob>> {
    let job = tx.existing(id)?;
    match job.status {
        AgentJobStatus::Queued | AgentJobStatus::Running => Ok(job),
        AgentJobStatus::Succeeded | AgentJobStatus::Failed | AgentJobStatus::Cancelled => {
            Err(AgentError::Ended { what: id.to_string(), status: job.status.as_str() })
        }
    }
}

fn start(tx: &mut WriteTx, id: Id<AgentJob>, user: &str) -> Result<()> {
    let job = open(tx, id)?;
    if job.status == AgentJobStatus::Running {
        return Err(AgentError::Ended { what: id.to_string(), status: job.status.as_str() });
    }
    let now = tx.now();
    tx.patch(id, |job: &mut AgentJob| {
        job.status = AgentJobStatus::Running;
        job.started_at = Some(now);
    })?;
    record(tx, Subject::Task(job.task_id), "job.started", user, Some(job.kind.clone()))
}

fn end(
    tx: &mut WriteTx,
    id: Id<AgentJob>,
    status: AgentJobStatus,
    user: &str,
    change: impl FnOnce(&mut AgentJob),
) -> Result<()> {
    let job = open(tx, id)?;
    let now = tx.now();
    tx.patch(id, |job: &mut AgentJob| {
        change(job);
        job.status = status;
        job.finished_at = Some(now);
    })?;
    record(tx, Subject::Task(job.task_id), "job.ended", user, Some(format!("{}: {status}", job.kind)))
}
