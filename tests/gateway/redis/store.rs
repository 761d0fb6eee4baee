//! The store itself: claims, fences, budgets.

use std::sync::Arc;
use std::time::Duration;

use wxgate::config::{self, Environment};
use wxgate::secret::ExposeSecret;
use wxgate::token::{Claim, Failure, Fetch, Published, RedisServer, RedisStore, Spent, Store, StoreError, Stored};

use super::server::Redis;
use crate::support::account;

fn store(redis: &Redis, secret: &str) -> RedisStore {
    let text = format!("{}{}", redis.keys(), account());
    let config::Store::Redis(config) = config::parse(&text, &Environment::default()).unwrap().config.store else {
        panic!("no redis in {text}")
    };
    RedisStore::new(Arc::new(RedisServer::new(&config).unwrap()), "wx1", &secret.into()).unwrap()
}

fn stored(fence: u64, token: &str) -> Stored {
    let (age, left) = (Duration::from_secs(0), Duration::from_secs(7200));
    Stored { fence, token: token.into(), minted_by: Fetch::Classic, age, left }
}

async fn granted(store: &RedisStore, known: u64) -> u64 {
    match store.claim(known).await.unwrap() {
        Claim::Granted(fence) => fence,
        other => panic!("{other:?}"),
    }
}

/// Its lease ends.
async fn lose_claim(redis: &Redis) {
    let mut connection = redis.connection().await;
    let gone: u64 = redis::cmd("DEL").arg("wxgate:{wx1}:claim").query_async(&mut connection).await.unwrap();
    assert_eq!(gone, 1);
}

#[tokio::test]
async fn one_has_the_claim_until_it_publishes_and_the_others_then_get_the_token() {
    let redis = Redis::start().await;
    let (one, other) = (store(&redis, "s"), store(&redis, "s"));
    assert!(one.read().await.unwrap().is_none());
    let fence = granted(&one, 0).await;
    assert!(matches!(other.claim(0).await.unwrap(), Claim::Held));
    assert!(matches!(one.publish(&stored(fence, "92_a")).await.unwrap(), Published::InForce));
    match other.claim(0).await.unwrap() {
        Claim::Newer(newer) => assert_eq!((newer.token.expose_secret(), newer.fence), ("92_a", fence)),
        other => panic!("{other:?}"),
    }
    assert!(granted(&other, fence).await > fence, "who knows the token may fetch the next");
}

#[tokio::test]
async fn a_late_holder_overwrites_nothing_and_takes_no_claim_away() {
    let redis = Redis::start().await;
    let (late, next) = (store(&redis, "s"), store(&redis, "s"));
    let lost = granted(&late, 0).await;
    lose_claim(&redis).await;
    let fence = granted(&next, 0).await;
    assert!(fence > lost);
    late.renew(lost).await.unwrap();
    late.release(lost, None).await.unwrap();
    assert!(matches!(late.claim(0).await.unwrap(), Claim::Held), "it is the other's");
    next.publish(&stored(fence, "92_new")).await.unwrap();
    match late.publish(&stored(lost, "92_old")).await.unwrap() {
        Published::Superseded(newer) => assert_eq!(newer.token.expose_secret(), "92_new"),
        Published::InForce => panic!("overwritten"),
    }
    assert_eq!(late.read().await.unwrap().unwrap().token.expose_secret(), "92_new");
}

#[tokio::test]
async fn a_claim_lasts_for_its_lease_and_is_prolonged_by_renewing() {
    let redis = Redis::start().await;
    let store = store(&redis, "s");
    let fence = granted(&store, 0).await;
    let mut connection = redis.connection().await;
    let claim = "wxgate:{wx1}:claim";
    let left: i64 = redis::cmd("PTTL").arg(claim).query_async(&mut connection).await.unwrap();
    assert!((1..=5000).contains(&left), "{left}");
    let _: i64 = redis::cmd("PEXPIRE").arg(claim).arg(1_000_000).query_async(&mut connection).await.unwrap();
    store.renew(fence).await.unwrap();
    let left: i64 = redis::cmd("PTTL").arg(claim).query_async(&mut connection).await.unwrap();
    assert!((1..=5000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_redis_that_has_lost_everything_goes_on_with_greater_fences() {
    let redis = Redis::start().await;
    let store = store(&redis, "s");
    let fence = granted(&store, 0).await;
    let mut connection = redis.connection().await;
    let _: String = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    assert!(granted(&store, 0).await > fence, "also for who knows none");
}

#[tokio::test]
async fn a_failure_is_told_to_the_others_for_its_pause() {
    let redis = Redis::start().await;
    let (one, other) = (store(&redis, "s"), store(&redis, "s"));
    let fence = granted(&one, 0).await;
    let failure = Failure::refused(40164, "invalid ip 1.2.3.4, not in whitelist");
    one.release(fence, Some((&failure, Duration::from_secs(3600)))).await.unwrap();
    match other.claim(0).await.unwrap() {
        Claim::Failed(told, pause) => {
            assert_eq!(told, failure);
            assert!(pause > Duration::ZERO && pause <= Duration::from_secs(60), "{pause:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn forced_refreshes_and_classic_fetches_have_one_budget_for_all() {
    let redis = Redis::start().await;
    let (one, other) = (store(&redis, "s"), store(&redis, "s"));
    one.spend(Fetch::Forced).await.unwrap().unwrap();
    assert_eq!(other.spend(Fetch::Forced).await.unwrap(), Err(Spent::ForcedTooSoon));
    for store in [&one, &other].into_iter().cycle().take(20) {
        store.spend(Fetch::Classic).await.unwrap().unwrap();
    }
    assert_eq!(one.spend(Fetch::Classic).await.unwrap(), Err(Spent::Rate(Fetch::Classic)));
    other.spend(Fetch::Stable).await.unwrap().unwrap();

    let mut connection = redis.connection().await;
    let now: (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await.unwrap();
    let mut day = redis::cmd("RPUSH");
    day.arg("wxgate:{wx1}:forced");
    (1..20).for_each(|n| _ = day.arg((now.0 - 3600 * n) * 1000));
    let _: u64 = day.query_async(&mut connection).await.unwrap();
    assert_eq!(other.spend(Fetch::Forced).await.unwrap(), Err(Spent::ForcedToday));
}

#[tokio::test]
async fn a_token_that_was_sealed_with_another_secret_is_as_good_as_none() {
    let redis = Redis::start().await;
    let (one, other) = (store(&redis, "s"), store(&redis, "another"));
    let fence = granted(&one, 0).await;
    one.publish(&stored(fence, "92_a")).await.unwrap();
    assert!(other.read().await.unwrap().is_none());
    let next = granted(&other, 0).await;
    assert!(next > fence, "and does not keep anybody from fetching");
    other.publish(&stored(next, "92_b")).await.unwrap();
    assert!(one.read().await.unwrap().is_none());
}

#[tokio::test]
async fn a_kept_connection_that_has_died_is_replaced_at_once() {
    let redis = Redis::start().await;
    let store = store(&redis, "s");
    store.read().await.unwrap();
    let mut connection = redis.connection().await;
    let killed: u64 = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(killed, 1);
    assert!(store.read().await.unwrap().is_none());
}

#[tokio::test]
async fn an_error_names_the_place_and_no_password() {
    let redis = Redis::with(&["--requirepass", "right"]).await;
    let text = format!("{}store.password = 'wr0ng-pass'\n{}", redis.keys(), account());
    let config::Store::Redis(config) = config::parse(&text, &Environment::default()).unwrap().config.store else {
        panic!("no redis in {text}")
    };
    let store = RedisStore::new(Arc::new(RedisServer::new(&config).unwrap()), "wx1", &"s".into()).unwrap();
    let error = store.read().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }));
    let text = format!("{error} {error:?} {store:?}");
    assert!(error.to_string().starts_with(&format!("Redis at {}: ", redis.socket().display())), "{text}");
    assert!(!text.contains("wr0ng"), "{text}");
}
