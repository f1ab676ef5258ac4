//! Reads the body of a webhook request as the JSON that will be processed.

use serde_json::Value;

use crate::agent_manager::enums::WebhookSource;

const FORM: &str = "application/x-www-form-urlencoded";
/// The field of GitHub's forms that holds the JSON.
const FIELD: &str = "payload";
const SETTING: &str = "set the content type of the webhook to application/json";

/// A body that can be processed.
#[derive(Debug)]
pub(in crate::agent_manager) struct Payload {
    /// The JSON, as it was received.
    pub(in crate::agent_manager) text: String,
    /// What it says in its field `type`.
    pub(in crate::agent_manager) event_type: Option<String>,
}

/// Reads a body, or says why it could not be processed.
pub(in crate::agent_manager) fn read(
    source: WebhookSource,
    content_type: &str,
    body: &[u8],
) -> Result<Payload, String> {
    let text = match source {
        WebhookSource::Github if is_form(content_type, body) => json_of_form(body)?,
        WebhookSource::Github | WebhookSource::Ci | WebhookSource::Agent => {
            std::str::from_utf8(body).map_err(|error| error.to_string())?.to_owned()
        }
    };
    let value = parse(&text).map_err(|error| error.to_string())?;
    let event_type = value.get("type").and_then(Value::as_str).map(str::to_owned);
    Ok(Payload { text, event_type })
}

/// Parses a stored payload. The intake uses the same function, so it accepts exactly what can be processed.
pub(in crate::agent_manager) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// No JSON begins with the name of the field, so a form is recognised even if the content type does not arrive.
fn is_form(content_type: &str, body: &[u8]) -> bool {
    let declared = content_type.split(';').next().unwrap_or_default().trim();
    let is_json = body.trim_ascii_start().starts_with(b"{") || body.trim_ascii_start().starts_with(b"[");
    let begins = body.strip_prefix(FIELD.as_bytes()).is_some_and(|rest| rest.starts_with(b"="));
    begins || (declared.eq_ignore_ascii_case(FORM) && !is_json)
}

fn json_of_form(body: &[u8]) -> Result<String, String> {
    let fields = body.split(|byte| *byte == b'&');
    let value = fields.filter_map(|field| field.strip_prefix(FIELD.as_bytes())?.strip_prefix(b"=")).next();
    let value = value.ok_or_else(|| format!("it is a form without the field `{FIELD}`; {SETTING}"))?;
    let decoded = percent_decoded(value).ok_or_else(|| format!("it is a form with a broken `%`; {SETTING}"))?;
    String::from_utf8(decoded)
        .map_err(|error| format!("it is a form, and its `{FIELD}` is no text: {error}; {SETTING}"))
}

/// Nothing if a `%` is not followed by two hexadecimal digits.
fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => (digit(rest.next()?)? << 4) | digit(rest.next()?)?,
            other => other,
        });
    }
    Some(decoded)
}
