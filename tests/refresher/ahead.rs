//! Tokens are replaced ahead of their end, and used until it.

use std::time::Duration;

use wxgate::config::TokenKind;
use wxgate::sandbox::Rules;
use wxgate::token::{MemoryStore, Unavailable};

use crate::wechat::{Trouble, Wechat};
use crate::world::{Outcome, World, pass, s, text};

/// When the calls to the token endpoints began, in whole seconds.
fn begun(world: &World) -> Vec<u64> {
    world.wechat.calls().iter().map(|call| call.began.as_secs()).collect()
}

fn with_lifetime(kind: TokenKind, margin: Option<Duration>, lifetime: u64) -> World {
    World::with(kind, margin, Wechat::new(Rules::with_lifetime(s(lifetime))), Box::new(MemoryStore))
}

#[tokio::test(start_paused = true)]
async fn stable_tokens_are_replaced_between_60_and_270_seconds_before_their_end_and_replicas_spread() {
    let replicas: Vec<_> = (0..20).map(|_| World::start(TokenKind::Stable)).collect();
    pass(s(7200)).await;
    let mut moments = Vec::new();
    for replica in &replicas {
        let [0, second] = begun(replica)[..] else { panic!("{:?}", begun(replica)) };
        assert!((7200 - 270..=7200 - 60).contains(&second), "{second}");
        moments.push(replica.wechat.calls()[1].began);
    }
    moments.sort_unstable();
    moments.dedup();
    assert!(moments.len() > 10, "{moments:?}");
}

#[tokio::test(start_paused = true)]
async fn classic_tokens_are_replaced_ten_minutes_before_their_end() {
    let world = World::start(TokenKind::Classic);
    pass(s(7200)).await;
    assert_eq!(begun(&world), [0, 6600]);
}

#[tokio::test(start_paused = true)]
async fn a_configured_margin_is_kept() {
    for kind in [TokenKind::Stable, TokenKind::Classic] {
        let world = World::with(kind, Some(s(100)), Wechat::new(Rules::default()), Box::new(MemoryStore));
        pass(s(7200)).await;
        assert_eq!(begun(&world), [0, 7100], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_margin_is_never_more_than_a_quarter_of_the_life() {
    for margin in [None, Some(s(3600))] {
        let world = with_lifetime(TokenKind::Classic, margin, 400);
        pass(s(700)).await;
        assert_eq!(begun(&world), [0, 300, 600], "{margin:?}");
    }
}

/// The stable endpoint hands out the same token until its last five minutes, whoever asks.
#[tokio::test(start_paused = true)]
async fn a_margin_beyond_the_stable_endpoints_own_costs_a_few_calls_and_no_gap() {
    let world = World::with(TokenKind::Stable, Some(s(1800)), Wechat::new(Rules::default()), Box::new(MemoryStore));
    for _ in 0..7200 / 10 {
        assert!(matches!(world.request().await, Outcome::Accepted));
        pass(s(10)).await;
    }
    let begun = begun(&world);
    assert!(begun.len() <= 4, "{begun:?}");
    assert_eq!(world.generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_old_token_is_used_while_the_new_one_is_fetched() {
    let world = World::start(TokenKind::Classic);
    let old = world.accepted_token().await;
    world.wechat.set_latency(s(20));
    pass(s(6610)).await;
    assert!(world.snapshot().fetching, "the fetch is under way");
    let before = world.wechat.now();
    assert_eq!(text(&world.accepted_token().await), text(&old));
    assert_eq!(world.wechat.now(), before, "nobody waited");
    pass(s(20)).await;
    assert_eq!(world.generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_old_token_is_used_while_fetches_fail_until_it_ends() {
    let world = World::start(TokenKind::Stable);
    world.accepted_token().await;
    world.wechat.set_trouble(Some(Trouble::Unreachable));
    let end = world.wechat.calls()[0].ended + s(7200);
    while world.wechat.now() < end {
        assert!(matches!(world.request().await, Outcome::Accepted), "at {:?}", world.wechat.now());
        pass(s(7)).await;
    }
    assert!(world.snapshot().failure.is_some());
    assert!(matches!(world.request().await, Outcome::NoToken(Unavailable::Failed(_))));
    world.wechat.set_trouble(None);
    pass(s(61)).await;
    assert!(matches!(world.request().await, Outcome::Accepted));
    assert!(world.snapshot().failure.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_first_fetch_and_not_for_ever() {
    let world = World::start(TokenKind::Stable);
    world.wechat.set_latency(s(9));
    assert!(matches!(world.request().await, Outcome::NoToken(Unavailable::TimedOut(None))));
    assert_eq!(world.wechat.now(), s(8));
    assert!(matches!(world.request().await, Outcome::Accepted));
    assert_eq!(world.wechat.now(), s(9));
}

#[tokio::test(start_paused = true)]
async fn the_timer_leaves_a_second_between_two_fetches_however_short_the_life() {
    for kind in [TokenKind::Classic, TokenKind::Stable] {
        let world = with_lifetime(kind, None, 1);
        world.wechat.set_latency(Duration::ZERO);
        pass(s(60)).await;
        let calls = world.wechat.calls();
        assert!(calls.len() > 50, "it goes on: {}", calls.len());
        assert!(calls.windows(2).all(|pair| pair[1].began >= pair[0].began + s(1)), "{:?}", begun(&world));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_handle_left_the_refresher_ends() {
    let World { token, task, .. } = World::start(TokenKind::Stable);
    drop(token);
    task.await.unwrap();
}
