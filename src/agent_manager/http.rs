//! [`WebhookIntake`]: takes webhook requests in, whatever server they come through.

use std::{collections::HashMap, fmt, time::Duration};

use parking_lot::Mutex;
use serde::de::IgnoredAny;

use super::{
    enums::WebhookSource,
    internal::{
        signature::{STANDARD_TOLERANCE_SECONDS, SignatureError, verify_github, verify_standard},
        webhook_processing::StoreWebhook,
    },
    schema::WebhookEvent,
};
use crate::{Error, prelude::*};

/// The largest body that GitHub sends, by its documentation of webhooks ("Payload cap").
const GITHUB_BODY_BYTES: usize = 25 << 20;
/// The largest body of the others, unless the host says otherwise.
const OTHER_BODY_BYTES: usize = 1 << 20;
/// The longest header that names a delivery or its event. Those of GitHub have 36 bytes; the delivery is part of a key.
const HEADER_BYTES: usize = 1_024;
/// No larger limit can be set: an event is a row.
const MOST_BODY_BYTES: usize = crate::MAX_ROW_BYTES - (1 << 16);

/// Takes webhook requests in: verifies, stores, schedules the processing, and says what to answer. It is no server; any
/// server will do that has the request's headers and its raw body.
///
/// Nothing is stored of a request that is refused. One that is taken in is durable before the answer is 200, and a
/// delivery that comes twice is stored once and answered 200 twice. One per process; it may be shared by threads.
///
/// ```
/// use tropism::{agent_manager::{AgentManager, WebhookIntake, WebhookSource, sign_github}, prelude::*};
///
/// let db = Db::builder().module(AgentManager::new()).in_memory()?;
/// let intake = WebhookIntake::new().secret(WebhookSource::Github, "It's a Secret to Everybody");
/// let body = br#"{ "zen": "Keep it logically awesome." }"#;
/// let signature = sign_github(b"It's a Secret to Everybody", body);
/// let headers = |name: &str| match name {
///     "x-github-event" => Some("ping"),
///     "x-github-delivery" => Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
///     "x-hub-signature-256" => Some(signature.as_str()),
///     _ => None,
/// };
/// let received = intake.receive(&db, WebhookSource::Github, headers, body).expect("it is signed");
/// assert!(received.event.is_some());
/// # Ok::<(), tropism::Error>(())
/// ```
pub struct WebhookIntake {
    sources: HashMap<WebhookSource, Source>,
    /// How many requests each source has left, and since when.
    buckets: Mutex<HashMap<WebhookSource, Bucket>>,
}

/// What is known of who sends.
#[derive(Default)]
struct Source {
    secrets: Vec<String>,
    body_limit: Option<usize>,
    rate: Option<Rate>,
}

/// How many requests a source may send: so many at once, and on the average so many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; 0 counts as 1.
    pub requests: u32,
    /// In how long; a millisecond at least.
    pub per: Duration,
}

/// Room for requests, as it fills again with time.
struct Bucket {
    room: f64,
    at: Timestamp,
}

/// A request that was taken in. The answer is 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// The event; none if the delivery was there already.
    pub event: Option<Id<WebhookEvent>>,
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
    /// The body is not JSON.
    #[error("the body is not JSON: {reason}")]
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

impl Default for WebhookIntake {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WebhookIntake {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.sources.keys()).finish()
    }
}

impl WebhookIntake {
    /// An intake that takes nothing yet: each source needs a secret.
    pub fn new() -> Self {
        Self { sources: HashMap::new(), buckets: Mutex::default() }
    }

    /// Gives the secret that a source signs with. Given several times, each is good: to change it without a gap.
    pub fn secret(mut self, source: WebhookSource, secret: impl Into<String>) -> Self {
        self.sources.entry(source).or_default().secrets.push(secret.into());
        self
    }

    /// Limits how often a source may send. By default as often as it likes.
    pub fn rate(mut self, source: WebhookSource, rate: Rate) -> Self {
        self.sources.entry(source).or_default().rate = Some(rate);
        self
    }

    /// Limits how large a body of a source may be. By default 25 MiB for GitHub, which is its own limit, and 1 MiB for
    /// others; nearly 32 MiB at most.
    pub fn body_limit(mut self, source: WebhookSource, limit_bytes: usize) -> Self {
        self.sources.entry(source).or_default().body_limit = Some(limit_bytes.min(MOST_BODY_BYTES));
        self
    }

    /// How large a body of a source may be, for a server that stops reading there.
    pub fn body_limit_of(&self, source: WebhookSource) -> usize {
        let default_limit = if source == WebhookSource::Github { GITHUB_BODY_BYTES } else { OTHER_BODY_BYTES };
        self.sources.get(&source).and_then(|known| known.body_limit).unwrap_or(default_limit)
    }

    /// Takes a request in. `headers` finds a header by its name in lower case; `body` is the body as it was received,
    /// byte for byte.
    ///
    /// # Errors
    ///
    /// Why not, with the status to answer; nothing is stored then.
    pub fn receive<'h>(
        &self,
        db: &Db,
        source: WebhookSource,
        headers: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
    ) -> Result<Received, IntakeError> {
        let known = self.sources.get(&source).filter(|known| !known.secrets.is_empty());
        let known = known.ok_or(IntakeError::NotSetUp { source_name: source })?;
        let (size_bytes, limit_bytes) = (body.len(), self.body_limit_of(source));
        if size_bytes > limit_bytes {
            return Err(IntakeError::TooLarge { size_bytes, limit_bytes });
        }
        let header = |name: &'static str| {
            let value = headers(name).filter(|value| !value.is_empty());
            value.map(str::to_owned).ok_or(IntakeError::MissingHeader { header: name })
        };
        let short = |name: &'static str| match header(name)? {
            value if value.len() > HEADER_BYTES => {
                Err(IntakeError::HeaderTooLong { header: name, limit_bytes: HEADER_BYTES })
            }
            value => Ok(value),
        };
        let (delivery_id, event_type) = match source {
            WebhookSource::Github => {
                let (event, delivery) = (short("x-github-event")?, short("x-github-delivery")?);
                let signature = header("x-hub-signature-256")?;
                known.verify(|secret| verify_github(secret.as_bytes(), body, &signature))?;
                (delivery, Some(event))
            }
            WebhookSource::Ci | WebhookSource::Agent => {
                let (id, sent_at) = (short("webhook-id")?, header("webhook-timestamp")?);
                let signature = header("webhook-signature")?;
                let now = db.now().as_millis().div_euclid(1_000);
                let tolerance = STANDARD_TOLERANCE_SECONDS;
                known.verify(|secret| verify_standard(secret, &id, &sent_at, &signature, body, now, tolerance))?;
                (id, None)
            }
        };
        let payload = std::str::from_utf8(body).map_err(|error| not_json(&error))?;
        serde_json::from_str::<IgnoredAny>(payload).map_err(|error| not_json(&error))?;
        let event_type = event_type.unwrap_or_else(|| type_in(payload));
        self.make_room(source, known, db.now())?;
        let payload = payload.to_owned();
        let event = db.mutate(StoreWebhook { source, delivery_id, event_type, payload });
        Ok(Received { event: event.map_err(IntakeError::Storage)? })
    }

    /// Takes room for one request, or says when there is some.
    fn make_room(&self, source: WebhookSource, known: &Source, now: Timestamp) -> Result<(), IntakeError> {
        let Some(rate) = known.rate else { return Ok(()) };
        let (most, per) = (f64::from(rate.requests.max(1)), rate.per.as_secs_f64().max(0.001));
        let mut buckets = self.buckets.lock();
        let bucket = buckets.entry(source).or_insert(Bucket { room: most, at: now });
        let passed = now.as_millis().saturating_sub(bucket.at.as_millis()).max(0) as f64 / 1_000.0;
        bucket.room = (bucket.room + passed * most / per).min(most);
        bucket.at = now;
        if bucket.room < 1.0 {
            let seconds = (1.0 - bucket.room) * per / most;
            let retry_after = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            return Err(IntakeError::TooMany { retry_after });
        }
        bucket.room -= 1.0;
        Ok(())
    }
}

impl Source {
    /// Whether one of the secrets verifies; every one is tried.
    fn verify(&self, verify: impl Fn(&str) -> Result<(), SignatureError>) -> Result<(), IntakeError> {
        let mut verified = Err(SignatureError::EmptySecret);
        for secret in &self.secrets {
            let one = verify(secret);
            if verified.is_err() {
                verified = one;
            }
        }
        verified.map_err(IntakeError::Signature)
    }
}

fn not_json(error: &dyn std::error::Error) -> IntakeError {
    IntakeError::NotJson { reason: error.to_string() }
}

/// Standard Webhooks carry the type within: `{ "type": "job.progress", "timestamp": …, "data": … }`. One that is longer
/// than a header may be is none.
fn type_in(payload: &str) -> String {
    let payload: Option<serde_json::Value> = serde_json::from_str(payload).ok();
    let named = payload.as_ref().and_then(|payload| payload.get("type")?.as_str());
    named.filter(|named| named.len() <= HEADER_BYTES).unwrap_or("unknown").to_owned()
}
