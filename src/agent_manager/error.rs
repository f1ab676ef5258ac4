//! [`AgentError`]: what the functions of the agent manager fail with.

use serde::Serialize;

use super::schema::Task;
use crate::{Error, prelude::*};

/// What the functions of the agent manager fail with. It serialises, so it arrives as data where types do not reach.
#[derive(Debug, Clone, thiserror::Error, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
#[non_exhaustive]
pub enum AgentError {
    /// A task would wait for itself.
    #[error("that would be a cycle: {}", cycle(.tasks))]
    DependencyCycle {
        /// The tasks of the cycle; each waits for the next, and the last is the first.
        tasks: Vec<Id<Task>>,
    },
    /// A text that must say something says nothing.
    #[error("`{field}` is empty; give it a text")]
    Empty {
        /// The argument.
        field: &'static str,
    },
    /// A repository is not of the form that they have.
    #[error("{given:?} is not a repository; write it as \"owner/name\"")]
    Repository {
        /// What was given.
        given: String,
    },
    /// A message is about neither a project nor a task, or about both.
    #[error("a message is about a project or about a task; give exactly one of `projectId` and `taskId`")]
    MessageTarget,
    /// An argument is outside of its bounds.
    #[error("`{field}` is {given}; it must be {bounds}")]
    OutOfBounds {
        /// The argument.
        field: &'static str,
        /// What was given.
        given: String,
        /// What is allowed.
        bounds: &'static str,
    },
    /// Something has ended, and is not to be changed any more.
    #[error("{what} is {status} already")]
    Ended {
        /// What it is, as the text of its id.
        what: String,
        /// How it ended.
        status: &'static str,
    },
    /// What was named does not belong to what it was named with.
    #[error("{what} does not belong to {whole}")]
    NotPartOf {
        /// The text of its id.
        what: String,
        /// The text of the other's id.
        whole: String,
    },
    /// A webhook's payload is not what its event type says.
    #[error("the payload is not a {event_type} event: {reason}")]
    Payload {
        /// The event type.
        event_type: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The processing of a webhook has ended without a word.
    #[error("its processing has ended without a word; look at its job")]
    Lost,
    /// The provider gave no answer.
    #[error("no answer: {reason}")]
    Unanswered {
        /// Why.
        reason: String,
    },
    /// What the engine answered.
    #[error("{message}")]
    Engine {
        /// Its message.
        message: String,
        /// Itself.
        #[serde(skip)]
        #[source]
        source: Box<Error>,
    },
}

/// What the functions answer.
pub(super) type Result<T, E = AgentError> = std::result::Result<T, E>;

impl From<Error> for AgentError {
    fn from(source: Error) -> Self {
        Self::Engine { message: source.to_string(), source: Box::new(source) }
    }
}

fn cycle(tasks: &[Id<Task>]) -> String {
    tasks.iter().map(Id::to_string).collect::<Vec<_>>().join(" waits for ")
}

/// Refuses a text without a letter.
pub(super) fn not_empty(field: &'static str, text: &str) -> Result<()> {
    if text.trim().is_empty() { Err(AgentError::Empty { field }) } else { Ok(()) }
}
