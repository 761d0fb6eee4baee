//! A token that WeChat refuses: replaced where it is dead, kept where it is not.

use tokio::time::Instant;
use wxgate::config::TokenKind;
use wxgate::sandbox::Kind;
use wxgate::token::{Fetch, Remedy, Spent};

use crate::wechat::{APPID, Trouble};
use crate::world::{Outcome, WAIT, World, pass, s, text};

/// A world whose token has been in use for long.
async fn settled(kind: TokenKind) -> World {
    let world = World::start(kind);
    world.accepted_token().await;
    pass(s(600)).await;
    world
}

fn died_early(world: &World) -> usize {
    world.snapshot().died_early(Instant::now())
}

#[tokio::test(start_paused = true)]
async fn stable_a_different_token_from_normal_mode_is_the_remedy() {
    let world = settled(TokenKind::Stable).await;
    world.wechat.with_ledger(|ledger, now| ledger.another_system_refreshes(APPID, Kind::Stable, now));
    let (outcome, fetches) = world.fetches_during(world.request()).await;
    assert!(matches!(outcome, Outcome::Healed), "{outcome:?}");
    assert_eq!((fetches, world.wechat.questions().len()), (vec![Fetch::Stable], 0));
    assert_eq!(world.generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn stable_the_same_token_that_lives_is_not_killed() {
    let world = settled(TokenKind::Stable).await;
    let token = world.accepted_token().await;
    let (outcome, fetches) = world.fetches_during(world.request_to_hopeless_path()).await;
    let Outcome::Refused(Remedy::Alive(kept)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((text(&kept), kept.generation()), (text(&token), token.generation()));
    assert_eq!((fetches, world.wechat.questions().len()), (vec![Fetch::Stable], 1));
    assert_eq!(text(&world.accepted_token().await), text(&token));
}

/// One that is asked for all the time must not use up the fetches that a dying token needs.
#[tokio::test(start_paused = true)]
async fn stable_a_path_that_refuses_a_living_token_costs_at_most_thirty_fetches_a_minute() {
    let world = settled(TokenKind::Stable).await;
    let before = world.wechat.fetches().len();
    let end = world.wechat.now() + s(60);
    while world.wechat.now() < end {
        world.reject().await;
        pass(s(1) / 10).await;
    }
    let spent = world.wechat.fetches().len() - before;
    assert!((20..=30).contains(&spent), "{spent}");
    world.kill();
    pass(s(2)).await;
    assert!(matches!(world.request().await, Outcome::Healed));
}

#[tokio::test(start_paused = true)]
async fn stable_the_same_token_that_is_dead_is_replaced_by_force() {
    let world = settled(TokenKind::Stable).await;
    world.kill_unnoticed();
    let (outcome, fetches) = world.fetches_during(world.request()).await;
    assert!(matches!(outcome, Outcome::Healed), "{outcome:?}");
    assert_eq!((fetches, world.wechat.questions().len()), (vec![Fetch::Stable, Fetch::Forced], 1));
    assert_eq!(world.accepted_token().await.minted_by(), Fetch::Forced);
}

#[tokio::test(start_paused = true)]
async fn stable_a_token_is_not_killed_while_nobody_says_that_it_is_dead() {
    let world = settled(TokenKind::Stable).await;
    world.wechat.set_answers_questions(false);
    let (remedy, fetches) = world.fetches_during(world.reject()).await;
    assert!(matches!(remedy, Remedy::Alive(_)), "{remedy:?}");
    assert_eq!((fetches, world.wechat.questions().len()), (vec![Fetch::Stable], 1));
}

/// WeChat answers a force that comes within 30 s of anyone's with the token that there is.
#[tokio::test(start_paused = true)]
async fn stable_a_force_that_brings_the_same_token_is_no_remedy() {
    let world = settled(TokenKind::Stable).await;
    world.wechat.with_ledger(|ledger, now| ledger.stable(APPID, true, now)).unwrap();
    assert!(matches!(world.request().await, Outcome::Healed), "the other's token");
    world.kill_unnoticed();
    let outcome = world.request().await;
    assert!(matches!(outcome, Outcome::Refused(Remedy::Withheld(Spent::SameToken))), "{outcome:?}");
    pass(s(30)).await;
    assert!(matches!(world.request().await, Outcome::Healed));
}

#[tokio::test(start_paused = true)]
async fn classic_a_token_is_fetched_without_a_question() {
    for kind in [TokenKind::Classic, TokenKind::Auto] {
        let world = World::start(kind);
        world.wechat.set_stable_endpoint(false);
        world.accepted_token().await;
        pass(s(60)).await;
        world.kill();
        let (outcome, fetches) = world.fetches_during(world.request()).await;
        assert!(matches!(outcome, Outcome::Healed), "{outcome:?}");
        assert_eq!((fetches.last(), world.wechat.questions().len()), (Some(&Fetch::Classic), 0), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn classic_a_token_less_than_a_minute_old_is_asked_about_first() {
    for kind in [TokenKind::Classic, TokenKind::Auto] {
        let world = World::start(kind);
        world.wechat.set_stable_endpoint(false);
        world.accepted_token().await;
        pass(s(59)).await;
        let (remedy, fetches) = world.fetches_during(world.reject()).await;
        assert!(matches!(remedy, Remedy::Alive(_)), "{remedy:?}");
        assert_eq!((fetches, world.wechat.questions().len()), (vec![], 1), "{kind:?}");

        let world = World::start(kind);
        world.wechat.set_stable_endpoint(false);
        world.accepted_token().await;
        pass(s(30)).await;
        world.kill();
        let (outcome, fetches) = world.fetches_during(world.request()).await;
        assert!(matches!(outcome, Outcome::Healed), "{outcome:?}");
        assert_eq!((fetches.last(), world.wechat.questions().len()), (Some(&Fetch::Classic), 1), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_rejections_at_once_are_one_flight() {
    for (kind, unnoticed, flight) in [
        (TokenKind::Stable, false, vec![Fetch::Stable]),
        (TokenKind::Stable, true, vec![Fetch::Stable, Fetch::Forced]),
        (TokenKind::Classic, false, vec![Fetch::Classic]),
    ] {
        let world = settled(kind).await;
        if unnoticed {
            world.kill_unnoticed()
        } else {
            world.kill()
        }
        let (outcomes, fetches) = world.fetches_during(world.requests(1000)).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Healed)), "{kind:?}");
        assert_eq!(fetches, flight, "{kind:?}");
        assert_eq!(world.generation(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_rejections_at_once_are_one_flight_also_when_it_fails_or_the_token_lives() {
    let world = settled(TokenKind::Stable).await;
    let generation = world.generation();
    let reject_all = || async {
        let rejections = (0..1000).map(|_| {
            let token = world.token.clone();
            tokio::spawn(async move { token.rejected(generation, WAIT).await })
        });
        for rejection in rejections.collect::<Vec<_>>() {
            assert!(matches!(rejection.await.unwrap(), Remedy::Failed(_) | Remedy::Alive(_)));
        }
    };
    assert_eq!(world.fetches_during(reject_all()).await.1, [Fetch::Stable]);
    assert_eq!(world.wechat.questions().len(), 1);
    pass(s(10)).await;
    world.wechat.set_trouble(Some(Trouble::Unreachable));
    assert_eq!(world.fetches_during(reject_all()).await.1, [Fetch::Stable]);
}

#[tokio::test(start_paused = true)]
async fn a_report_about_an_older_generation_costs_nothing() {
    let world = settled(TokenKind::Stable).await;
    world.kill();
    assert!(matches!(world.request().await, Outcome::Healed));
    world.wechat.set_trouble(Some(Trouble::Unreachable));
    let before = world.wechat.now();
    let (remedy, fetches) = world.fetches_during(world.token.rejected(1, WAIT)).await;
    assert!(matches!(remedy, Remedy::Newer(token) if token.generation() == 2));
    assert_eq!((fetches, world.wechat.now()), (vec![], before));
}

#[tokio::test(start_paused = true)]
async fn a_report_during_the_timers_fetch_gets_the_token_that_it_brings() {
    let world = World::start(TokenKind::Classic);
    world.accepted_token().await;
    world.wechat.set_latency(s(4));
    pass(s(6602)).await;
    let (remedy, fetches) = world.fetches_during(world.reject()).await;
    assert!(matches!(remedy, Remedy::Newer(token) if token.generation() == 2));
    assert_eq!(fetches, [Fetch::Classic]);
}

#[tokio::test(start_paused = true)]
async fn the_rejected_token_stays_in_use_while_the_next_is_fetched() {
    let world = settled(TokenKind::Classic).await;
    world.wechat.set_latency(s(4));
    let generation = world.generation();
    let rejection = tokio::spawn({
        let token = world.token.clone();
        async move { token.rejected(generation, WAIT).await }
    });
    pass(s(2)).await;
    assert!(world.snapshot().fetching);
    assert_eq!(world.accepted_token().await.generation(), generation);
    assert!(matches!(rejection.await.unwrap(), Remedy::Newer(_)));
}

#[tokio::test(start_paused = true)]
async fn tokens_that_die_early_are_counted_for_an_hour() {
    let world = settled(TokenKind::Stable).await;
    for count in 1..=4 {
        world.wechat.with_ledger(|ledger, now| ledger.another_system_refreshes(APPID, Kind::Stable, now));
        assert!(matches!(world.request().await, Outcome::Healed));
        assert_eq!(died_early(&world), count);
        pass(s(600)).await;
    }
    pass(s(3600)).await;
    assert_eq!(died_early(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_dies_in_its_last_five_minutes_or_is_refused_alive_is_not_counted() {
    let world = World::start(TokenKind::Stable);
    world.accepted_token().await;
    pass(s(100)).await;
    world.reject().await;
    assert_eq!(died_early(&world), 0);
    pass(s(6805)).await;
    assert_eq!(world.generation(), 1, "the timer has not come yet");
    world.kill();
    assert!(matches!(world.request().await, Outcome::Healed));
    assert_eq!(died_early(&world), 0);
}
