//! A Redis that stands still or is gone.

use redis::aio::MultiplexedConnection;
use wxgate::sandbox::{CLASSIC, DEFAULT_APPID, Fault, Gate, STABLE, Sandbox};

use super::server::{Redis, classic};
use super::{PATH, classic_fetches, is_served};
use crate::process::Program;
use crate::support::{Caller, Reply, account, config_text, sandbox, within};

const AWAY: &str = "the shared store cannot be used";
const BACK: &str = "the shared store can be used again";

/// A replica that is a process of its own.
struct Replica {
    program: Program,
    address: std::net::SocketAddr,
}

impl Replica {
    async fn start(wechat: &Sandbox, keys: &str) -> Self {
        let mut program = Program::run(&config_text(&format!("http://{}", wechat.address()), keys));
        let address = program.address().await;
        Self { program, address }
    }

    async fn is_served(&self) -> bool {
        is_served(&self.reply().await)
    }

    async fn reply(&self) -> Reply {
        let mut caller = Caller::connect(self.address).await;
        caller.request("GET", PATH, &[], b"").await;
        caller.reply().await
    }

    fn times_said(&self, text: &str) -> usize {
        self.program.lines.iter().filter(|line| line.contains(text)).count()
    }
}

/// Waits until the token in Redis has a greater fence than that.
async fn published_after(connection: &mut MultiplexedConnection, fence: &mut Option<u64>) {
    let key = format!("wxgate:{{{DEFAULT_APPID}}}:token");
    let waiting = async {
        loop {
            let there: Option<u64> = redis::cmd("HGET").arg(&key).arg("fence").query_async(connection).await.unwrap();
            if there > *fence {
                return there;
            }
            tokio::task::yield_now().await;
        }
    };
    *fence = within(waiting).await;
}

async fn three(wechat: &Sandbox, keys: &str) -> Vec<Replica> {
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Replica::start(wechat, keys).await);
    }
    for replica in &replicas {
        assert!(replica.is_served().await);
    }
    replicas
}

#[tokio::test]
async fn a_redis_that_stands_still_costs_no_request_and_when_it_goes_on_so_does_the_sharing() {
    let (wechat, redis) = (sandbox().await, Redis::start().await);
    let mut replicas = three(&wechat, &classic(&redis.keys())).await;
    assert_eq!(classic_fetches(&wechat), 1);
    let (mut connection, mut fence) = (redis.connection().await, None);
    published_after(&mut connection, &mut fence).await;
    redis.signal("STOP");
    for replica in &mut replicas {
        assert!(replica.is_served().await);
        replica.program.says(AWAY).await;
        assert!(replica.is_served().await);
    }
    assert_eq!(classic_fetches(&wechat), 1, "nothing is fetched while the token in memory serves");

    // A token that dies meanwhile is replaced without Redis's word, if there is nothing to lose.
    wechat.world().kill_tokens();
    let reply = replicas[0].reply().await;
    assert!(is_served(&reply), "{}", reply.text());
    assert_eq!((reply.field("x-wxgate-retry"), classic_fetches(&wechat)), (Some("healed"), 2));

    redis.signal("CONT");
    for replica in &mut replicas {
        replica.program.says(BACK).await;
        assert_eq!((replica.times_said(AWAY), replica.times_said(BACK)), (1, 1));
    }
    published_after(&mut connection, &mut fence).await;
    for replica in &replicas {
        assert!(replica.is_served().await, "what one has fetched alone, all have now");
    }
    assert_eq!(classic_fetches(&wechat), 2);
}

#[tokio::test]
async fn with_the_stable_endpoint_replicas_need_no_redis() {
    let (wechat, redis) = (sandbox().await, Redis::start().await);
    let mut replicas = three(&wechat, &format!("{}\n{}", redis.keys(), account())).await;
    drop(redis);
    for replica in &mut replicas {
        replica.program.says(AWAY).await;
    }
    wechat.world().kill_tokens();
    for replica in &replicas {
        assert!(replica.is_served().await);
    }
    let fetched = wechat.world().journal().count(STABLE);
    assert!(fetched <= 1 + 3, "{fetched}");
}

#[tokio::test]
async fn a_start_without_redis_fetches_after_a_while_and_says_so() {
    let (wechat, redis) = (sandbox().await, Redis::start().await);
    let keys = classic(&redis.keys());
    drop(redis);
    let mut replica = Replica::start(&wechat, &keys).await;
    assert!(replica.is_served().await);
    replica.program.says(AWAY).await;
    assert_eq!(classic_fetches(&wechat), 1);
}

#[tokio::test]
async fn a_replica_that_stood_still_while_it_fetched_takes_up_what_another_has_fetched_since() {
    let (wechat, redis, gate) = (sandbox().await, Redis::start().await, Gate::new());
    let replicas = three(&wechat, &classic(&redis.keys())).await;
    wechat.world().kill_tokens();
    wechat.world().faults().add(Fault::at(CLASSIC).hold(&gate).times(1));
    let mut caller = Caller::connect(replicas[0].address).await;
    caller.request("GET", PATH, &[], b"").await;
    within(gate.held(1)).await;
    replicas[0].program.signal("STOP");
    assert!(replicas[1].is_served().await, "after the lease has ended");
    let newest = wechat.world().journal().last().unwrap().parameters("access_token");
    gate.open(); // WeChat's answer to the one that stands still
    replicas[0].program.signal("CONT");
    assert_eq!(caller.reply().await.status, 200);
    assert!(replicas[2].is_served().await);
    let used = wechat.world().journal().last().unwrap().parameters("access_token");
    assert_eq!(used, newest, "the late one's token has taken no newer one's place");
}
