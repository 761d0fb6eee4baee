//! Replicas that share one token through a real Redis.

pub mod server;
mod store;
mod trouble;
mod ways;

use std::time::SystemTime;

use wxgate::sandbox::{CLASSIC, DEFAULT_APPID, Fault, Gate, Sandbox, Settings};

use crate::process::Program;
use crate::support::{Caller, Gateway, Reply, account, config_text, sandbox, within};
use server::{Redis, classic, replicas};

const PATH: &str = "/cgi-bin/user/info?openid=o6";

fn classic_fetches(wechat: &Sandbox) -> u64 {
    wechat.world().journal().count(CLASSIC)
}

fn is_served(reply: &Reply) -> bool {
    reply.status == 200 && reply.json().get("errcode").is_none()
}

/// So many requests at once at each of them; all of them must be served.
async fn all_are_served(replicas: &[Gateway], count: usize) {
    let requests = replicas.iter().flat_map(|replica| (0..count).map(move |_| replica.address));
    let tasks: Vec<_> = requests
        .map(|address| {
            tokio::spawn(async move {
                let mut caller = Caller::connect(address).await;
                caller.request("GET", PATH, &[], b"").await;
                caller.reply().await
            })
        })
        .collect();
    for task in tasks {
        let reply = task.await.unwrap();
        assert!(is_served(&reply), "{} {}", reply.status, reply.text());
    }
}

#[tokio::test]
async fn ten_replicas_with_the_classic_endpoint_fetch_once_for_all_at_the_start_and_each_time_the_token_dies() {
    let (wechat, redis) = (sandbox().await, Redis::start().await);
    let replicas = replicas(10, &wechat, &classic(&redis.keys())).await;
    all_are_served(&replicas, 3).await;
    assert_eq!(classic_fetches(&wechat), 1);
    for deaths in 1..=5 {
        wechat.world().kill_tokens();
        all_are_served(&replicas, 3).await;
        assert_eq!(classic_fetches(&wechat), 1 + deaths);
    }
}

#[tokio::test]
async fn ten_replicas_with_the_stable_endpoint_force_once() {
    let (wechat, redis) = (sandbox().await, Redis::start().await);
    let replicas = replicas(10, &wechat, &format!("{}\n{}", redis.keys(), account())).await;
    all_are_served(&replicas, 3).await;
    wechat.world().kill_tokens_unnoticed();
    all_are_served(&replicas, 3).await;
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).forced, 1);
}

#[tokio::test]
async fn while_one_replica_fetches_nobody_else_does() {
    let (wechat, redis, gate) = (sandbox().await, Redis::start().await, Gate::new());
    let replicas = replicas(10, &wechat, &classic(&redis.keys())).await;
    all_are_served(&replicas, 1).await;
    wechat.world().kill_tokens();
    wechat.world().faults().add(Fault::at(CLASSIC).hold(&gate));
    let waiting = tokio::spawn(async move {
        all_are_served(&replicas, 3).await;
        replicas
    });
    within(gate.held(1)).await;
    // All are refused once, and then wait for the one that fetches.
    let path = PATH.split('?').next().unwrap();
    within(wechat.world().journal().wait_for(path, 10 + 30)).await;
    assert_eq!(classic_fetches(&wechat), 2);
    gate.open();
    waiting.await.unwrap();
    assert_eq!(classic_fetches(&wechat), 2);
}

#[tokio::test]
async fn a_token_survives_a_restart_of_all_replicas_and_lies_sealed_in_redis() {
    let (wechat, redis) = (sandbox().await, Redis::start().await);
    let keys = classic(&redis.keys());
    all_are_served(&replicas(2, &wechat, &keys).await, 1).await;
    all_are_served(&replicas(2, &wechat, &keys).await, 1).await;
    assert_eq!(classic_fetches(&wechat), 1);

    let token = wechat.world().journal().requests_of("/cgi-bin/user/info")[0].parameters("access_token").remove(0);
    let mut connection = redis.connection().await;
    let mut everything = Vec::new();
    let names: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    for name in &names {
        let dumped: Vec<u8> = redis::cmd("DUMP").arg(name).query_async(&mut connection).await.unwrap();
        everything.extend(dumped);
    }
    assert!(names.contains(&format!("wxgate:{{{DEFAULT_APPID}}}:token")), "{names:?}");
    // Redis keeps short texts as they are, so a piece of the token would be seen.
    assert!(!everything.windows(12).any(|window| token.as_bytes().windows(12).any(|piece| piece == window)));
}

#[tokio::test]
async fn a_replica_that_is_killed_while_it_fetches_is_replaced_by_another() {
    let (wechat, redis, gate) = (sandbox().await, Redis::start().await, Gate::new());
    let keys = classic(&redis.keys());
    let replicas = replicas(3, &wechat, &keys).await;
    let mut doomed = Program::run(&config_text(&format!("http://{}", wechat.address()), &keys));
    let address = doomed.address().await;
    all_are_served(&replicas, 1).await;
    let mut caller = Caller::connect(address).await;
    caller.request("GET", PATH, &[], b"").await;
    assert!(is_served(&caller.reply().await));

    wechat.world().kill_tokens();
    wechat.world().faults().add(Fault::at(CLASSIC).hold(&gate).times(1));
    caller.request("GET", PATH, &[], b"").await;
    within(gate.held(1)).await;
    doomed.signal("KILL");
    doomed.ended().await;
    all_are_served(&replicas, 3).await;
    assert_eq!(classic_fetches(&wechat), 3, "the first, that of the dead, and one for all who live");
}

#[tokio::test]
async fn two_gateways_with_different_prefixes_have_nothing_to_do_with_each_other() {
    let (wechat, redis) = (sandbox().await, Redis::start().await);
    for prefix in ["a:", "b:"] {
        let keys = classic(&format!("{}store.prefix = '{prefix}'\n", redis.keys()));
        all_are_served(&replicas(1, &wechat, &keys).await, 1).await;
    }
    assert_eq!(classic_fetches(&wechat), 2);
}

#[tokio::test]
async fn a_failed_fetch_is_one_for_all_replicas_too() {
    let wechat = Sandbox::start(Settings::default()).await.unwrap();
    let redis = Redis::start().await;
    wechat.world().set_frozen(DEFAULT_APPID, true);
    let replicas = replicas(5, &wechat, &classic(&redis.keys())).await;
    let began = SystemTime::now();
    for replica in &replicas {
        let reply = replica.get(PATH).await;
        assert_eq!((reply.status, reply.error()), (503, Some("no_token")));
        assert!(reply.text().contains("40243"), "{}", reply.text());
    }
    // A minute between two questions, for all together.
    let minutes = began.elapsed().unwrap().as_secs() / 60;
    assert!(classic_fetches(&wechat) <= 1 + minutes);
}
