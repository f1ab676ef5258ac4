//! The sixteen tables, and the one that knows what repositories are called.

mod projects;
mod repositories;
mod machines;

pub use self::{machines::*, projects::*, repositories::*};

/// Every table, for [`Registration::tables`](crate::Registration::tables).
pub(super) type AllTables = (
    (Project, Task, TaskDependency, AcceptanceCriterion, Test, ChatMessage, HistoryEvent, PullRequest),
    (Repository, PrComment, PrIssue, PrCheck, Server, Container, ServerMetrics, WebhookEvent, AgentJob),
);
