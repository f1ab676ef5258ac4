//! The interface between the agent manager and a large language model: one blocking question, one answer.

use std::time::Duration;

/// Who said a message of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AiRole {
    /// The person, or the program, that talks to the model.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiMessage {
    /// Who said it.
    pub role: AiRole,
    /// What was said.
    pub text: String,
}

impl AiMessage {
    /// A message said by the user.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: AiRole::User, text: text.into() }
    }

    /// A message said by the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: AiRole::Assistant, text: text.into() }
    }
}

/// What a model is asked: its instructions and the conversation so far, oldest message first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AiRequest {
    /// The instructions that stand above the conversation; blank for none.
    pub system: String,
    /// The conversation, oldest message first.
    pub messages: Vec<AiMessage>,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiAnswer {
    /// The text of the answer, never blank.
    pub text: String,
    /// The model that answered, as the provider names it.
    pub model: Option<String>,
    /// How many tokens the request took.
    pub input_tokens: Option<u64>,
    /// How many tokens the answer took.
    pub output_tokens: Option<u64>,
}

/// Something that answers requests with a large language model.
///
/// A call blocks until the answer is there, so it belongs on a worker thread. A provider makes one attempt for each
/// call; whether and when to try again is the caller's decision, helped by [`AiError::is_worth_retrying`] and
/// [`AiError::retry_after`].
pub trait AiProvider: Send + Sync + 'static {
    /// Asks the model once and waits for its answer.
    fn answer(&self, request: &AiRequest) -> Result<AiAnswer, AiError>;
}

/// Why a model gave no answer.
///
/// No variant holds a credential, and a provider removes its own from whatever a server says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AiError {
    /// Too many requests, or too many tokens, were sent in a while.
    #[error("the AI provider limits the rate of requests; try again{}", wait_text(.retry_after))]
    RateLimited {
        /// How long the provider asks to wait, if it says so.
        retry_after: Option<Duration>,
    },

    /// The provider cannot be reached, broke off, is overloaded or has failed.
    #[error("the AI provider is unavailable{}: {message}; try again{}", status_text(.status), wait_text(.retry_after))]
    Unavailable {
        /// The HTTP status, if the provider answered at all.
        status: Option<u16>,
        /// What went wrong.
        message: String,
        /// How long the provider asks to wait, if it says so.
        retry_after: Option<Duration>,
    },

    /// The time allowed for one attempt went by.
    #[error("the AI provider gave no answer within {after:?}; try again, or allow it more time")]
    TimedOut {
        /// How long the attempt lasted.
        after: Duration,
    },

    /// The provider understood the request and does not carry it out; the same request is bound to be refused again.
    #[error("the AI provider refused the request (HTTP {status}, {kind}): {message}; {}", remedy_of_refusal(*.status))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The provider's name for the kind of refusal, such as `authentication_error`.
        kind: String,
        /// The provider's explanation.
        message: String,
    },

    /// The provider's answer is not what its interface promises.
    #[error("the AI provider's answer cannot be used: {reason}; check that the base URL leads to the provider itself")]
    Malformed {
        /// What is wrong with the answer.
        reason: String,
    },

    /// The request has nothing to answer.
    #[error("the conversation has no user message with text to answer; add one to `AiRequest::messages`")]
    EmptyConversation,

    /// The API key cannot be a key, so nothing was sent.
    #[error("the API key {problem}; copy the key anew, without spaces or line breaks around it")]
    InvalidKey {
        /// What is wrong with the key, without any of its characters.
        problem: &'static str,
    },

    /// A setting of the provider cannot work, so nothing was sent.
    #[error("the AI provider's setting `{setting}` {problem}")]
    Misconfigured {
        /// The name of the setting.
        setting: &'static str,
        /// What is wrong with it and what to do about it.
        problem: &'static str,
    },
}

impl AiError {
    /// Whether the same request may succeed later without anyone changing something.
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unavailable { .. } | Self::TimedOut { .. } => true,
            // A time-out of the request's upload and a conflict pass by themselves, though they are 4xx.
            Self::Refused { status, .. } => matches!(status, 408 | 409),
            // Asking again costs the same tokens for what is most likely the same unusable answer.
            Self::Malformed { .. } => false,
            Self::EmptyConversation | Self::InvalidKey { .. } | Self::Misconfigured { .. } => false,
        }
    }

    /// How long the provider asks to wait before the next attempt, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn wait_text(retry_after: &Option<Duration>) -> String {
    retry_after.map(|wait| format!(" after {wait:?}")).unwrap_or_else(|| " later".to_owned())
}

fn status_text(status: &Option<u16>) -> String {
    status.map(|status| format!(" (HTTP {status})")).unwrap_or_default()
}

fn remedy_of_refusal(status: u16) -> &'static str {
    match status {
        300..=399 => "set the base URL to the address that the redirect leads to",
        401 | 403 => "check the API key and what it is allowed to do",
        402 => "check the account's billing",
        404 => "check the model's name and the base URL",
        408 | 409 => "try again later",
        413 => "send a shorter conversation",
        429 => "raise the spending limit or wait until it is reset",
        _ => "change the request as the message says",
    }
}
