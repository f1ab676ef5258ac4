//! Tests of the parser: real payloads, and what is none.

mod examples;
mod malformed;
mod shared_data;
