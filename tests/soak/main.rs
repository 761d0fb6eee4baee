//! The real program under minutes of mixed load, while its tokens are killed and WeChat hangs up, at random.
//!
//!     WXGATE_SOAK_MINUTES=10 cargo test --release --test soak -- --ignored --nocapture
//!
//! It prints a seed; `WXGATE_SOAK_SEED` repeats its choices, though not the order in which threads run. What must hold:
//!
//! - Every request gets WeChat's answer, however many tokens die: nothing is marked `X-Wxgate-Retry: failed`.
//! - Where WeChat itself hangs up, each time costs one request at most. One that may not be repeated (a POST, or anything
//!   on a new connection) gets 502 `upstream_broke_off`, and an answer that broke off breaks off for the caller too. A login
//!   that was repeated may find that WeChat had taken its code at the first sending (40029).
//! - A token's death costs one fetch, and one more by force where WeChat goes on handing out the dead one.
//! - Memory and open files stay level: see [`figures`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test may")]
#![allow(unreachable_pub, reason = "the modules here have no outside")]

mod calls;
mod figures;
mod load;
#[path = "../gateway/process.rs"]
#[allow(dead_code, reason = "the vocabulary of another suite, of which this one needs some words")]
mod process;
#[path = "../gateway/support.rs"]
#[allow(dead_code, reason = "the same")]
mod support;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use wxgate::sandbox::{DEFAULT_APPID, Rules, Sandbox, Settings};

use calls::PATHS;
use figures::Figures;
use load::Tally;
use process::Program;
use support::{Caller, account, config_text, within};
use trouble::Trouble;

#[tokio::test]
async fn a_few_seconds_of_trouble_lose_no_request() {
    soak(Duration::from_secs(5), 4).await;
}

#[tokio::test]
#[ignore = "takes WXGATE_SOAK_MINUTES, by default one"]
async fn minutes_of_trouble_lose_no_request_and_leak_nothing() {
    let minutes: f64 = from_environment("WXGATE_SOAK_MINUTES").unwrap_or(1.0);
    soak(Duration::from_secs_f64(60.0 * minutes), 16).await;
}

async fn soak(time: Duration, callers: usize) {
    let seed: u64 = from_environment("WXGATE_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("WXGATE_SOAK_SEED={seed}: {callers} callers for {time:?}");
    let wechat = patient_sandbox().await;
    let keys = format!("upstream.idle_timeout = '1s'\n{}", account());
    let mut program = Program::run(&config_text(&wechat.base_url(), &keys));
    let address = program.address().await;
    // It runs, and has done everything once that it does for good.
    let mut caller = Caller::connect(address).await;
    caller.request("GET", PATHS[0], &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
    let mut figures = Figures::of(program.id());

    let end = Instant::now() + time;
    let tally = Arc::new(Tally::new(callers));
    let mut load = JoinSet::new();
    for number in 0..callers {
        let random = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
        load.spawn(load::call_until(end, address, number, random, Arc::clone(&tally)));
    }
    let mut trouble = Trouble::new(fastrand::Rng::with_seed(!seed), &wechat, &tally);
    tokio::join!(trouble.until(end), figures.measure_until(end));
    while let Some(ended) = within(load.join_next()).await {
        ended.unwrap();
    }
    let fetches = wechat.world().fetches(DEFAULT_APPID);
    println!("{tally}\n{trouble}\n{fetches:?}\n{figures}");

    tally.holds(trouble.hang_ups);
    assert!(fetches.stable <= 1 + trouble.deaths && fetches.forced <= trouble.unnoticed_deaths, "{fetches:?}");
    figures.are_level();
    drop(caller);
    figures.descriptors_come_back().await;
}

/// A WeChat whose quotas leave room for a token that dies every other second.
async fn patient_sandbox() -> Sandbox {
    let rules = Rules { force_interval: Duration::ZERO, forced_a_day: u32::MAX, ..Rules::default() };
    Sandbox::start(Settings { rules, ..Settings::default() }).await.unwrap()
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|text| text.parse().ok().unwrap_or_else(|| panic!("{name} is no number")))
}
