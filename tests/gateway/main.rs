//! The gateway as its callers meet it: over sockets, in front of the sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may; clippy.toml's leave does not reach helpers"
)]
#![allow(unreachable_pub, reason = "the modules here have no outside")]

mod access_log;
mod authority;
mod callers;
mod connections;
mod credentials;
mod deadlines;
mod deploy;
mod draining;
mod early_answers;
mod errors;
mod failover;
mod forward_proxy;
mod handover;
mod healing;
mod hiding;
mod hostile;
mod isolation;
mod judging;
mod leaks;
mod limits;
mod loops;
mod metrics;
mod name_server;
mod names;
mod observed;
mod probing;
mod process;
mod readiness;
mod redis;
mod reloading;
mod request_ids;
mod resources;
mod rewriting;
mod routing;
mod secure_listener;
mod signals;
mod smoke;
mod status;
mod supervisor;
mod support;
mod tls;
mod token_endpoint;
mod token_life;
mod token_store;
mod try_out;
mod two_accounts;
mod unix_listener;
mod upstream;
