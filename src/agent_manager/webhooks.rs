//! Webhook events, to look at and to replay.

use super::{
    enums::*,
    error::AgentError,
    internal::{
        history::{Subject, record},
        webhook_processing::schedule,
    },
    lists::bounded,
    schema::*,
};
use crate::prelude::*;

schema! {
    /// Of how many events what became.
    #[derive(Eq)]
    pub struct WebhookCount {
        /// What.
        status: WebhookStatus,
        /// Of how many.
        count: usize,
    }
}

functions! {
    /// The functions of webhooks.
    pub module WebhookFunctions;

    /// One event, or nothing.
    pub query GetWebhook in "webhooks:get" { id: Id<WebhookEvent> } -> Option<Doc<WebhookEvent>> |tx| { tx.get(id) }

    /// The events of which the same became, oldest first.
    pub query ListWebhooks in "webhooks:list" {
        status: WebhookStatus,
        limit: usize = 100,
    } -> Vec<Doc<WebhookEvent>> |tx| {
        tx.query(WebhookEvent::by_status).eq(status).take(bounded(limit)).collect()
    }

    /// Of how many events what became.
    pub query CountWebhooks in "webhooks:count" {} -> Vec<WebhookCount> |tx| {
        let count = |status: &WebhookStatus| {
            let count = tx.query(WebhookEvent::by_status).eq(*status).count()?;
            Ok(WebhookCount { status: *status, count })
        };
        WebhookStatus::ALL.iter().map(count).collect()
    }

    /// Processes an event again, with all its attempts: one that is dead, or any other that does not wait.
    pub mutation ReplayWebhook in "webhooks:replay" {
        id: Id<WebhookEvent>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        let mut waits = false;
        tx.patch(id, |event: &mut WebhookEvent| {
            waits = event.status == WebhookStatus::Pending;
            event.status = WebhookStatus::Pending;
            (event.attempts, event.processed_at) = (0, None);
        })?;
        if waits {
            return Ok(());
        }
        schedule(tx, id)?;
        record(tx, Subject::None, "webhook.replayed", &user, Some(id.to_string()))
    }

    /// Deletes an event.
    pub mutation DeleteWebhook in "webhooks:delete" {
        id: Id<WebhookEvent>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        tx.delete(id)?;
        record(tx, Subject::None, "webhook.deleted", &user, Some(id.to_string()))
    }
}
