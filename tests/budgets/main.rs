//! What a request costs, in counts that do not depend on how busy the machine is: docs/performance.md has the figures.
//!
//!     cargo build --release
//!     WXGATE_PROGRAM=target/release/wxgate cargo test --test budgets -- --ignored --nocapture --test-threads 1
//!
//! The real program runs under valgrind or strace, between callers that keep their connections and a WeChat behind TLS.
//! Each figure is the difference between a long run and a short one, so what a start costs is in none of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test may")]
#![allow(unreachable_pub, reason = "the modules here have no outside")]

#[path = "../gateway/authority.rs"]
mod authority;
mod instructions;
mod measured;
mod memory;
#[path = "../gateway/process.rs"]
#[allow(dead_code, reason = "the vocabulary of another suite, of which this one needs some words")]
mod process;
#[path = "../gateway/support.rs"]
#[allow(dead_code, reason = "the same")]
mod support;
mod system_calls;
