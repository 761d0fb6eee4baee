//! A fetch that fails: how it is remembered, and when the next one comes.

use std::time::Duration;

use wxgate::config::TokenKind;
use wxgate::token::{Failure, Fetch, Remedy, Unavailable};

use crate::wechat::Trouble;
use crate::world::{Outcome, World, pass, s};

/// A world in which the token endpoints fail so from the start.
fn in_trouble(kind: TokenKind, trouble: Trouble) -> World {
    let world = World::start(kind);
    world.wechat.set_trouble(Some(trouble));
    world
}

/// The time between the end of each call and the beginning of the next.
fn pauses(world: &World) -> Vec<Duration> {
    world.wechat.calls().windows(2).map(|pair| pair[1].began - pair[0].ended).collect()
}

fn failure(outcome: &Outcome) -> &Failure {
    match outcome {
        Outcome::NoToken(Unavailable::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiting_requests_cost_one_fetch_and_learn_its_failure() {
    let world = in_trouble(TokenKind::Stable, Trouble::Errcode(40164));
    let outcomes = world.requests(1000).await;
    assert!(outcomes.iter().all(|outcome| failure(outcome).errcode == Some(40164)));
    assert_eq!(world.wechat.fetches(), [Fetch::Stable]);

    let before = world.wechat.now();
    let outcomes = world.requests(1000).await;
    assert!(outcomes.iter().all(|outcome| failure(outcome).errcode == Some(40164)));
    assert_eq!(world.wechat.now(), before, "a remembered failure is told at once");
    assert_eq!(world.wechat.fetches(), [Fetch::Stable]);
}

#[tokio::test(start_paused = true)]
async fn transient_failures_back_off_from_a_second_to_a_minute_with_jitter() {
    for trouble in [Trouble::Unreachable, Trouble::Errcode(-1)] {
        let world = in_trouble(TokenKind::Stable, trouble);
        pass(s(600)).await;
        let pauses = pauses(&world);
        assert!(pauses.len() > 12, "{pauses:?}");
        for (index, pause) in pauses.iter().enumerate() {
            let most = s(1 << index.min(10)).min(s(60));
            assert!((most / 2..=most).contains(pause), "{index}: {pause:?}");
        }
        let long = &pauses[6..];
        assert!(long.iter().any(|pause| *pause != long[0]), "no jitter: {long:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_the_back_off() {
    let world = in_trouble(TokenKind::Classic, Trouble::Unreachable);
    pass(s(120)).await;
    world.wechat.set_trouble(None);
    pass(s(61)).await;
    world.accepted_token().await;
    world.wechat.set_trouble(Some(Trouble::Unreachable));
    pass(s(7200)).await;
    let calls = world.wechat.calls();
    let success = calls.iter().position(|call| call.outcome.is_ok()).unwrap();
    let first = calls[success + 2].began - calls[success + 1].ended;
    assert!(first <= s(1), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn other_failures_wait_as_long_as_their_kind_says() {
    for (kind, errcode, seconds) in [
        (TokenKind::Stable, 40125, 15),
        (TokenKind::Auto, 40164, 15),
        (TokenKind::Classic, 40125, 60),
        (TokenKind::Classic, 40164, 60),
        (TokenKind::Stable, 45009, 60),
        (TokenKind::Classic, 45009, 60),
        (TokenKind::Stable, 45011, 60),
        (TokenKind::Stable, 89501, 60),
        (TokenKind::Stable, 89507, 3600),
        (TokenKind::Stable, 89506, 86_400),
        (TokenKind::Stable, 49_999, 15),
    ] {
        let world = in_trouble(kind, Trouble::Errcode(errcode));
        pass(s(3 * seconds + 5)).await;
        assert_eq!(pauses(&world), [s(seconds); 3], "{kind:?} {errcode}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_within_the_back_off_learns_the_failure_and_fetches_nothing() {
    let world = World::start(TokenKind::Stable);
    world.accepted_token().await;
    world.wechat.set_trouble(Some(Trouble::Errcode(40125)));
    let (remedy, fetches) = world.fetches_during(world.reject()).await;
    assert!(matches!(remedy, Remedy::Failed(_)), "{remedy:?}");
    assert_eq!(fetches, [Fetch::Stable]);
    for _ in 0..10 {
        pass(s(1)).await;
        let (remedy, fetches) = world.fetches_during(world.reject()).await;
        assert!(matches!(&remedy, Remedy::Failed(failure) if failure.errcode == Some(40125)), "{remedy:?}");
        assert_eq!(fetches, []);
    }
    world.accepted_token().await;
}

#[tokio::test(start_paused = true)]
async fn auto_asks_the_classic_endpoint_where_there_is_no_stable_one_and_the_stable_one_again_next_time() {
    let world = World::start(TokenKind::Auto);
    world.wechat.set_stable_endpoint(false);
    assert_eq!(world.accepted_token().await.minted_by(), Fetch::Classic);
    pass(s(6700)).await;
    assert_eq!(world.wechat.fetches(), [Fetch::Stable, Fetch::Classic, Fetch::Stable, Fetch::Classic]);

    world.wechat.set_stable_endpoint(true);
    world.kill();
    assert!(matches!(world.request().await, Outcome::Healed));
    assert_eq!(world.wechat.fetches()[4..], [Fetch::Stable]);
    assert_eq!(world.accepted_token().await.minted_by(), Fetch::Stable);
}

#[tokio::test(start_paused = true)]
async fn auto_asks_the_classic_endpoint_for_no_other_reason() {
    for trouble in [Trouble::Unreachable, Trouble::Errcode(-1), Trouble::Errcode(40125), Trouble::Errcode(45009)] {
        let world = in_trouble(TokenKind::Auto, trouble);
        pass(s(200)).await;
        assert!(world.wechat.fetches().iter().all(|fetch| *fetch == Fetch::Stable), "{trouble:?}");
    }
    let world = in_trouble(TokenKind::Auto, Trouble::Errcode(40066));
    world.request().await;
    assert_eq!(world.wechat.fetches(), [Fetch::Stable, Fetch::Classic]);
}

#[tokio::test(start_paused = true)]
async fn stable_never_asks_the_classic_endpoint() {
    let world = World::start(TokenKind::Stable);
    world.wechat.set_stable_endpoint(false);
    assert!(matches!(world.request().await, Outcome::NoToken(Unavailable::Failed(_))));
    pass(s(100)).await;
    assert!(world.wechat.fetches().iter().all(|fetch| *fetch == Fetch::Stable));
    world.wechat.set_stable_endpoint(true);
    pass(s(15)).await;
    world.accepted_token().await;
}
