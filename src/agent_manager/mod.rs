//! The agent manager: the back end of a tool in which people and AI agents work on software projects together.
//!
//! Projects with tasks on boards, acceptance criteria and tests; pull requests that arrive by webhook and move their
//! tasks; servers, containers and metrics; chat with an AI provider; agents' jobs with progress; an audit trail. All of
//! it is functions of this crate, built on nothing but its public interface.
//!
//! ```
//! use tropism::{agent_manager::*, prelude::*};
//!
//! let db = Db::builder().module(AgentManager::new()).in_memory()?; // or .open("agents.tropism")
//! let (name, user) = ("Apollo".to_owned(), "ada".to_owned());
//! let nothing = String::new;
//! let project = db.mutate(CreateProject {
//!     name,
//!     description: nothing(),
//!     specification: nothing(),
//!     repository: Some("nasa/apollo".into()),
//!     user,
//! })?;
//! let board = db.subscribe(ShowProjectBoard { project_id: project })?;
//! let first = board.recv().expect("the database is open").expect("nothing fails");
//! assert_eq!(first.as_ref().as_ref().map(|board| board.columns.len()), Some(5));
//!
//! // The same, as a client would, by name:
//! let arguments = serde_json::json!({ "projectId": project, "title": "Lift off" });
//! db.call("tasks:create", arguments, tropism::Caller::Client).expect("the arguments are right");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - `schema.rs` and `enums.rs`: the sixteen tables. Deleting a parent does to its children what the reference says.
//! - `projects.rs`, `tasks.rs`, `dependencies.rs`, `acceptance_criteria.rs`, `tests.rs`, `jobs.rs`, `chat.rs`,
//!   `pull_requests.rs`, `servers.rs`, `containers.rs`, `webhooks.rs`, `history.rs`: the functions of each, for clients.
//! - `boards.rs`: what a screen shows, as one query each.
//! - `lists.rs`: how long lists are.
//! - `http.rs`: [`WebhookIntake`]. `crons.rs`: the three periodic jobs.
//! - `ai_provider.rs`: [`AiProvider`]; `anthropic.rs`: one for the Anthropic Messages API, with the feature of that
//!   name.
//! - `error.rs`: [`AgentError`].
//! - `internal/`: what no client calls.

mod acceptance_criteria;
mod ai_provider;
#[cfg(feature = "anthropic")]
mod anthropic;
mod boards;
mod chat;
mod containers;
mod crons;
mod dependencies;
mod enums;
mod error;
mod history;
mod http;
mod internal;
mod jobs;
mod lists;
mod projects;
mod pull_requests;
mod schema;
mod servers;
mod tasks;
mod tests;
mod webhooks;

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "anthropic")]
pub use self::anthropic::{Anthropic, ApiKey};
use self::internal::{
    ai_responses::{AiFunctions, Provider},
    history::InternalHistoryFunctions,
    metrics::InternalMetricsFunctions,
    webhook_processing::InternalWebhookFunctions,
};
pub use self::{
    acceptance_criteria::*,
    ai_provider::*,
    boards::*,
    chat::*,
    containers::*,
    dependencies::*,
    enums::*,
    error::AgentError,
    history::*,
    http::*,
    internal::signature::{
        STANDARD_TOLERANCE_SECONDS, SignatureError, sign_github, sign_standard, verify_github, verify_standard,
    },
    jobs::*,
    lists::{LISTED, MOST_LISTED},
    projects::*,
    pull_requests::*,
    schema::*,
    servers::*,
    tasks::*,
    tests::*,
    webhooks::*,
};
use crate::{Module, ReadTx, Registration};

/// The agent manager, as a module of a database: `Db::builder().module(AgentManager::new())`.
#[derive(Default)]
pub struct AgentManager {
    provider: Option<Arc<dyn AiProvider>>,
    limits: Limits,
}

/// How long things are kept, how often they are tried, and how fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long history events are kept. Default 30 days.
    pub history_retention: Duration,
    /// How long server metrics are kept. Default 7 days.
    pub metrics_retention: Duration,
    /// How long nobody may have heard of a server before it is offline. Default 2 minutes.
    pub offline_after: Duration,
    /// The least time between the processing of one webhook event and the next. Default none.
    pub processing_pace: Duration,
    /// How often a failed webhook event is tried again. Default 3.
    pub webhook_retries: u32,
    /// How long the first retry waits, each further one twice as long. Default 5 minutes.
    pub webhook_retry_wait: Duration,
    /// How often the provider is asked for one answer. Default 5.
    pub answer_attempts: u32,
    /// How long an answer may take before it is given up. Default 1 hour.
    pub answer_limit: Duration,
    /// How many messages the provider is told, the question among them. Default 50; 1 at least.
    pub conversation_messages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            history_retention: 30 * DAY,
            metrics_retention: 7 * DAY,
            offline_after: 2 * MINUTE,
            processing_pace: Duration::ZERO,
            webhook_retries: 3,
            webhook_retry_wait: 5 * MINUTE,
            answer_attempts: 5,
            answer_limit: 60 * MINUTE,
            conversation_messages: 50,
        }
    }
}

impl Limits {
    /// Those of the database, as its functions find them.
    fn of(tx: &ReadTx) -> Self {
        tx.resource::<Self>().cloned().unwrap_or_default()
    }
}

impl AgentManager {
    /// Without a provider, and with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets who answers messages. Without one, answers fail and say so.
    pub fn provider(mut self, provider: impl AiProvider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// Sets how long things are kept, how often they are tried, and how fast.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl fmt::Debug for AgentManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentManager").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Module for AgentManager {
    fn register(&self, registration: &mut Registration) {
        registration
            .tables::<AllTables>()
            .module(ProjectFunctions)
            .module(TaskFunctions)
            .module(DependencyFunctions)
            .module(CriterionFunctions)
            .module(TestFunctions)
            .module(JobFunctions)
            .module(ChatFunctions)
            .module(PullRequestFunctions)
            .module(ServerFunctions)
            .module(ContainerFunctions)
            .module(WebhookFunctions)
            .module(HistoryFunctions)
            .module(BoardFunctions)
            .module(AiFunctions)
            .module(InternalHistoryFunctions)
            .module(InternalMetricsFunctions)
            .module(InternalWebhookFunctions)
            .resource(self.limits.clone());
        if let Some(provider) = &self.provider {
            registration.resource(Provider(Arc::clone(provider)));
        }
        crons::register(registration);
    }
}
