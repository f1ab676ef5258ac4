//! The Messages API's bodies: how a request is written, and how answers and errors are read.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::api_key::ApiKey;
use crate::agent_manager::{AiAnswer, AiError, AiMessage, AiRequest, AiRole};

// A server's explanation is shown to people; a page of HTML is no explanation.
const LONGEST_MESSAGE: usize = 500;

// A provider that asks for more is asked again after a day all the same, and no caller's clock overflows.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

// Marks the one 429 that waiting for a while does not cure: the account's monthly spending limit.
const SPEND_LIMIT: &str = "enforced_spend_limit_reached";

/// What an answer holds beside the text.
#[derive(Debug)]
pub(super) struct ReadAnswer {
    pub(super) answer: AiAnswer,
    pub(super) is_cut_off: bool,
}

/// Writes the request's body.
pub(super) fn write_request(model: &str, max_tokens: u32, request: &AiRequest) -> Result<String, AiError> {
    let turns = turns(&request.messages);
    if turns.is_empty() {
        return Err(AiError::EmptyConversation);
    }
    let messages: Vec<Value> =
        turns.into_iter().map(|(role, text)| json!({ "role": role_name(role), "content": text })).collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("max_tokens".to_owned(), max_tokens.into());
    // The API refuses a blank system prompt, while leaving it out is fine.
    if !is_blank(&request.system) {
        body.insert("system".to_owned(), request.system.as_str().into());
    }
    body.insert("messages".to_owned(), messages.into());
    Ok(Value::Object(body).to_string())
}

/// The conversation as the API wants it: no blank texts, roles that alternate, the user first.
fn turns(messages: &[AiMessage]) -> Vec<(AiRole, String)> {
    let mut turns: Vec<(AiRole, String)> = Vec::new();
    let spoken = messages.iter().filter(|message| !is_blank(&message.text));
    // A window onto a long conversation often begins with what the model said; the API refuses that.
    for message in spoken.skip_while(|message| message.role == AiRole::Assistant) {
        match turns.last_mut() {
            Some((role, text)) if *role == message.role => {
                text.push_str("\n\n");
                text.push_str(&message.text);
            }
            _ => turns.push((message.role, message.text.clone())),
        }
    }
    turns
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn role_name(role: AiRole) -> &'static str {
    match role {
        AiRole::User => "user",
        AiRole::Assistant => "assistant",
    }
}

/// Reads the body of a successful response.
pub(super) fn read_answer(status: u16, body: &[u8], key: &ApiKey) -> Result<ReadAnswer, AiError> {
    // The parser's message tells a place and what was expected there, never what the text says.
    let body: Value = serde_json::from_slice(body).map_err(|error| malformed(format!("it is not JSON: {error}")))?;
    let stop_reason = body.get("stop_reason").and_then(Value::as_str);
    if stop_reason == Some("refusal") {
        let message = "the model declined to answer this conversation".to_owned();
        return Err(AiError::Refused { status, kind: "refusal".to_owned(), message });
    }
    let content = body.get("content").and_then(Value::as_array);
    let blocks = content.ok_or_else(|| malformed("its `content` is missing or is not a list"))?;
    let mut text = String::new();
    for block in blocks.iter().filter(|block| block.get("type").and_then(Value::as_str) == Some("text")) {
        let part = block.get("text").and_then(Value::as_str);
        text.push_str(part.ok_or_else(|| malformed("a text block has no `text`"))?);
    }
    if is_blank(&text) {
        return Err(malformed("its `content` holds no text"));
    }
    let model = body.get("model").and_then(Value::as_str).map(|model| readable(model, key));
    let tokens = |name: &str| body.get("usage").and_then(|usage| usage.get(name)).and_then(Value::as_u64);
    let answer = AiAnswer {
        text: key.scrub(&text),
        model,
        input_tokens: tokens("input_tokens"),
        output_tokens: tokens("output_tokens"),
    };
    Ok(ReadAnswer { answer, is_cut_off: stop_reason == Some("max_tokens") })
}

/// Reads the body of a response that tells no success; whatever it holds, the status decides.
pub(super) fn read_error(status: u16, retry_after: Option<Duration>, body: &[u8], key: &ApiKey) -> AiError {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = parsed.get("error");
    let field = |name: &str| {
        let text = error.and_then(|error| error.get(name)).and_then(Value::as_str);
        text.map(|text| readable(text, key)).filter(|text| !text.is_empty())
    };
    let message = field("message").unwrap_or_else(|| {
        let body = readable(&String::from_utf8_lossy(body), key);
        if body.is_empty() { "it gave no explanation".to_owned() } else { body }
    });
    let detail = error.and_then(|error| error.get("details")).and_then(|details| details.get("error_code"));
    match status {
        429 if detail.and_then(Value::as_str) == Some(SPEND_LIMIT) => {
            AiError::Refused { status, kind: SPEND_LIMIT.to_owned(), message }
        }
        429 => AiError::RateLimited { retry_after },
        500.. => AiError::Unavailable { status: Some(status), message, retry_after },
        300..=399 => {
            // To follow it would be to hand the key to whomever the redirect names.
            let message = "it answers with a redirect, which is not followed".to_owned();
            AiError::Refused { status, kind: "redirect".to_owned(), message }
        }
        _ => AiError::Refused { status, kind: field("type").unwrap_or_else(|| "unknown".to_owned()), message },
    }
}

/// Reads a `retry-after` header: a number of seconds or a date.
pub(super) fn read_retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse::<f64>() {
        Ok(seconds) if seconds.is_nan() || seconds < 0.0 => return None,
        Ok(seconds) => Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64())),
        Err(_) => {
            let date = httpdate::parse_http_date(header).ok()?;
            // A date that has passed means that there is nothing left to wait for.
            date.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// A server's text made fit for an error or a log: without the key, on one line, of bounded length.
pub(super) fn readable(text: &str, key: &ApiKey) -> String {
    // The key goes first: cutting could leave a part of it that is no longer recognised.
    let text = key.scrub(text);
    let line = text.split(|character: char| character.is_whitespace() || character.is_control());
    let line = line.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

pub(super) fn malformed(reason: impl Into<String>) -> AiError {
    AiError::Malformed { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_reads_seconds_and_dates_and_survives_nonsense() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let read = |header| read_retry_after(header, now);
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read(" 1.5 "), Some(Duration::from_millis(1500)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:49 GMT"), Some(Duration::from_secs(12)));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for header in ["99999999999999999999999", "1e308", "inf", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(read(header), Some(LONGEST_WAIT), "{header}");
        }
        for header in ["", "-1", "NaN", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "\u{fe0f}"] {
            assert_eq!(read(header), None, "{header}");
        }
    }

    #[test]
    fn readable_text_is_one_bounded_line_without_the_key() {
        let key = ApiKey::new("secret");
        assert_eq!(readable("a\r\n\tsecret\u{7}b", &key), "a [redacted] b");
        let long = readable(&"é".repeat(2000), &key);
        assert_eq!(long.chars().count(), LONGEST_MESSAGE + 1);
    }

    #[test]
    fn turns_merge_drop_and_begin_with_the_user() {
        let messages = [
            AiMessage::assistant("greeting"),
            AiMessage::user("one"),
            AiMessage::assistant("  "),
            AiMessage::user("two"),
            AiMessage::assistant("three"),
        ];
        let expected = [(AiRole::User, "one\n\ntwo".to_owned()), (AiRole::Assistant, "three".to_owned())];
        assert_eq!(turns(&messages), expected);
    }
}
