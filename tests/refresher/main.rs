//! The refresher alone, on tokio's paused clock, against a WeChat that is the sandbox's ledger (architecture.md §4).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may; clippy.toml's leave does not reach helpers"
)]
#![allow(unreachable_pub, reason = "the modules here have no outside")]

mod ahead;
mod budgets;
mod failures;
mod rejections;
mod replicas;
mod stored;
mod wechat;
mod weeks;
mod world;
