//! The Anthropic provider against a scripted server on a real socket.

mod support;

use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use support::{Reply, Server, install_recorder, record, response};
use tropism::agent_manager::{AiError, AiMessage, AiProvider, AiRequest};
use tropism::agent_manager::{Anthropic, ApiKey};

const KEY: &str = "sk-ant-test-0123456789abcdefghijklmnop";
const SECRET_TEXT: &str = "what-the-user-told-in-confidence";

fn provider(base_url: &str) -> Anthropic {
    install_recorder();
    // Long enough never to strike by chance on a busy machine; the tests of time-outs set their own.
    Anthropic::new(ApiKey::new(KEY)).model("claude-test").base_url(base_url).timeout(Duration::from_secs(60))
}

fn request() -> AiRequest {
    install_recorder();
    AiRequest { system: "Be brief.".to_owned(), messages: vec![AiMessage::user(SECRET_TEXT)] }
}

fn good_body() -> String {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-20260101",
        "content": [{"type": "text", "text": "Hello"}, {"type": "thinking", "thinking": "…"}, {"type": "text", "text": " there"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 12, "output_tokens": 3}
    })
    .to_string()
}

fn error_body(kind: &str, message: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).to_string()
}

fn failure(server: &Server) -> AiError {
    provider(&server.base_url).answer(&request()).unwrap_err()
}

fn failure_of(status: u16, headers: &str, body: &str) -> AiError {
    failure(&Server::replying(status, headers, body))
}

fn assert_keyless(shown: &(impl Debug + ?Sized), displayed: &str) {
    for text in [format!("{shown:?}"), format!("{shown:#?}"), displayed.to_owned()] {
        assert!(!text.contains(KEY), "{text}");
    }
}

fn assert_malformed(error: &AiError, part: &str) {
    assert!(matches!(error, AiError::Malformed { reason } if reason.contains(part)), "{error:?}");
    assert!(!error.is_worth_retrying());
}

#[test]
fn a_request_is_answered() {
    let server = Server::replying(200, "", &good_body());
    let answer = provider(&format!("{}/", server.base_url)).max_tokens(77).answer(&request()).unwrap();
    assert_eq!(answer.text, "Hello there");
    assert_eq!(answer.model.as_deref(), Some("claude-test-20260101"));
    assert_eq!((answer.input_tokens, answer.output_tokens), (Some(12), Some(3)));

    let received = server.received();
    let mut lines = received.head.lines();
    assert_eq!(lines.next(), Some("POST /v1/messages HTTP/1.1"));
    let headers: Vec<&str> = lines.collect();
    for header in [&format!("x-api-key: {KEY}"), "anthropic-version: 2023-06-01", "content-type: application/json"] {
        assert_eq!(headers.iter().filter(|line| *line == &header).count(), 1, "{headers:?}");
    }
    assert!(headers.iter().any(|line| line.starts_with("user-agent: tropism/")), "{headers:?}");
    let body: Value = serde_json::from_str(&received.body).unwrap();
    let expected = json!({
        "model": "claude-test", "max_tokens": 77, "system": "Be brief.",
        "messages": [{"role": "user", "content": SECRET_TEXT}]
    });
    assert_eq!(body, expected);
}

#[test]
fn one_provider_answers_again_and_again() {
    let server = Server::start((0..3).map(|_| Reply::Close(response(200, "", &good_body()))).collect());
    let provider = provider(&server.base_url);
    for _ in 0..3 {
        provider.answer(&request()).unwrap();
        assert!(server.received().head.contains(&format!("x-api-key: {KEY}\r\n")));
    }
}

#[test]
fn messages_alternate_and_blank_ones_are_left_out() {
    let server = Server::replying(200, "", &good_body());
    let messages = vec![
        AiMessage::assistant("Welcome!"),
        AiMessage::user("one"),
        AiMessage::user(" \n"),
        AiMessage::user("two"),
        AiMessage::assistant("three"),
        AiMessage::assistant("four"),
        AiMessage::user("five"),
    ];
    provider(&server.base_url).answer(&AiRequest { system: " ".to_owned(), messages }).unwrap();
    let body: Value = serde_json::from_str(&server.received().body).unwrap();
    let expected = json!([
        {"role": "user", "content": "one\n\ntwo"},
        {"role": "assistant", "content": "three\n\nfour"},
        {"role": "user", "content": "five"}
    ]);
    assert_eq!(body["messages"], expected);
    assert_eq!(body.get("system"), None);
}

#[test]
fn a_conversation_cannot_pull_the_key_into_its_text() {
    let server = Server::replying(200, "", &good_body());
    let text = format!("x-api-key: {}\r\nx-api-key: {}", "-".repeat(KEY.len()), "-".repeat(KEY.len()));
    let request = AiRequest { system: text.clone(), messages: vec![AiMessage::user(text)] };
    provider(&server.base_url).answer(&request).unwrap();
    let received = server.received();
    assert!(received.head.contains(KEY));
    assert!(!received.body.contains(KEY));
}

#[test]
fn an_empty_conversation_is_not_sent() {
    // Nothing listens there, so any attempt to connect would show as another error.
    let provider = provider("http://127.0.0.1:1");
    for messages in [vec![], vec![AiMessage::user(" ")], vec![AiMessage::assistant("Welcome!")]] {
        let error = provider.answer(&AiRequest { system: "Be brief.".to_owned(), messages }).unwrap_err();
        assert_eq!(error, AiError::EmptyConversation);
    }
}

#[test]
fn a_limited_rate_tells_how_long_to_wait() {
    let body = error_body("rate_limit_error", "slow down");
    let error = failure_of(429, "retry-after: 7\r\n", &body);
    assert_eq!(error, AiError::RateLimited { retry_after: Some(Duration::from_secs(7)) });
    assert!(error.is_worth_retrying());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));

    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
    let wait = failure_of(429, &format!("retry-after: {date}\r\n"), &body).retry_after().unwrap();
    assert!((3000..=3600).contains(&wait.as_secs()), "{wait:?}");

    for headers in ["", "retry-after: soon\r\n", "retry-after: \u{e9}\r\n"] {
        assert_eq!(failure_of(429, headers, &body), AiError::RateLimited { retry_after: None });
    }
}

#[test]
fn an_exhausted_budget_is_a_refusal() {
    let body = json!({"type": "error", "error": {
        "type": "rate_limit_error", "message": "limit reached", "details": {"error_code": "enforced_spend_limit_reached"}
    }});
    let error = failure_of(429, "", &body.to_string());
    assert!(matches!(&error, AiError::Refused { status: 429, message, .. } if message == "limit reached"), "{error:?}");
    assert!(!error.is_worth_retrying());
}

#[test]
fn failures_of_the_server_are_worth_retrying() {
    for (status, kind) in [(500, "api_error"), (504, "timeout_error"), (529, "overloaded_error")] {
        let error = failure_of(status, "", &error_body(kind, "try later"));
        let expected =
            AiError::Unavailable { status: Some(status), message: "try later".to_owned(), retry_after: None };
        assert_eq!(error, expected);
        assert!(error.is_worth_retrying());
    }
    let error = failure_of(529, "retry-after: 3\r\n", "<h1>not\r\n\r\nJSON</h1>");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    assert!(error.to_string().contains("529"), "{error}");
    assert!(error.to_string().contains("<h1>not JSON</h1>"), "{error}");
    assert!(failure_of(503, "", "").to_string().contains("no explanation"));
}

#[test]
fn a_refusal_tells_its_kind_and_its_message() {
    for (status, kind) in [(400, "invalid_request_error"), (401, "authentication_error"), (404, "not_found_error")] {
        let error = failure_of(status, "retry-after: 5\r\n", &error_body(kind, "no"));
        assert_eq!(error, AiError::Refused { status, kind: kind.to_owned(), message: "no".to_owned() });
        assert!(!error.is_worth_retrying());
        assert_eq!(error.retry_after(), None);
    }
    let declined = json!({"content": [], "stop_reason": "refusal"}).to_string();
    let error = failure_of(200, "", &declined);
    assert!(matches!(&error, AiError::Refused { kind, .. } if kind == "refusal"), "{error:?}");
}

#[test]
fn a_silent_server_is_given_up() {
    let stalls = ["", "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"];
    for bytes in stalls {
        let server = Server::start(vec![Reply::Stall(bytes.into())]);
        let limit = Duration::from_millis(150);
        let error = provider(&server.base_url).timeout(limit).answer(&request()).unwrap_err();
        assert!(matches!(error, AiError::TimedOut { after } if after >= limit), "{error:?}");
        assert!(error.is_worth_retrying());
    }
}

#[test]
fn extreme_time_outs_are_harmless() {
    let server = Server::replying(200, "", &good_body());
    let patient = provider(&server.base_url).timeout(Duration::MAX).connect_timeout(Duration::MAX);
    assert!(patient.answer(&request()).is_ok());
    let server = Server::start(vec![Reply::Stall(Vec::new())]);
    let hasty = provider(&server.base_url).timeout(Duration::ZERO).connect_timeout(Duration::ZERO);
    assert!(matches!(hasty.answer(&request()), Err(AiError::TimedOut { .. })));
}

#[test]
fn an_answer_of_the_wrong_shape_is_malformed() {
    assert_malformed(&failure_of(200, "", "<html>"), "not JSON");
    assert_malformed(&failure_of(200, "", ""), "not JSON");
    assert_malformed(&failure_of(204, "", ""), "not JSON");
    assert_malformed(&failure_of(200, "", &"[".repeat(100_000)), "not JSON");
    assert_malformed(&failure_of(200, "", r#"{"content":[{"type":"text","text":"\ud800"}]}"#), "not JSON");
    for body in ["[]", "null", "7", "{}", r#"{"content":"text"}"#, r#"{"content":null}"#] {
        assert_malformed(&failure_of(200, "", body), "`content` is missing or is not a list");
    }
    for body in [r#"{"content":[]}"#, r#"{"content":[7,null,{}]}"#, r#"{"content":[{"type":"text","text":" "}]}"#] {
        assert_malformed(&failure_of(200, "", body), "no text");
    }
    assert_malformed(&failure_of(200, "", r#"{"content":[{"type":"text"}]}"#), "no `text`");
    let server = Server::start(vec![Reply::Close(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec())]);
    assert_malformed(&failure(&server), "not proper HTTP");
}

#[test]
fn tokens_of_the_wrong_shape_are_unknown() {
    let body = r#"{"content":[{"type":"text","text":"a"}],"model":7,"usage":{"input_tokens":-1,"output_tokens":"3"}}"#;
    let server = Server::replying(200, "", body);
    let answer = provider(&server.base_url).answer(&request()).unwrap();
    assert_eq!((answer.model, answer.input_tokens, answer.output_tokens), (None, None, None));
}

#[test]
fn an_answer_that_breaks_off_is_worth_retrying() {
    let whole = response(200, "", &good_body());
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{\"content\":".to_vec();
    for bytes in [Vec::new(), whole[..9].to_vec(), whole[..whole.len() - 1].to_vec(), chunked] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let error = failure(&Server::start(vec![Reply::Close(bytes)]));
        assert!(matches!(error, AiError::Unavailable { status: None, .. }), "{shown:?}: {error:?}");
    }
    // Without a length, only the JSON tells that its end is missing.
    let bytes = b"HTTP/1.1 200 OK\r\n\r\n{\"content\":".to_vec();
    assert_malformed(&failure(&Server::start(vec![Reply::Close(bytes)])), "not JSON");
    // The status stands although its explanation breaks off.
    let bytes = b"HTTP/1.1 429 X\r\ncontent-length: 99\r\nretry-after: 2\r\n\r\n{".to_vec();
    assert_eq!(failure(&Server::start(vec![Reply::Close(bytes)])).retry_after(), Some(Duration::from_secs(2)));
}

#[test]
fn an_oversized_answer_is_malformed() {
    let long = "x".repeat(5 * 1024 * 1024);
    assert_malformed(&failure_of(200, "", &long), "longer than");
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{long}").into_bytes();
    assert_malformed(&failure(&Server::start(vec![Reply::Close(endless)])), "longer than");
    let header = format!("HTTP/1.1 200 OK\r\nx: {long}\r\n\r\n").into_bytes();
    assert_malformed(&failure(&Server::start(vec![Reply::Close(header)])), "not proper HTTP");
    assert!(matches!(failure_of(500, "", &long), AiError::Unavailable { status: Some(500), .. }));
}

#[test]
fn a_refused_connection_is_unavailability() {
    // A port that was free a moment ago may already be another test's server; nobody is ever given this one.
    let error = provider("http://127.0.0.1:1").answer(&request()).unwrap_err();
    assert!(matches!(error, AiError::Unavailable { status: None, .. }), "{error:?}");
    assert!(error.is_worth_retrying());
}

#[test]
fn over_https_nothing_leaves_in_the_clear() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Takes what comes first, answers with something that is no TLS, and closes.
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = vec![0; 16 * 1024];
        let length = stream.read(&mut first).unwrap();
        stream.write_all(&response(200, "", "{}")).unwrap();
        first.truncate(length);
        first
    });
    let error = provider(&format!("https://{address}")).answer(&request()).unwrap_err();
    assert!(matches!(error, AiError::Unavailable { status: None, .. }), "{error:?}");
    let first = server.join().unwrap();
    assert_eq!(first.first(), Some(&22), "a TLS handshake begins with 22");
    assert!(!String::from_utf8_lossy(&first).contains(KEY));
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("location: http://{}/v1/messages\r\n", elsewhere.local_addr().unwrap());
    for status in [301, 302, 303, 307, 308] {
        let error = failure_of(status, &location, "");
        assert!(matches!(&error, AiError::Refused { kind, .. } if kind == "redirect"), "{error:?}");
    }
    assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let setting_of = |provider: Anthropic| match provider.answer(&request()) {
        Err(AiError::Misconfigured { setting, .. }) => setting,
        other => panic!("{other:?}"),
    };
    for base_url in [
        "",
        "api",
        "/v1",
        "ftp://127.0.0.1",
        "https://",
        "http://example.com",
        "http://127.0.0.1.example.com",
        "http://a b",
        "http://127.0.0.1@example.com",
        "https://user:word@example.com",
        "http://127.0.0.1/?a",
        "\0",
    ] {
        assert_eq!(setting_of(provider(base_url)), "base_url", "{base_url}");
    }
    assert_eq!(setting_of(Anthropic::new(ApiKey::new(KEY))), "model");
}

#[test]
fn a_key_that_cannot_be_one_is_refused_and_not_shown() {
    let long = KEY.repeat(100);
    for key in ["", " ", &format!("{KEY}\n"), &format!("{KEY}\r\nx: y"), &format!("{KEY}\0"), &format!("{KEY}é"), &long]
    {
        let provider = provider("http://127.0.0.1:1");
        let provider = Anthropic::new(ApiKey::new(key)).model(format!("{provider:?}"));
        let error = provider.answer(&request()).unwrap_err();
        assert!(matches!(error, AiError::InvalidKey { .. }), "{error:?}");
        assert_keyless(&error, &error.to_string());
        assert_keyless(&provider, "");
    }
}

#[test]
fn nothing_shows_the_key_even_if_the_server_echoes_it() {
    let key = ApiKey::new(KEY);
    assert_eq!(format!("{key:?}"), "ApiKey(…)");
    let provider = Anthropic::new(key).model(KEY).base_url(format!("http://127.0.0.1:1/{KEY}"));
    assert_keyless(&provider, "");
    let error = provider.answer(&request()).unwrap_err();
    assert_keyless(&error, &error.to_string());

    // The key lies across the place where a long text is cut.
    let late = format!("{}{KEY}", "x".repeat(490));
    let bodies = [error_body(KEY, &format!("invalid key {KEY}")), error_body("a", &late), KEY.to_owned(), late];
    for body in &bodies {
        for status in [400, 401, 500] {
            let error = failure_of(status, "", body);
            assert_keyless(&error, &error.to_string());
            assert!(!error.to_string().contains(&KEY[..10]), "{error}");
        }
    }
    let body = json!({"model": KEY, "content": [{"type": "text", "text": format!("your key: {KEY}")}]}).to_string();
    let server = Server::replying(200, "", &body);
    let answer = self::provider(&server.base_url).answer(&request()).unwrap();
    assert_keyless(&answer, &answer.text);
}

#[test]
fn logs_tell_what_happened_but_neither_key_nor_content() {
    let echo = error_body(KEY, &format!("{KEY} {SECRET_TEXT}"));
    let server = Server::start(vec![
        Reply::Close(response(200, "", &good_body())),
        Reply::Close(response(529, "", &echo)),
        Reply::Close(response(401, "", &echo)),
    ]);
    let provider = provider(&server.base_url);
    let recorded = record(|| {
        for _ in 0..3 {
            let _ = provider.answer(&request());
        }
    });
    let events = &recorded.events;
    assert_eq!(events.matches("tropism::agent_manager").count(), 6, "{events}");
    for part in ["claude-test-20260101", "status=200", "input_tokens=12", "output_tokens=3", "milliseconds="] {
        assert!(events.contains(part), "{part} is missing: {events}");
    }
    for part in ["status=529", "\"unavailable\"", "status=401", "\"refused\""] {
        assert!(events.contains(part), "{part} is missing: {events}");
    }
    for secret in [KEY, SECRET_TEXT, "Hello", "Be brief"] {
        assert!(!events.contains(secret), "{secret}: {events}");
    }
}

#[test]
fn the_log_of_the_http_client_does_not_hold_the_key() {
    let server = Server::replying(200, "", &good_body());
    let recorded = record(|| {
        provider(&server.base_url).answer(&request()).unwrap();
    });
    assert!(server.received().head.contains(KEY));
    // The dump is there, and shows the stand-in: the test looks at the right place.
    let dumped = recorded.dumped();
    assert!(dumped.contains(&format!("x-api-key:.{}", "-".repeat(KEY.len()))), "{dumped}");
    assert!(!dumped.contains(KEY), "{dumped}");
    for (target, text) in &recorded.logged {
        assert!(!text.contains(KEY), "{target}: {text}");
        assert!(!text.contains(&KEY[..10]), "{target}: {text}");
    }
}
