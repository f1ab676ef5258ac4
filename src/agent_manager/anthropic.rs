//! The Anthropic Messages API as an [`AiProvider`].

mod api_key;
mod message;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderValue, Uri};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, Proxy};

pub use api_key::ApiKey;
use api_key::{KEY_HEADER, KeyConnector};
use message::{ReadAnswer, malformed, read_answer, read_error, read_retry_after, readable, write_request};

use super::ai_provider::{AiAnswer, AiError, AiProvider, AiRequest};

const TARGET: &str = "tropism::agent_manager";
const API_VERSION: &str = "2023-06-01";
const USER_AGENT: &str = concat!("tropism/", env!("CARGO_PKG_VERSION"));
const LARGEST_RESPONSE: u64 = 4 * 1024 * 1024;

// The operating system refuses a time-out of zero, and a far too long one overflows the clock.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Answers requests with a model of the Anthropic Messages API, one attempt a call.
///
/// ```
/// # use std::time::Duration;
/// # use tropism::agent_manager::{Anthropic, ApiKey};
/// let provider = Anthropic::new(ApiKey::new("sk-ant-…"))
///     .model("claude-model-name")
///     .max_tokens(2048)
///     .timeout(Duration::from_secs(60));
/// ```
///
/// The key is sent to the base URL's host only: redirects are not followed, and plain HTTP is refused except to this
/// machine. The proxy of the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) is used for HTTPS.
///
/// A logger at trace level for the target `ureq_proto` gets the bytes of every conversation from the HTTP client; it
/// does not get the key.
pub struct Anthropic {
    key: ApiKey,
    model: String,
    max_tokens: u32,
    timeout: Duration,
    connect_timeout: Duration,
    base_url: String,
    // Made at the first request, when the settings are final.
    client: OnceLock<Result<Client, AiError>>,
}

struct Client {
    agent: Agent,
    endpoint: Uri,
}

impl Anthropic {
    /// A provider with this key, which still needs a [`model`](Self::model).
    pub fn new(key: ApiKey) -> Self {
        Self {
            key,
            model: String::new(),
            max_tokens: 1024,
            timeout: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(10),
            base_url: "https://api.anthropic.com".to_owned(),
            client: OnceLock::new(),
        }
    }

    /// Sets the model that answers; there is no default, for models come and go.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Sets how many tokens an answer may have at most, 1024 unless set.
    pub fn max_tokens(mut self, max_tokens: u32) -> Self {
        self.max_tokens = max_tokens;
        self
    }

    /// Sets how long one attempt may take from beginning to end, two minutes unless set and a day at most.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.clamp(SHORTEST_TIMEOUT, LONGEST_TIMEOUT);
        self.client = OnceLock::new();
        self
    }

    /// Sets how long it may take to connect, ten seconds unless set and a day at most.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout.clamp(SHORTEST_TIMEOUT, LONGEST_TIMEOUT);
        self.client = OnceLock::new();
        self
    }

    /// Sets where the API is, without the `/v1/messages`: a gateway, or a server for tests.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self.client = OnceLock::new();
        self
    }

    fn make_client(&self) -> Result<Client, AiError> {
        let endpoint = endpoint(&self.base_url)?;
        // Through a proxy, plain HTTP to this machine would no longer stay on this machine.
        let proxy = if is_https(&endpoint) { Proxy::try_from_env() } else { None };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // One request for each connection: the key is put into the head of its first request only.
            .max_idle_connections(0)
            .proxy(proxy)
            .user_agent(USER_AGENT)
            .timeout_global(Some(self.timeout))
            .timeout_connect(Some(self.connect_timeout))
            .build();
        let connector =
            DefaultConnector::new().chain(KeyConnector { key: self.key.clone(), address: endpoint.clone() });
        Ok(Client { agent: Agent::with_parts(config, connector, DefaultResolver::default()), endpoint })
    }

    fn attempt(&self, request: &AiRequest, started: Instant) -> Result<(u16, ReadAnswer), AiError> {
        self.key.check()?;
        if self.model.trim().is_empty() {
            return Err(misconfigured("model", "is not set; name a model with `.model(…)`"));
        }
        let body = write_request(&self.model, self.max_tokens, request)?;
        let client = self.client.get_or_init(|| self.make_client()).as_ref().map_err(AiError::clone)?;
        let (status, headers, mut body) = self.send(client, body).map_err(|error| self.failure(error, started))?;
        if (200..=299).contains(&status) {
            let body = read_body(&mut body).map_err(|error| self.failure(error, started))?;
            return Ok((status, read_answer(status, &body, &self.key)?));
        }
        // The status tells enough even if the explanation breaks off.
        let explanation = read_body(&mut body).unwrap_or_default();
        let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| read_retry_after(value, SystemTime::now()));
        Err(read_error(status, retry_after, &explanation, &self.key))
    }

    fn send(&self, client: &Client, body: String) -> Result<(u16, HeaderMap, Body), ureq::Error> {
        let mut stand_in = HeaderValue::try_from(self.key.stand_in()).map_err(ureq::http::Error::from)?;
        stand_in.set_sensitive(true);
        let response = client
            .agent
            .post(&client.endpoint)
            .header(KEY_HEADER, stand_in)
            .header("anthropic-version", API_VERSION)
            .header(CONTENT_TYPE, "application/json")
            .send(body)?;
        let (parts, body) = response.into_parts();
        Ok((parts.status.as_u16(), parts.headers, body))
    }

    fn failure(&self, error: ureq::Error, started: Instant) -> AiError {
        match &error {
            ureq::Error::Timeout(_) => AiError::TimedOut { after: started.elapsed() },
            ureq::Error::Io(cause) if cause.kind() == io::ErrorKind::TimedOut => {
                AiError::TimedOut { after: started.elapsed() }
            }
            ureq::Error::BodyExceedsLimit(limit) => malformed(format!("it is longer than {limit} bytes")),
            ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => {
                malformed(format!("it is not proper HTTP: {}", readable(&error.to_string(), &self.key)))
            }
            _ => AiError::Unavailable {
                status: None,
                message: readable(&error.to_string(), &self.key),
                retry_after: None,
            },
        }
    }

    fn tell_outcome(&self, outcome: &Result<(u16, ReadAnswer), AiError>, started: Instant) {
        let model = readable(&self.model, &self.key);
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok((status, ReadAnswer { answer, is_cut_off })) => tracing::debug!(
                target: TARGET,
                model = answer.model.as_deref().unwrap_or(&model),
                status,
                milliseconds,
                input_tokens = answer.input_tokens,
                output_tokens = answer.output_tokens,
                is_cut_off,
                "the AI provider answered"
            ),
            // The message stays out of the log, for a server may quote the conversation in it.
            Err(error) => tracing::warn!(
                target: TARGET,
                model,
                status = status_of(error),
                milliseconds,
                error = name_of(error),
                is_worth_retrying = error.is_worth_retrying(),
                "the AI provider gave no answer"
            ),
        }
    }
}

impl AiProvider for Anthropic {
    fn answer(&self, request: &AiRequest) -> Result<AiAnswer, AiError> {
        let started = Instant::now();
        tracing::debug!(
            target: TARGET,
            model = readable(&self.model, &self.key),
            messages = request.messages.len(),
            max_tokens = self.max_tokens,
            "asking the AI provider"
        );
        let outcome = self.attempt(request, started);
        self.tell_outcome(&outcome, started);
        outcome.map(|(_, read)| read.answer)
    }
}

impl fmt::Debug for Anthropic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Anthropic")
            .field("key", &self.key)
            .field("model", &readable(&self.model, &self.key))
            .field("max_tokens", &self.max_tokens)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("base_url", &readable(&self.base_url, &self.key))
            .finish_non_exhaustive()
    }
}

fn endpoint(base_url: &str) -> Result<Uri, AiError> {
    let wrong = |problem| misconfigured("base_url", problem);
    if base_url.contains(['@', '?', '#']) {
        return Err(wrong("has a user name, a query or a fragment; leave only the scheme, the host and the path"));
    }
    let uri = format!("{}/v1/messages", base_url.trim_end_matches('/')).parse::<Uri>();
    let uri = uri.map_err(|_| wrong("is not a URL; give one like https://api.anthropic.com"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(host)) if !host.is_empty() => Ok(uri),
        (Some("http"), Some(host)) if is_this_machine(host) => Ok(uri),
        (Some("http"), Some(_)) => Err(wrong("would send the API key unencrypted; use https, or a loopback address")),
        _ => Err(wrong("does not begin with https:// and a host; give one like https://api.anthropic.com")),
    }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn read_body(body: &mut Body) -> Result<Vec<u8>, ureq::Error> {
    // A body that tells its excessive length is not worth reading up to the limit.
    if body.content_length().is_some_and(|length| length > LARGEST_RESPONSE) {
        return Err(ureq::Error::BodyExceedsLimit(LARGEST_RESPONSE));
    }
    body.with_config().limit(LARGEST_RESPONSE).read_to_vec()
}

fn misconfigured(setting: &'static str, problem: &'static str) -> AiError {
    AiError::Misconfigured { setting, problem }
}

fn status_of(error: &AiError) -> Option<u16> {
    match error {
        AiError::RateLimited { .. } => Some(429),
        AiError::Unavailable { status, .. } => *status,
        AiError::Refused { status, .. } => Some(*status),
        _ => None,
    }
}

fn name_of(error: &AiError) -> &'static str {
    match error {
        AiError::RateLimited { .. } => "rate limited",
        AiError::Unavailable { .. } => "unavailable",
        AiError::TimedOut { .. } => "timed out",
        AiError::Refused { .. } => "refused",
        AiError::Malformed { .. } => "malformed",
        AiError::EmptyConversation => "empty conversation",
        AiError::InvalidKey { .. } => "invalid key",
        AiError::Misconfigured { .. } => "misconfigured",
    }
}
