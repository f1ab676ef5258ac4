//! [`AiProvider`]: who answers messages.

use std::time::Duration;

/// Whoever answers a conversation: a service, a model, a stand-in in a test. Called on a thread that may wait.
pub trait AiProvider: Send + Sync + 'static {
    /// The answer to a conversation.
    ///
    /// # Errors
    ///
    /// Why there is none. What is worth retrying is tried again, later and a bounded number of times, by whoever asks.
    fn answer(&self, request: &AiRequest) -> Result<AiAnswer, AiError>;
}

/// A conversation that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiRequest {
    /// What the provider should know of the matter.
    pub system: String,
    /// What was said, oldest first. The last message is a user's.
    pub messages: Vec<AiMessage>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiMessage {
    /// Who said it.
    pub role: AiRole,
    /// What.
    pub text: String,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AiRole {
    /// A person.
    User,
    /// The provider.
    Assistant,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiAnswer {
    /// What it says.
    pub text: String,
    /// Which model gave it.
    pub model: Option<String>,
    /// What the question cost.
    pub input_tokens: Option<u64>,
    /// What the answer cost.
    pub output_tokens: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AiError {
    /// Too many questions; the service may say when to come back.
    #[error("the provider has had too many requests")]
    RateLimited {
        /// After how long.
        retry_after: Option<Duration>,
    },
    /// The service cannot be reached, or is overloaded.
    #[error("the provider cannot be reached: {message}")]
    Unavailable {
        /// The status that it answered, if it did.
        status: Option<u16>,
        /// More of it.
        message: String,
    },
    /// The service did not answer in time.
    #[error("the provider has not answered within {after:?}")]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// The service does not want the question: a wrong key, a wrong model, a question that is too long.
    #[error("the provider refused the request ({status} {kind}): {message}")]
    Refused {
        /// The status that it answered.
        status: u16,
        /// Its word for it.
        kind: String,
        /// More of it.
        message: String,
    },
    /// The answer is none.
    #[error("the provider's answer cannot be read: {reason}")]
    Malformed {
        /// Why.
        reason: String,
    },
}

impl AiError {
    /// Whether the same question may be answered later.
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unavailable { .. } | Self::TimedOut { .. } => true,
            Self::Refused { .. } | Self::Malformed { .. } => false,
        }
    }

    /// After how long the service wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            Self::Unavailable { .. } | Self::TimedOut { .. } | Self::Refused { .. } | Self::Malformed { .. } => None,
        }
    }
}
