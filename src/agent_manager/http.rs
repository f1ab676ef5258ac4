//! [`WebhookIntake`]: takes webhook requests in, whatever server they come through.

mod error;

use std::{collections::HashMap, fmt, time::Duration};

use parking_lot::Mutex;

pub use self::error::{IntakeError, SecretError};
use super::{
    enums::WebhookSource,
    internal::{
        payload,
        signature::{STANDARD_TOLERANCE_SECONDS, SignatureError, check_secret, verify_github, verify_standard},
        webhook_processing::StoreWebhook,
    },
    schema::WebhookEvent,
};
use crate::prelude::*;

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
/// let intake = intake.checked().expect("the secret is well formed");
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
    secrets: Vec<Secret>,
    body_limit: Option<usize>,
    rate: Option<Rate>,
}

/// A secret that a source may sign with.
struct Secret {
    text: String,
    /// Why nothing can be verified with it.
    fault: Option<SignatureError>,
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
    ///
    /// Nothing can be verified with an empty or malformed secret. It is logged and left out; [`checked`](Self::checked)
    /// makes it an error. The other secrets of the source work as if it were not there. A source that has no other
    /// secret is answered 500.
    pub fn secret(mut self, source: WebhookSource, secret: impl Into<String>) -> Self {
        let text = secret.into();
        let fault = check_secret(source, &text).err();
        if let Some(fault) = &fault {
            tracing::error!(target: "tropism", %source, %fault, "a webhook secret cannot be used");
        }
        self.sources.entry(source).or_default().secrets.push(Secret { text, fault });
        self
    }

    /// Returns the intake if every secret that it was given can be used. Call it last, when the host starts.
    ///
    /// # Errors
    ///
    /// The first source with an empty or malformed secret, and what is wrong with that.
    pub fn checked(self) -> Result<Self, SecretError> {
        let mut sources: Vec<_> = self.sources.iter().collect();
        sources.sort_by_key(|(source, _)| source.as_str());
        for (source_name, source) in sources {
            if let Some(fault) = source.secrets.iter().find_map(|secret| secret.fault.clone()) {
                return Err(SecretError { source_name: *source_name, fault });
            }
        }
        Ok(self)
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
    /// byte for byte. GitHub's may be JSON or a form with the JSON in `payload`, as its webhook is set.
    ///
    /// A delivery whose event is dead is processed anew, with the body that came now; the answer names the event.
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
        let content_type = headers("content-type").unwrap_or_default();
        let payload = payload::read(source, content_type, body).map_err(|reason| IntakeError::NotJson { reason })?;
        // Standard Webhooks carry the type within. One that is longer than a header may be is none.
        let named = || payload.event_type.filter(|named| named.len() <= HEADER_BYTES);
        let event_type = event_type.or_else(named).unwrap_or_else(|| "unknown".to_owned());
        let payload = payload.text;
        self.make_room(source, known, db.now())?;
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
    /// Whether one of the secrets verifies; every one that can be used is tried.
    fn verify(&self, verify: impl Fn(&str) -> Result<(), SignatureError>) -> Result<(), IntakeError> {
        let (usable, faulty): (Vec<_>, Vec<_>) = self.secrets.iter().partition(|secret| secret.fault.is_none());
        let mut verified =
            Err(faulty.first().and_then(|secret| secret.fault.clone()).unwrap_or(SignatureError::EmptySecret));
        for (tried, secret) in usable.iter().enumerate() {
            let one = verify(&secret.text);
            if tried == 0 || verified.is_err() {
                verified = one;
            }
        }
        verified.map_err(IntakeError::Signature)
    }
}
