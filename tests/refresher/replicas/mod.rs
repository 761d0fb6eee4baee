//! Several refreshers of one account that share a store.

mod lives;
mod shared;

use std::time::Duration;

use wxgate::config::TokenKind;
use wxgate::sandbox::Rules;
use wxgate::token::{Fetch, LEASE};

use crate::wechat::Wechat;
use crate::world::{Outcome, World, pass, s, text};
use shared::Shared;

/// Replicas, and what they have in common.
struct Replicas {
    wechat: Wechat,
    store: Shared,
    kind: TokenKind,
    worlds: Vec<World>,
}

impl Replicas {
    fn start(kind: TokenKind, count: usize) -> Self {
        let mut replicas =
            Self { wechat: Wechat::new(Rules::default()), store: Shared::new(), kind, worlds: Vec::new() };
        for _ in 0..count {
            replicas.worlds.push(replicas.another());
        }
        replicas
    }

    fn another(&self) -> World {
        World::with(self.kind, None, self.wechat.clone(), Box::new(self.store.clone()))
    }

    /// One request at each of them, at the same time.
    async fn requests(&self) -> Vec<Outcome> {
        let mut tasks = tokio::task::JoinSet::new();
        for world in &self.worlds {
            let (wechat, token) = (self.wechat.clone(), world.token.clone());
            tasks.spawn(async move { crate::world::request(&wechat, &token, false).await.outcome });
        }
        tasks.join_all().await
    }

    async fn all_are_served(&self) {
        let outcomes = self.requests().await;
        let is_served = |outcome: &Outcome| matches!(outcome, Outcome::Accepted | Outcome::Healed);
        assert!(outcomes.iter().all(is_served), "{outcomes:?}");
    }

    fn kill(&self) {
        self.wechat.with_ledger(|ledger, now| ledger.kill_tokens(now));
    }

    /// The tokens in use.
    fn tokens(&self) -> Vec<String> {
        let mut tokens: Vec<_> =
            self.worlds.iter().map(|w| text(w.snapshot().token.as_ref().unwrap()).to_owned()).collect();
        tokens.dedup();
        tokens
    }
}

#[tokio::test(start_paused = true)]
async fn ten_replicas_fetch_as_often_as_one() {
    for kind in [TokenKind::Classic, TokenKind::Stable] {
        let mut calls = Vec::new();
        for count in [1, 10] {
            let replicas = Replicas::start(kind, count);
            for _ in 0..48 {
                pass(s(1_800)).await;
                replicas.all_are_served().await;
            }
            calls.push(replicas.wechat.calls().len());
        }
        assert_eq!(calls[0], calls[1], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_dies_is_replaced_once_for_all() {
    for (kind, fetches) in [(TokenKind::Classic, 2), (TokenKind::Stable, 2)] {
        let replicas = Replicas::start(kind, 10);
        replicas.all_are_served().await;
        pass(s(100)).await;
        replicas.kill();
        replicas.all_are_served().await;
        assert_eq!((replicas.wechat.calls().len(), replicas.tokens().len()), (fetches, 1), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_is_made_by_one() {
    let replicas = Replicas::start(TokenKind::Stable, 10);
    replicas.all_are_served().await;
    replicas.wechat.with_ledger(|ledger, now| ledger.kill_tokens_unnoticed(now));
    replicas.all_are_served().await;
    assert_eq!(replicas.wechat.fetches().iter().filter(|fetch| **fetch == Fetch::Forced).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_takes_longer_than_a_lease_keeps_its_claim() {
    let replicas = Replicas::start(TokenKind::Classic, 3);
    replicas.all_are_served().await;
    pass(s(100)).await;
    replicas.kill();
    replicas.wechat.set_latency(LEASE + s(2));
    replicas.all_are_served().await;
    assert_eq!(replicas.wechat.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_lost_its_claim_while_it_fetched_takes_up_the_newer_token() {
    let replicas = Replicas::start(TokenKind::Classic, 2);
    replicas.all_are_served().await;
    pass(s(100)).await;
    replicas.kill();
    replicas.wechat.set_latency(s(3));
    let late = tokio::spawn({
        let (wechat, token) = (replicas.wechat.clone(), replicas.worlds[0].token.clone());
        async move { crate::world::request(&wechat, &token, false).await.outcome }
    });
    pass(s(1)).await;
    replicas.store.lose_claim();
    replicas.wechat.set_latency(s(1));
    assert!(matches!(replicas.worlds[1].request().await, Outcome::Healed));
    assert!(matches!(late.await.unwrap(), Outcome::Healed));
    assert_eq!((replicas.tokens().len(), replicas.wechat.calls().len()), (1, 3));
    assert!(replicas.store.published().is_sorted());
}

/// How long a request takes whose token has died while the store is away.
async fn heal_without_store(kind: TokenKind, away_for: Duration) -> Duration {
    let replicas = Replicas::start(kind, 1);
    replicas.all_are_served().await;
    pass(s(100)).await;
    replicas.store.set_away(true);
    pass(away_for).await;
    replicas.kill();
    let began = replicas.wechat.now();
    assert!(matches!(replicas.worlds[0].request().await, Outcome::Healed));
    replicas.wechat.now() - began
}

#[tokio::test(start_paused = true)]
async fn without_the_store_stable_tokens_are_fetched_at_once_and_classic_ones_when_a_lease_has_passed() {
    assert!(heal_without_store(TokenKind::Stable, s(0)).await < s(1));
    let slow = heal_without_store(TokenKind::Classic, s(0)).await;
    assert!((LEASE..LEASE + s(2)).contains(&slow), "{slow:?}");
    assert!(heal_without_store(TokenKind::Classic, s(60)).await < s(1));
}

#[tokio::test(start_paused = true)]
async fn without_the_store_a_classic_token_is_used_to_its_end_and_no_request_fails() {
    let replicas = Replicas::start(TokenKind::Classic, 1);
    replicas.all_are_served().await;
    replicas.store.set_away(true);
    for _ in 0..7_100 {
        pass(s(1)).await;
        replicas.all_are_served().await;
    }
    assert_eq!(replicas.wechat.calls().len(), 1);
    for _ in 0..200 {
        pass(s(1)).await;
        replicas.all_are_served().await;
    }
    assert_eq!(replicas.wechat.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_back_all_use_the_token_that_was_fetched_last() {
    let replicas = Replicas::start(TokenKind::Classic, 3);
    replicas.all_are_served().await;
    pass(s(100)).await;
    replicas.store.set_away(true);
    pass(s(10)).await;
    replicas.kill();
    for world in &replicas.worlds {
        assert!(matches!(world.request().await, Outcome::Healed));
        pass(s(20)).await;
    }
    let last = text(replicas.worlds[2].snapshot().token.as_ref().unwrap()).to_owned();
    replicas.store.set_away(false);
    pass(s(10)).await;
    assert_eq!(replicas.tokens(), [last]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_forgotten_everything_gets_the_token_back() {
    let replicas = Replicas::start(TokenKind::Classic, 3);
    replicas.all_are_served().await;
    replicas.store.forget();
    pass(s(10)).await;
    let newcomer = replicas.another();
    assert!(matches!(newcomer.request().await, Outcome::Accepted));
    assert_eq!(replicas.wechat.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_dies_while_it_fetches_costs_its_lease() {
    let replicas = Replicas::start(TokenKind::Classic, 2);
    replicas.all_are_served().await;
    pass(s(100)).await;
    replicas.kill();
    replicas.wechat.set_latency(s(1));
    let token = replicas.worlds[0].token.clone();
    let generation = replicas.worlds[0].generation();
    let reporting = tokio::spawn(async move { token.rejected(generation, s(8)).await });
    pass(Duration::from_millis(500)).await;
    replicas.worlds[0].task.abort();
    let began = replicas.wechat.now();
    assert!(matches!(replicas.worlds[1].request().await, Outcome::Healed));
    assert!(replicas.wechat.now() - began < LEASE + s(2));
    reporting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_to_all_and_asked_about_once_a_minute() {
    let replicas = Replicas::start(TokenKind::Classic, 10);
    replicas.wechat.set_trouble(Some(crate::wechat::Trouble::Errcode(40164)));
    pass(s(610)).await;
    let calls = replicas.wechat.calls().len();
    assert!((10..=12).contains(&calls), "{calls}");
    assert!(replicas.requests().await.iter().all(|outcome| matches!(outcome, Outcome::NoToken(_))));
    replicas.wechat.set_trouble(None);
    pass(s(70)).await;
    replicas.all_are_served().await;
}
