//! What no client calls: the audit trail, the processing of webhooks, answers, metrics that grow old.

pub(super) mod ai_responses;
pub(super) mod check_events;
pub(super) mod comment_events;
pub(super) mod evidence;
pub(super) mod github;
pub(super) mod history;
pub(super) mod metrics;
pub(super) mod payload;
pub(super) mod pull_request_events;
pub(super) mod pull_request_report;
pub(super) mod repositories;
pub(super) mod signature;
pub(super) mod webhook_processing;
