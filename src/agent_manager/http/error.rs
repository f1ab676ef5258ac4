//! [`IntakeError`]: why a request is refused; [`SecretError`]: why an intake cannot be used as it is set up.

use std::time::Duration;

use crate::{
    Error,
    agent_manager::{enums::WebhookSource, internal::signature::SignatureError},
};

/// A secret with which no request can be verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret for webhooks of {source_name} cannot be used: {fault}")]
pub struct SecretError {
    /// The source that was to sign with it.
    pub source_name: WebhookSource,
    /// What is wrong with it. It does not repeat the secret.
    pub fault: SignatureError,
}

/// Why a request was refused. Nothing of it was stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// The host has no secret for this source, so that nobody could tell a request from a forged one.
    #[error("webhooks of {source_name} are not set up here")]
    NotSetUp {
        /// The source.
        source_name: WebhookSource,
    },
    /// The body is larger than the limit.
    #[error("the body has {size_bytes} bytes, and at most {limit_bytes} are taken")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// A header is missing.
    #[error("the header `{header}` is missing")]
    MissingHeader {
        /// Its name, in lower case.
        header: &'static str,
    },
    /// A header is longer than any that a source sends.
    #[error("the header `{header}` has more than {limit_bytes} bytes")]
    HeaderTooLong {
        /// Its name, in lower case.
        header: &'static str,
        /// The limit.
        limit_bytes: usize,
    },
    /// The signature is not that of somebody who has the secret, or the request is too old.
    #[error("the request is not signed as it should be: {0}")]
    Signature(SignatureError),
    /// The body is not JSON that can be processed.
    #[error("the body is not JSON that can be processed: {reason}")]
    NotJson {
        /// Where and why not.
        reason: String,
    },
    /// The source sends more than the host takes.
    #[error("too many requests; come back in {retry_after:?}")]
    TooMany {
        /// After how long there is room again.
        retry_after: Duration,
    },
    /// The event could not be stored.
    #[error("the event could not be stored: {0}")]
    Storage(Error),
}

impl IntakeError {
    /// A word for programs: `not_set_up`, `too_large`, `missing_header`, `header_too_long`, `signature`, `not_json`,
    /// `too_many`, `storage`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSetUp { .. } => "not_set_up",
            Self::TooLarge { .. } => "too_large",
            Self::MissingHeader { .. } => "missing_header",
            Self::HeaderTooLong { .. } => "header_too_long",
            Self::Signature(_) => "signature",
            Self::NotJson { .. } => "not_json",
            Self::TooMany { .. } => "too_many",
            Self::Storage(_) => "storage",
        }
    }

    /// The HTTP status to answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::MissingHeader { .. } | Self::HeaderTooLong { .. } | Self::NotJson { .. } => 400,
            // The host's own secret is at fault.
            Self::Signature(SignatureError::EmptySecret | SignatureError::MalformedSecret) => 500,
            Self::Signature(_) => 401,
            Self::NotSetUp { .. } => 404,
            Self::TooLarge { .. } => 413,
            Self::TooMany { .. } => 429,
            Self::Storage(_) => 503,
        }
    }

    /// What to answer in the header `retry-after`, in whole seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { retry_after } => Some(Duration::from_secs(retry_after.as_secs_f64().ceil() as u64)),
            _ => None,
        }
    }
}
