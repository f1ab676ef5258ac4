//! What webhook events do: one handler for each, in one transaction with the event's new status.

use std::time::Duration;

use serde_json::Value;

use super::{
    check_events, comment_events,
    github::{self, GithubEvent},
    history::{Subject, before, write_down},
    payload, pull_request_events as events, repositories,
};
use crate::{
    Function, Job, JobKind, JobStatus, Mutation,
    agent_manager::{
        Limits,
        enums::*,
        error::{AgentError, Result},
        jobs,
        schema::*,
        tests,
    },
    prelude::*,
};

/// Events that the cron looks at in one transaction.
const BATCH: usize = 500;
/// An event whose processing has not come so long after it was due has lost its job.
const LOST_AFTER: Duration = Duration::from_secs(600);

/// What a handler says.
enum Handled {
    Processed,
    Ignored(String),
}

functions! {
    /// The internal functions of webhooks.
    pub(in crate::agent_manager) module InternalWebhookFunctions;

    /// Stores an event and schedules its processing, unless the delivery is there already. One that is there and dead
    /// gets the new payload and is processed anew.
    pub(in crate::agent_manager) mutation StoreWebhook in "webhooks:store" {
        source: WebhookSource,
        delivery_id: String,
        event_type: String,
        payload: String,
    } -> Option<Id<WebhookEvent>> |tx| {
        let same = tx.query(WebhookEvent::by_source_and_delivery).eq((source, delivery_id.as_str())).unique()?;
        if let Some(same) = same {
            return if same.status == WebhookStatus::Dead { revive(tx, same.id(), event_type, payload) } else { Ok(None) };
        }
        let received_at = tx.now();
        let id = tx.insert(WebhookEvent {
            source,
            delivery_id,
            event_type,
            payload,
            status: WebhookStatus::Pending,
            attempts: 0,
            last_error: None,
            received_at,
            processed_at: None,
            next_attempt_at: None,
        })?;
        schedule(tx, id)?;
        Ok(Some(id))
    }

    /// Processes an event that waits: all that its handler does, and its new status, or only that it failed.
    pub(in crate::agent_manager) mutation ProcessWebhook in "webhooks:process" { id: Id<WebhookEvent> } -> () |tx| {
        let Some(event) = tx.get(id)?.filter(|event| event.status == WebhookStatus::Pending) else { return Ok(()) };
        let handled = tx.nested(|tx| handle(tx, &event));
        finish(tx, &event, handled)
    }

    /// Has events tried again that failed and whose wait is over, and takes those for failed that have lost their job.
    pub(in crate::agent_manager) mutation RetryFailedWebhooks in "webhooks:retryFailed" {} -> usize |tx| {
        let now = tx.now();
        let failed = tx.query(WebhookEvent::by_status_and_next_attempt).eq(WebhookStatus::Failed);
        let failed = failed.range(..=Some(now)).take(BATCH).collect()?;
        let lost = tx.query(WebhookEvent::by_status_and_next_attempt).eq(WebhookStatus::Pending);
        let lost = lost.range(..Some(before(now, LOST_AFTER))).take(BATCH).collect()?;
        for event in &lost {
            // Whatever took its job away, a panic for example, was an attempt.
            finish(tx, event, Err(AgentError::Lost))?;
        }
        for event in &failed {
            tx.patch(event.id(), |event: &mut WebhookEvent| event.status = WebhookStatus::Pending)?;
            schedule(tx, event.id())?;
        }
        if failed.len().max(lost.len()) == BATCH {
            tx.schedule().now(RetryFailedWebhooks {})?;
        }
        Ok(failed.len() + lost.len())
    }
}

/// Has a dead event processed anew that was delivered again.
fn revive(
    tx: &mut WriteTx,
    id: Id<WebhookEvent>,
    event_type: String,
    payload: String,
) -> Result<Option<Id<WebhookEvent>>, crate::Error> {
    tx.patch(id, |event: &mut WebhookEvent| {
        (event.event_type, event.payload) = (event_type, payload);
        (event.status, event.attempts, event.processed_at) = (WebhookStatus::Pending, 0, None);
    })?;
    schedule(tx, id)?;
    write_down(tx, Subject::None, "webhook.redelivered", "system", Some(id.to_string()))?;
    Ok(Some(id))
}

/// Schedules the processing of an event, no sooner than the host's pace allows after the one before.
pub(in crate::agent_manager) fn schedule(tx: &mut WriteTx, id: Id<WebhookEvent>) -> Result<(), crate::Error> {
    let pace = Limits::of(tx).processing_pace;
    let mut due_at = tx.now();
    if !pace.is_zero()
        && let Some(last) = last_due(tx, id, before(due_at, pace))?
    {
        let pace = i64::try_from(pace.as_millis()).unwrap_or(i64::MAX);
        due_at = due_at.max(Timestamp::from_millis(last.as_millis().saturating_add(pace)));
    }
    tx.patch(id, |event: &mut WebhookEvent| event.next_attempt_at = Some(due_at))?;
    tx.schedule().at(due_at, ProcessWebhook { id }).map(drop)
}

/// When the last event before this one is due; or was, if that was not before `since`.
fn last_due(tx: &ReadTx, id: Id<WebhookEvent>, since: Timestamp) -> Result<Option<Timestamp>, crate::Error> {
    let waiting = tx.query(WebhookEvent::by_status_and_next_attempt).eq(WebhookStatus::Pending);
    let waiting = waiting.filter(move |event| event.id() != id).descending().first()?;
    // Where none waits, the job that processed the last one tells.
    let ended = tx.query(Job::by_queue).eq((JobStatus::Succeeded, JobKind::Mutation)).range(since..);
    let ended = ended.filter(|job| job.function == ProcessWebhook::NAME).descending().first()?;
    Ok(waiting.and_then(|event| event.next_attempt_at).max(ended.map(|job| job.due_at)))
}

fn finish(tx: &mut WriteTx, event: &Doc<WebhookEvent>, handled: Result<Handled>) -> Result<(), crate::Error> {
    let (now, limits) = (tx.now(), Limits::of(tx));
    tx.patch(event.id(), |row: &mut WebhookEvent| match handled {
        Ok(Handled::Processed) => {
            (row.status, row.last_error) = (WebhookStatus::Processed, None);
            (row.processed_at, row.next_attempt_at) = (Some(now), None);
        }
        Ok(Handled::Ignored(reason)) => {
            (row.status, row.last_error) = (WebhookStatus::Ignored, Some(reason));
            (row.processed_at, row.next_attempt_at) = (Some(now), None);
        }
        Err(error) => {
            row.last_error = Some(error.to_string());
            row.attempts = row.attempts.saturating_add(1);
            let is_dead = row.attempts > limits.webhook_retries;
            row.status = if is_dead { WebhookStatus::Dead } else { WebhookStatus::Failed };
            // Of 2 to the 63rd there is only the negative.
            let doubled = 1i64 << (row.attempts - 1).min(62);
            let wait = i64::try_from(limits.webhook_retry_wait.as_millis()).unwrap_or(i64::MAX).saturating_mul(doubled);
            let retry_at = Timestamp::from_millis(now.as_millis().saturating_add(wait));
            row.next_attempt_at = (!is_dead).then_some(retry_at);
        }
    })
}

/// What an event does, given its payload.
type Handler = fn(&mut WriteTx, &WebhookEvent, Value) -> Result<Handled>;

/// The handler of an event, by its type alone: what is in the payload of an event that nobody handles does not matter.
fn handler_of(event: &WebhookEvent) -> Option<Handler> {
    match (event.source, event.event_type.as_str()) {
        (WebhookSource::Github, name) => github::is_handled(name).then_some(handle_github),
        // The arguments of `tests:recordResult`.
        (WebhookSource::Ci, "test.result") => Some(run::<tests::RecordTestResult>),
        // The arguments of the functions in `jobs`.
        (WebhookSource::Agent, "job.started") => Some(run::<jobs::StartAgentJob>),
        (WebhookSource::Agent, "job.progress") => Some(run::<jobs::ReportProgress>),
        (WebhookSource::Agent, "job.succeeded") => Some(run::<jobs::SucceedAgentJob>),
        (WebhookSource::Agent, "job.failed") => Some(run::<jobs::FailAgentJob>),
        (WebhookSource::Ci | WebhookSource::Agent, _) => None,
    }
}

fn handle(tx: &mut WriteTx, event: &WebhookEvent) -> Result<Handled> {
    let Some(handler) = handler_of(event) else {
        return Ok(Handled::Ignored(github::no_handler(&event.event_type)));
    };
    let payload = payload::parse(&event.payload).map_err(|error| unreadable(event, &error))?;
    handler(tx, event, payload)
}

fn unreadable(event: &WebhookEvent, error: &dyn std::error::Error) -> AgentError {
    AgentError::Payload { event_type: event.event_type.clone(), reason: error.to_string() }
}

fn handle_github(tx: &mut WriteTx, event: &WebhookEvent, payload: Value) -> Result<Handled> {
    let parsed = github::parse(&event.event_type, &payload).map_err(|error| unreadable(event, &error))?;
    match parsed {
        GithubEvent::Ping => {}
        GithubEvent::PullRequest(event) => events::event(tx, &event)?,
        GithubEvent::Review(event) => events::review(tx, &event)?,
        GithubEvent::ReviewComment(event) => comment_events::review_comment(tx, &event)?,
        GithubEvent::ReviewThread(event) => comment_events::review_thread(tx, &event)?,
        GithubEvent::IssueComment(event) => comment_events::issue_comment(tx, &event)?,
        GithubEvent::CheckRun(event)
        | GithubEvent::CheckSuite(event)
        | GithubEvent::Status(event)
        | GithubEvent::WorkflowRun(event)
        | GithubEvent::WorkflowJob(event) => check_events::check(tx, &event)?,
        GithubEvent::Push(event) => events::push(tx, &event)?,
        GithubEvent::Repository(event) => repositories::renamed(tx, &event)?,
        GithubEvent::Ignored { reason } => return Ok(Handled::Ignored(reason)),
    }
    Ok(Handled::Processed)
}

/// Runs a mutation with the payload's `data` as its arguments.
fn run<M: Mutation<Error = AgentError>>(tx: &mut WriteTx, event: &WebhookEvent, mut payload: Value) -> Result<Handled> {
    let data = payload.get_mut("data").map(Value::take).unwrap_or_default();
    let mutation: M = serde_json::from_value(data).map_err(|error| unreadable(event, &error))?;
    tx.run_mutation(mutation)?;
    Ok(Handled::Processed)
}
