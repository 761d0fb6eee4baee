//! Replicas through simulated days in which everything that can go wrong does.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use wxgate::config::TokenKind;

use super::Replicas;
use crate::wechat::{Call, Trouble};
use crate::world::{pass, s};

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Event {
    Killed,
    KilledUnnoticed,
    StoreAway(bool),
    ClaimLost,
    StoreForgets,
    /// A replica is killed, and a new one takes its place.
    ReplicaDies(usize),
    Trouble(Option<Trouble>),
    /// Requests at all of them, while other things happen.
    Requests,
}

#[derive(Debug, Clone)]
struct Script {
    kind: TokenKind,
    replicas: usize,
    latency: Duration,
    steps: Vec<(Duration, Event)>,
    seed: u64,
}

fn script() -> impl Strategy<Value = Script> {
    let kind = prop_oneof![1 => Just(TokenKind::Auto), 1 => Just(TokenKind::Stable), 2 => Just(TokenKind::Classic)];
    let gap = prop_oneof![
        3 => (0..=3_000_u64).prop_map(Duration::from_millis),
        2 => (1..=300_u64).prop_map(Duration::from_secs),
        1 => (300..=3_000_u64).prop_map(Duration::from_secs),
    ];
    (kind, 2..6_usize, (0..=4_000_u64).prop_map(Duration::from_millis), vec((gap, event()), 10..40), any::<u64>())
        .prop_map(|(kind, replicas, latency, steps, seed)| Script { kind, replicas, latency, steps, seed })
}

fn event() -> impl Strategy<Value = Event> {
    let trouble = prop_oneof![
        Just(Trouble::Unreachable),
        Just(Trouble::Silent),
        prop::sample::select(vec![-1, 40164, 45011]).prop_map(Trouble::Errcode),
    ];
    prop_oneof![
        4 => Just(Event::Killed),
        2 => Just(Event::KilledUnnoticed),
        2 => Just(Event::StoreAway(true)),
        3 => Just(Event::StoreAway(false)),
        2 => Just(Event::ClaimLost),
        1 => Just(Event::StoreForgets),
        2 => (0..6_usize).prop_map(Event::ReplicaDies),
        1 => trouble.prop_map(|trouble| Event::Trouble(Some(trouble))),
        2 => Just(Event::Trouble(None)),
        8 => Just(Event::Requests),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn while_the_store_works_one_fetches_at_a_time_and_in_the_end_all_have_one_token(script in script()) {
        fastrand::seed(script.seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(live(&script));
    }
}

async fn live(script: &Script) {
    let mut replicas = Replicas::start(script.kind, script.replicas);
    replicas.wechat.set_latency(script.latency);
    let mut requests = tokio::task::JoinSet::new();
    let mut generations = vec![0; script.replicas];
    for &(gap, event) in &script.steps {
        pass(gap).await;
        if let Event::ReplicaDies(index) = event {
            generations[index % script.replicas] = 0;
        }
        suffer(&mut replicas, event, &mut requests);
        assert!(replicas.store.published().is_sorted_by(|a, b| a < b), "a late holder has overwritten a newer token");
        for (world, before) in replicas.worlds.iter().zip(&mut generations) {
            let now = world.snapshot().token.as_ref().map_or(0, |token| token.generation());
            assert!(now >= *before, "generations grow");
            *before = now;
        }
    }
    while requests.join_next().await.is_some() {}
    one_at_a_time(&replicas);
    in_the_end_all_is_well(&replicas).await;
    one_at_a_time(&replicas);
    fetches_are_bounded(script, &replicas);
}

fn suffer(replicas: &mut Replicas, event: Event, requests: &mut tokio::task::JoinSet<()>) {
    match event {
        Event::Killed => replicas.kill(),
        Event::KilledUnnoticed => replicas.wechat.with_ledger(|ledger, now| ledger.kill_tokens_unnoticed(now)),
        Event::StoreAway(away) => replicas.store.set_away(away),
        Event::ClaimLost => replicas.store.lose_claim(),
        Event::StoreForgets => replicas.store.forget(),
        Event::ReplicaDies(index) => {
            let index = index % replicas.worlds.len();
            replicas.worlds[index].task.abort();
            replicas.worlds[index] = replicas.another();
        }
        Event::Trouble(trouble) => replicas.wechat.set_trouble(trouble),
        Event::Requests => {
            for world in &replicas.worlds {
                let (wechat, token) = (replicas.wechat.clone(), world.token.clone());
                requests.spawn(async move { _ = crate::world::request(&wechat, &token, false).await });
            }
        }
    }
}

/// Two calls overlap only where the store was away or had lost the claim.
fn one_at_a_time(replicas: &Replicas) {
    let mut calls: Vec<Call> = replicas.wechat.calls();
    calls.sort_by_key(|call| call.began);
    for (index, call) in calls.iter().enumerate() {
        for other in calls[index + 1..].iter().take_while(|other| other.began < call.ended) {
            // Who was told that the store is away begins a moment after that.
            let well = replicas.store.was_well(call.began.saturating_sub(s(1)), other.began);
            assert!(!well, "{call:?} and {other:?} at once");
        }
    }
}

/// WeChat and the store are well; once the replicas are too, the tokens die once more, and one fetch mends all.
async fn in_the_end_all_is_well(replicas: &Replicas) {
    replicas.wechat.set_trouble(None);
    replicas.store.set_away(false);
    pass(s(600)).await;
    for _ in 0..30 {
        replicas.requests().await; // a token that nobody ever used with success is on trial
        pass(s(60)).await;
    }
    replicas.all_are_served().await;
    assert_eq!(replicas.tokens().len(), 1, "all have the same");
    let before = replicas.wechat.calls().len();
    replicas.kill();
    replicas.all_are_served().await;
    assert_eq!((replicas.wechat.calls().len() - before, replicas.tokens().len()), (1, 1));
}

/// Eight each 5,400 s, which is the least that a two-hour token is kept; ten for each thing that happens and replica, and in
/// an outage of WeChat what the back-off allows one of them; each replica for itself where the store may have been away.
fn fetches_are_bounded(script: &Script, replicas: &Replicas) {
    let time = replicas.wechat.now().as_secs();
    let bound = (8 * (time / 5_400 + 1) + 10 * script.steps.len() as u64 + time / 15) * script.replicas as u64;
    let calls = replicas.wechat.calls().len() as u64;
    assert!(calls <= bound, "{calls} > {bound}");
}
