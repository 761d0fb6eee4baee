//! The gateway as its callers meet it: over sockets, in front of the sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may; clippy.toml's leave does not reach helpers"
)]
#![allow(unreachable_pub, reason = "the modules here have no outside")]

mod smoke;
mod support;
