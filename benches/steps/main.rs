//! The steps of a request that are pure computing, each alone: times, and what it allocates.
//!
//!     cargo bench                 # all of them
//!     cargo bench -- query        # one
//!
//! What a whole request costs is measured by `bench/compare.sh`.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to say")]

mod accounts;
mod errcode;
mod metrics;
mod query;
mod route;
mod slot;

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}
