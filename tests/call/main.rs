//! `wxgate call` as the person who types it meets it: against the simulated WeChat, through a gateway and without one.

#![allow(clippy::unwrap_used, reason = "a test may; clippy.toml's leave does not reach the helpers")]
#![allow(unreachable_pub, reason = "all of it is one program")]

mod direct;
mod shown;
mod support;
mod through;
mod usage;
