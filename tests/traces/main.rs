//! Traces of requests, as a collector gets them: in a build with the feature `otlp`.
//!
//!     cargo test --features otlp --test traces

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(unreachable_pub, reason = "the modules here have no outside")]

#[path = "../gateway/authority.rs"]
#[allow(dead_code, reason = "the vocabulary of another suite, of which this one needs some words")]
mod authority;
mod collector;
mod delivery;
#[path = "../gateway/process.rs"]
#[allow(dead_code, reason = "the same")]
mod process;
mod program;
#[path = "../gateway/leaks/search.rs"]
#[allow(dead_code, reason = "the same")]
mod search;
mod secrets;
mod spans;
#[path = "../gateway/support.rs"]
#[allow(dead_code, reason = "the same")]
mod support;
