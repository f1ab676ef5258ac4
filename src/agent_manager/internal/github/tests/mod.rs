//! Tests of the parser: real payloads, and what is none.

mod examples;
mod malformed;
#[path = "../../../../../tests/webhooks/shared_data.rs"]
mod shared_data;
