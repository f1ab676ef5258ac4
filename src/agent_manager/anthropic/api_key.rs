//! The API key, and the way it reaches the wire without passing through anything that logs.
//!
//! The HTTP client writes every byte of a request's head to the `log` crate at trace level, whatever the header's
//! sensitivity. The client is therefore given a stand-in of the same length, and [`KeyConnector`] puts the key in its
//! place when the client hands the finished head to the connection.

use std::fmt;
use std::io;
use std::sync::Arc;

use ureq::http::Uri;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use crate::agent_manager::AiError;

pub(super) const KEY_HEADER: &str = "x-api-key";

// Far above any real key, and far below the size of the buffer that has to hold the whole header.
const LONGEST_KEY: usize = 1024;

const REDACTED: &str = "[redacted]";

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A secret API key; it never shows itself.
#[derive(Clone)]
pub struct ApiKey(Arc<str>);

impl ApiKey {
    /// Takes the key as the provider's console shows it. A key that cannot be one is refused at the first request.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into().into())
    }

    pub(super) fn check(&self) -> Result<(), AiError> {
        let problem = if self.0.is_empty() {
            "is empty"
        } else if self.0.len() > LONGEST_KEY {
            "is longer than any key"
        } else if !self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            "has a character that no key has, such as a space or a line break"
        } else {
            return Ok(());
        };
        Err(AiError::InvalidKey { problem })
    }

    /// What the HTTP client sends in place of the key; as long as the key, so that it can be exchanged in place.
    pub(super) fn stand_in(&self) -> String {
        "-".repeat(self.0.len())
    }

    /// The text without the key, should someone have echoed it.
    pub(super) fn scrub(&self, text: &str) -> String {
        // A key of surrounding white space is refused, but its useful part could still be echoed.
        let key = self.0.trim();
        if key.is_empty() { text.to_owned() } else { text.replace(key, REDACTED) }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(…)")
    }
}

/// The last link of the chain of connectors: it puts the key into connections to one address, and to no other.
#[derive(Debug)]
pub(super) struct KeyConnector {
    pub(super) key: ApiKey,
    pub(super) address: Uri,
}

impl<Inner: Transport> Connector<Inner> for KeyConnector {
    type Out = KeyTransport<Inner>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<Inner>) -> Result<Option<Self::Out>, ureq::Error> {
        // A connection to a proxy passes here too, before the one through it; it must not get the key.
        let is_for_provider =
            details.uri.scheme() == self.address.scheme() && details.uri.authority() == self.address.authority();
        let key = is_for_provider.then(|| self.key.clone());
        Ok(chained.map(|inner| KeyTransport { inner, key }))
    }
}

/// A connection for one request that exchanges the stand-in for the key in the request's head.
#[derive(Debug)]
pub(super) struct KeyTransport<Inner> {
    inner: Inner,
    // Taken with the first exchange: what follows the head is the conversation, which must never be given the key.
    key: Option<ApiKey>,
}

impl<Inner: Transport> Transport for KeyTransport<Inner> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if let Some(key) = self.key.take()
            && let Some(output) = self.inner.buffers().output().get_mut(..amount)
        {
            match exchange(output, &key) {
                Exchange::Done => {}
                Exchange::NotYet => self.key = Some(key),
                Exchange::HeadWithoutKey => {
                    return Err(io::Error::other("the request's head has no place for the API key").into());
                }
            }
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Exchange {
    Done,
    NotYet,
    HeadWithoutKey,
}

fn exchange(output: &mut [u8], key: &ApiKey) -> Exchange {
    let end_of_head = find(output, END_OF_HEAD);
    let head = match end_of_head {
        Some(end) => &mut output[..end + END_OF_HEAD.len()],
        None => output,
    };
    let header = format!("{KEY_HEADER}: {}\r\n", key.stand_in());
    match find(head, header.as_bytes()) {
        Some(start) => {
            let start = start + KEY_HEADER.len() + ": ".len();
            head[start..start + key.0.len()].copy_from_slice(key.0.as_bytes());
            Exchange::Done
        }
        None if end_of_head.is_some() => Exchange::HeadWithoutKey,
        None => Exchange::NotYet,
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_takes_the_place_of_its_stand_in_in_the_head_only() {
        let key = ApiKey::new("abc");
        let mut output = b"POST / HTTP/1.1\r\nx-api-key: ---\r\n\r\nx-api-key: ---\r\n".to_vec();
        assert_eq!(exchange(&mut output, &key), Exchange::Done);
        assert_eq!(output, b"POST / HTTP/1.1\r\nx-api-key: abc\r\n\r\nx-api-key: ---\r\n");
    }

    #[test]
    fn a_body_never_gets_the_key_even_if_the_head_has_no_place_for_it() {
        let key = ApiKey::new("abc");
        let mut output = b"POST / HTTP/1.1\r\n\r\nx-api-key: ---\r\n".to_vec();
        let before = output.clone();
        assert_eq!(exchange(&mut output, &key), Exchange::HeadWithoutKey);
        assert_eq!(output, before);
    }

    #[test]
    fn an_unfinished_head_waits_for_its_rest() {
        let key = ApiKey::new("abc");
        assert_eq!(exchange(&mut b"POST / HTTP/1.1\r\nho".to_vec(), &key), Exchange::NotYet);
    }
}
