//! Verifying and making webhook signatures: GitHub's `X-Hub-Signature-256` and Standard Webhooks `v1`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::agent_manager::enums::WebhookSource;

/// How far, in seconds, the time of a Standard Webhooks delivery may lie from the clock of the receiver, either way.
pub const STANDARD_TOLERANCE_SECONDS: i64 = 5 * 60;

const GITHUB_PREFIX: &str = "sha256=";
const STANDARD_SECRET_PREFIX: &str = "whsec_";
const STANDARD_VERSION: &str = "v1";
const DIGEST_LENGTH: usize = 32;
const BLOCK_LENGTH: usize = 64;

/// Senders differ in whether they pad; the bytes meant are the same either way.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

type HmacSha256 = Hmac<Sha256>;

/// Why a webhook delivery was not accepted as coming from the holder of the secret. No variant carries a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The secret is empty, so that anyone could sign with it.
    #[error("the webhook secret is empty; configure the secret that the sender signs with")]
    EmptySecret,
    /// The Standard Webhooks secret is not base64.
    #[error("the webhook secret is not base64; copy it whole from the sender, with or without its `whsec_` prefix")]
    MalformedSecret,
    /// A header does not have the shape that the scheme lays down.
    #[error("header `{header}` is malformed: expected {expected}; check that the sender signs with this scheme")]
    MalformedHeader {
        /// The name of the header.
        header: &'static str,
        /// What the header should have held.
        expected: &'static str,
    },
    /// The `webhook-timestamp` is not a number of seconds since the epoch.
    #[error("header `webhook-timestamp` is malformed: expected whole seconds since 1970 in decimal digits")]
    MalformedTimestamp,
    /// The delivery was signed longer ago than the tolerance allows.
    #[error(
        "the delivery was signed {age_seconds} s ago, more than the {tolerance_seconds} s allowed; \
         have the sender deliver it again, and check the clocks of both sides"
    )]
    TooOld {
        /// How long before the clock of the receiver the delivery was signed.
        age_seconds: i64,
        /// How long ago it may have been signed.
        tolerance_seconds: i64,
    },
    /// The delivery was signed further in the future than the tolerance allows.
    #[error(
        "the delivery was signed {ahead_seconds} s in the future, more than the {tolerance_seconds} s allowed; \
         check the clocks of both sides"
    )]
    TooNew {
        /// How far ahead of the clock of the receiver the delivery was signed.
        ahead_seconds: i64,
        /// How far ahead it may have been signed.
        tolerance_seconds: i64,
    },
    /// No signature in the header was made with this secret over this body.
    #[error(
        "no signature in header `{header}` matches; check that both sides hold the same secret and that the raw \
         body is verified, byte for byte as it was received"
    )]
    NoMatch {
        /// The name of the header.
        header: &'static str,
    },
}

/// Verifies the `X-Hub-Signature-256` header of a GitHub delivery against its raw body.
pub fn verify_github(secret: &[u8], body: &[u8], header: &str) -> Result<(), SignatureError> {
    const HEADER: &str = "X-Hub-Signature-256";
    if secret.is_empty() {
        return Err(SignatureError::EmptySecret);
    }
    let claimed = header
        .strip_prefix(GITHUB_PREFIX)
        .and_then(digest_from_hex)
        .ok_or(SignatureError::MalformedHeader { header: HEADER, expected: "`sha256=` and 64 hexadecimal digits" })?;
    let mut code = keyed(secret);
    code.update(body);
    code.verify_slice(&claimed).map_err(|_| SignatureError::NoMatch { header: HEADER })
}

/// The `X-Hub-Signature-256` header that GitHub sends with this body; for a host's tests and examples.
#[must_use]
pub fn sign_github(secret: &[u8], body: &[u8]) -> String {
    let mut code = keyed(secret);
    code.update(body);
    let mut header = String::with_capacity(GITHUB_PREFIX.len() + 2 * DIGEST_LENGTH);
    header.push_str(GITHUB_PREFIX);
    for byte in code.finalize().into_bytes() {
        for digit in [byte >> 4, byte & 0x0f] {
            header.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    header
}

/// Verifies a delivery by the Standard Webhooks scheme.
///
/// `id`, `timestamp` and `signature` are the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`. One
/// matching `v1` signature suffices, for a sender that changes its secret signs with both; other versions are skipped.
/// [`STANDARD_TOLERANCE_SECONDS`] is the usual tolerance.
pub fn verify_standard(
    secret: &str,
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now_seconds: i64,
    tolerance_seconds: i64,
) -> Result<(), SignatureError> {
    const HEADER: &str = "webhook-signature";
    let code = standard_code(secret, id, timestamp, body)?;
    check_tolerance(timestamp, now_seconds, tolerance_seconds)?;
    let mut any = false;
    for entry in signature.split_ascii_whitespace() {
        let Some((STANDARD_VERSION, encoded)) = entry.split_once(',') else { continue };
        any = true;
        // A signature that is no base64 cannot match, but must not hide a later one that does.
        let Ok(claimed) = BASE64.decode(encoded) else { continue };
        if code.clone().verify_slice(&claimed).is_ok() {
            return Ok(());
        }
    }
    if any {
        return Err(SignatureError::NoMatch { header: HEADER });
    }
    Err(SignatureError::MalformedHeader { header: HEADER, expected: "at least one `v1,<base64>`, separated by spaces" })
}

/// The `webhook-signature` header of a delivery by the Standard Webhooks scheme; for a host's tests and examples.
pub fn sign_standard(secret: &str, id: &str, timestamp_seconds: i64, body: &[u8]) -> Result<String, SignatureError> {
    let code = standard_code(secret, id, &timestamp_seconds.to_string(), body)?;
    Ok(format!("{STANDARD_VERSION},{}", BASE64.encode(code.finalize().into_bytes())))
}

/// The authentication code over `{id}.{timestamp}.{body}`, once its parts are known to be well formed.
fn standard_code(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Result<HmacSha256, SignatureError> {
    let key = standard_key(secret)?;
    // A full stop in the identifier would let a recorded delivery be cut elsewhere: the same signed bytes would read
    // as another identifier, another time and a shorter body.
    if id.is_empty() || id.contains('.') {
        return Err(SignatureError::MalformedHeader {
            header: "webhook-id",
            expected: "an identifier without a full stop",
        });
    }
    parse_timestamp(timestamp)?;
    let mut code = keyed(&key);
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        code.update(part);
    }
    Ok(code)
}

/// The key that a Standard Webhooks secret stands for.
fn standard_key(secret: &str) -> Result<Vec<u8>, SignatureError> {
    let encoded = secret.strip_prefix(STANDARD_SECRET_PREFIX).unwrap_or(secret);
    let key = BASE64.decode(encoded).map_err(|_| SignatureError::MalformedSecret)?;
    if key.is_empty() { Err(SignatureError::EmptySecret) } else { Ok(key) }
}

/// Whether requests of a source can be verified with a secret.
pub(in crate::agent_manager) fn check_secret(source: WebhookSource, secret: &str) -> Result<(), SignatureError> {
    match source {
        WebhookSource::Github if secret.is_empty() => Err(SignatureError::EmptySecret),
        WebhookSource::Github => Ok(()),
        WebhookSource::Ci | WebhookSource::Agent => standard_key(secret).map(drop),
    }
}

/// Reads decimal digits only: the text is part of what is signed, so there must be no sign or space to vary.
fn parse_timestamp(timestamp: &str) -> Result<i64, SignatureError> {
    if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SignatureError::MalformedTimestamp);
    }
    timestamp.parse().map_err(|_| SignatureError::MalformedTimestamp)
}

fn check_tolerance(timestamp: &str, now_seconds: i64, tolerance_seconds: i64) -> Result<(), SignatureError> {
    let age_seconds = now_seconds.saturating_sub(parse_timestamp(timestamp)?);
    let ahead_seconds = age_seconds.saturating_neg();
    if age_seconds > tolerance_seconds {
        return Err(SignatureError::TooOld { age_seconds, tolerance_seconds });
    }
    if ahead_seconds > tolerance_seconds {
        return Err(SignatureError::TooNew { ahead_seconds, tolerance_seconds });
    }
    Ok(())
}

/// Lays the key out as one block, as HMAC itself would, since the constructor for a block cannot fail.
fn keyed(secret: &[u8]) -> HmacSha256 {
    let mut block = [0_u8; BLOCK_LENGTH];
    if secret.len() > BLOCK_LENGTH {
        block[..DIGEST_LENGTH].copy_from_slice(&Sha256::digest(secret));
    } else {
        block[..secret.len()].copy_from_slice(secret);
    }
    HmacSha256::new(&block.into())
}

fn digest_from_hex(text: &str) -> Option<[u8; DIGEST_LENGTH]> {
    if text.len() != 2 * DIGEST_LENGTH {
        return None;
    }
    let mut digest = [0_u8; DIGEST_LENGTH];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16)?;
            *byte = (*byte << 4) | u8::try_from(value).ok()?;
        }
    }
    Some(digest)
}
