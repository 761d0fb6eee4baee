//! What rejections may fetch, so that no fight and no refusing upstream burns the account's quota.

use std::time::Duration;

use wxgate::config::TokenKind;
use wxgate::token::{Fetch, Remedy, Spent};

use crate::world::{Outcome, WAIT, World, pass, s};

/// A world in which calls take no time, so that seconds can be counted.
async fn prompt(kind: TokenKind) -> World {
    let world = World::start(kind);
    world.wechat.set_latency(Duration::ZERO);
    world.accepted_token().await;
    world
}

/// All tokens die, and a request finds out.
async fn killed(world: &World) -> Outcome {
    world.kill();
    world.request().await
}

async fn killed_unnoticed(world: &World) -> Outcome {
    world.kill_unnoticed();
    world.request().await
}

fn is_withheld(outcome: &Outcome, why: Spent) -> bool {
    matches!(outcome, Outcome::Refused(Remedy::Withheld(spent)) if *spent == why)
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_never_accepted_is_not_replaced_before_ten_seconds_then_twenty_and_so_on() {
    let world = World::start(TokenKind::Stable);
    world.wechat.set_latency(Duration::ZERO);
    world.token.usable(WAIT).await.unwrap();
    for trial in [10, 20, 40, 80, 160, 320, 640, 640] {
        world.kill();
        pass(s(trial) - Duration::from_millis(1)).await;
        let (remedy, fetches) = world.fetches_during(world.reject()).await;
        assert!(matches!(remedy, Remedy::Withheld(Spent::Trial)), "{trial}: {remedy:?}");
        assert_eq!(fetches, []);
        pass(Duration::from_millis(1)).await;
        assert!(matches!(world.reject().await, Remedy::Newer(_)), "{trial}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_accepted_is_replaced_at_once_and_the_next_trial_is_ten_seconds_again() {
    let world = World::start(TokenKind::Stable);
    world.wechat.set_latency(Duration::ZERO);
    for trial in [10, 20, 40] {
        pass(s(trial)).await;
        world.kill();
        assert!(matches!(world.reject().await, Remedy::Newer(_)));
    }
    world.accepted_token().await;
    assert!(matches!(killed(&world).await, Outcome::Healed), "healed, and so the new one is accepted too");
    world.kill();
    assert!(matches!(world.reject().await, Remedy::Newer(_)), "this one not");
    world.kill();
    assert!(matches!(world.reject().await, Remedy::Withheld(Spent::Trial)));
    pass(s(10)).await;
    assert!(matches!(world.reject().await, Remedy::Newer(_)));
}

#[tokio::test(start_paused = true)]
async fn classic_rejections_fetch_twenty_times_then_once_a_minute() {
    let world = prompt(TokenKind::Classic).await;
    for n in 0..20 {
        assert!(matches!(killed(&world).await, Outcome::Healed), "{n}");
    }
    for _ in 0..3 {
        assert!(is_withheld(&killed(&world).await, Spent::Rate(Fetch::Classic)));
        pass(s(60)).await;
        assert!(matches!(killed(&world).await, Outcome::Healed));
    }
    assert_eq!(world.wechat.fetches().len(), 1 + 20 + 3);
}

#[tokio::test(start_paused = true)]
async fn stable_rejections_fetch_sixty_times_a_minute() {
    let world = prompt(TokenKind::Stable).await;
    for n in 0..60 {
        assert!(matches!(killed(&world).await, Outcome::Healed), "{n}");
    }
    for _ in 0..3 {
        assert!(is_withheld(&killed(&world).await, Spent::Rate(Fetch::Stable)));
        pass(s(1)).await;
        assert!(matches!(killed(&world).await, Outcome::Healed));
    }
}

#[tokio::test(start_paused = true)]
async fn where_auto_falls_back_the_classic_budget_holds() {
    let world = World::start(TokenKind::Auto);
    world.wechat.set_stable_endpoint(false);
    world.accepted_token().await;
    for n in 0..20 {
        assert!(matches!(killed(&world).await, Outcome::Healed), "{n}");
    }
    assert!(is_withheld(&killed(&world).await, Spent::Rate(Fetch::Classic)));
}

#[tokio::test(start_paused = true)]
async fn forced_refreshes_are_thirty_seconds_apart() {
    let world = prompt(TokenKind::Stable).await;
    assert!(matches!(killed_unnoticed(&world).await, Outcome::Healed));
    for wait in [0, 29] {
        pass(s(wait)).await;
        assert!(is_withheld(&killed_unnoticed(&world).await, Spent::ForcedTooSoon));
    }
    pass(s(1)).await;
    assert!(matches!(killed_unnoticed(&world).await, Outcome::Healed));
}

#[tokio::test(start_paused = true)]
async fn forced_refreshes_are_twenty_a_day() {
    let world = prompt(TokenKind::Stable).await;
    let first = world.wechat.now();
    for n in 0..20 {
        assert!(matches!(killed_unnoticed(&world).await, Outcome::Healed), "{n}");
        pass(s(30)).await;
    }
    assert!(is_withheld(&killed_unnoticed(&world).await, Spent::ForcedToday));
    while world.wechat.now() + s(600) < first + s(86_400) {
        pass(s(600)).await;
        world.kill_unnoticed();
        world.request().await;
    }
    let forced = world.wechat.fetches().iter().filter(|fetch| **fetch == Fetch::Forced).count();
    assert_eq!(forced, 20);
    pass(s(700)).await;
    assert!(matches!(killed_unnoticed(&world).await, Outcome::Healed));
}

#[tokio::test(start_paused = true)]
async fn the_timer_fetches_also_when_rejections_may_not() {
    let world = prompt(TokenKind::Classic).await;
    for _ in 0..20 {
        killed(&world).await;
    }
    assert!(is_withheld(&killed(&world).await, Spent::Rate(Fetch::Classic)));
    let generation = world.generation();
    pass(s(6601)).await;
    assert_eq!(world.generation(), generation + 1);
    world.accepted_token().await;
}
