//! Allocations a request on warm connections, and what a connection at rest keeps: docs/performance.md has the figures
//! and the reasons.
//!
//! The allocator counts for the whole process, so nothing but the gateway may allocate while it does: WeChat, behind TLS,
//! is a process of its own, and the caller has buffers of a fixed size.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test may")]
#![allow(unreachable_pub, reason = "the modules here have no outside")]

#[path = "../gateway/authority.rs"]
mod authority;
mod caller;
mod rest;
#[path = "../gateway/support.rs"]
#[allow(dead_code, reason = "the vocabulary of another suite, of which this one needs some words")]
mod support;
mod wechat;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{Gateway, account};
use tokio::task::spawn_blocking;

use caller::Caller;
use wechat::WeChat;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Enough that what happens once in a while, such as a timer that is set anew, does not show.
const REQUESTS: usize = 500;

/// What a request is, and how many allocations it may take.
const BUDGETS: [(&str, &str, &str, usize); 3] = [
    ("a GET", "GET", "", 8),
    ("a POST of JSON", "POST", r#"{"touser":"oABCD","msgtype":"text","text":{"content":"Hello World"}}"#, 14),
    ("a HEAD", "HEAD", "", 8),
];

#[tokio::test]
async fn a_request_takes_few_allocations_and_a_connection_at_rest_little_memory() {
    let wechat = WeChat::start();
    let keys = format!("{}{}", wechat.ca_file(), account());
    let gateway = Gateway::at(wechat.base_url(), &keys).await;
    let address = gateway.address;
    spawn_blocking(move || measure(Caller::connect(address))).await.unwrap();
    rest::measure(address).await;
}

fn measure(mut caller: Caller) {
    let mut over = Vec::new();
    for (name, method, body, budget) in BUDGETS {
        let request = caller::request(method, body);
        (0..REQUESTS).for_each(|_| caller.call(&request));
        let region = Region::new(ALLOCATOR);
        (0..REQUESTS).for_each(|_| caller.call(&request));
        let change = region.change();
        let each = (change.allocations + change.reallocations) as f64 / REQUESTS as f64;
        println!("{name}: {each:.2} allocations of {budget}, {} bytes", change.bytes_allocated / REQUESTS);
        if each.round() as usize > budget {
            over.push(name);
        }
    }
    assert!(over.is_empty(), "more than they may: {over:?}");
}

#[tokio::test]
async fn wechat_of_the_other_process() {
    wechat::serve_if_asked().await;
}
