//! A run under load while tokens die and another system refreshes: the metrics, the status and the access log each say what
//! happened, and every figure of theirs is what the sandbox and the callers counted.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::task::JoinSet;
use wxgate::sandbox::{DEFAULT_APPID, Fault, STABLE};

use crate::metrics::{sum, value};
use crate::process::Program;
use crate::support::{Caller, account, config_text, sandbox};

const CALLERS: usize = 4;
const ROUNDS: usize = 6;
const EACH: usize = 10;
const PATH: &str = "/wxa/any";
const REFUSED: &str = "/cgi-bin/menu/get";

/// What callers saw of one round.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
struct Counted {
    requests: usize,
    healed: usize,
    failed: usize,
    refused: usize,
}

async fn call(address: SocketAddr) -> Counted {
    let mut counted = Counted::default();
    let mut caller = Caller::connect(address).await;
    for number in 0..EACH {
        let path = if number == EACH - 1 { REFUSED } else { PATH };
        caller.request("GET", path, &[], b"").await;
        let reply = caller.reply().await;
        counted.requests += 1;
        counted.healed += usize::from(reply.field("x-wxgate-retry") == Some("healed"));
        counted.failed += usize::from(reply.field("x-wxgate-retry") == Some("failed"));
        counted.refused += usize::from(reply.text().contains("45009"));
    }
    counted
}

async fn ask(admin: SocketAddr, path: &str) -> String {
    let mut operator = Caller::connect(admin).await;
    operator.request("GET", path, &[], b"").await;
    operator.reply().await.text()
}

#[tokio::test]
async fn every_figure_is_what_the_sandbox_and_the_callers_counted() {
    let wechat = sandbox().await;
    let keys = format!("admin.address = '127.0.0.1:0'\nlog = {{ access = 'all', format = 'json' }}\n{}", account());
    let mut program = Program::run(&config_text(&format!("http://{}", wechat.address()), &keys));
    let (address, admin) = (program.address().await, program.admin_address().await);
    wechat.world().faults().add(Fault::at(REFUSED).errcode(45009));
    let mut all = Counted::default();
    for _ in 0..ROUNDS {
        let calls: JoinSet<Counted> = (0..CALLERS).map(|_| call(address)).collect();
        for one in calls.join_all().await {
            all.requests += one.requests;
            all.healed += one.healed;
            all.failed += one.failed;
            all.refused += one.refused;
        }
        wechat.world().another_system_refreshes(DEFAULT_APPID);
    }
    assert_eq!((all.requests, all.failed, all.refused), (CALLERS * ROUNDS * EACH, 0, CALLERS * ROUNDS));
    assert!((ROUNDS - 1..=(ROUNDS - 1) * CALLERS).contains(&all.healed), "{all:?}");

    let metrics: Vec<String> = ask(admin, "/metrics").await.lines().map(str::to_owned).collect();
    let status: Value = serde_json::from_str(&ask(admin, "/status").await).unwrap();
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
    let is_access = |line: &&String| line.contains("\"wxgate::access\"");
    let log: Vec<Value> =
        program.lines.iter().filter(is_access).map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines = |name: &str, value: Value| log.iter().filter(|line| line[name] == value).count();
    let seen = |path| wechat.world().journal().count(path) as usize;
    let metric = |sample: &str| value(&metrics, sample) as usize;

    // Requests: once each for callers, and those that were healed twice for WeChat.
    assert_eq!(sum(&metrics, "wxgate_requests_total") as usize, all.requests);
    assert_eq!(log.len(), all.requests);
    assert_eq!(status["accounts"][0]["requests"], all.requests);
    assert_eq!(seen(PATH) + seen(REFUSED), all.requests + all.healed);
    let endpoints = status["endpoints"].as_array().unwrap();
    let shown: Vec<_> =
        endpoints.iter().map(|e| (e["path"].as_str().unwrap(), e["requests"].as_u64().unwrap())).collect();
    let each = (CALLERS * ROUNDS) as u64;
    assert_eq!(shown, [(PATH, each * (EACH as u64 - 1)), (REFUSED, each)]);

    // Heals.
    assert_eq!(metric("wxgate_heals_attempted_total{account=\"main\"}"), all.healed);
    assert_eq!(metric("wxgate_heals_total{account=\"main\",outcome=\"healed\"}"), all.healed);
    assert_eq!(lines("retry", "healed".into()), all.healed);
    assert_eq!(status["accounts"][0]["heals"]["healed"], all.healed);

    // What WeChat refused.
    let limit =
        "wxgate_requests_total{account=\"main\",class=\"token\",status=\"200\",errcode=\"limit\",error=\"none\"}";
    assert_eq!(metric(limit), all.refused);
    assert_eq!(lines("errcode", 45009.into()), all.refused);
    assert_eq!(
        (&status["errcodes"][0]["errcode"], &status["errcodes"][0]["count"]),
        (&45009.into(), &all.refused.into())
    );
    assert_eq!(status["accounts"][0]["failed"], all.refused);

    // Tokens: one fetch at the start and one for each that the other system superseded, and each died early.
    assert_eq!(sum(&metrics, "wxgate_token_fetches_total") as usize, seen(STABLE));
    assert_eq!(metric("wxgate_token_generation{account=\"main\"}"), ROUNDS);
    assert_eq!(metric("wxgate_tokens_died_early{account=\"main\"}"), ROUNDS - 1);
    assert_eq!(status["accounts"][0]["token"]["generation"], ROUNDS);

    // And in words.
    let died = ROUNDS - 1;
    let words = format!("another system is refreshing {DEFAULT_APPID}: {died} tokens died early in the last hour");
    let trouble = status["accounts"][0]["troubles"][0]["text"].as_str().unwrap();
    assert!(trouble.starts_with(&words), "{trouble}");
    let words =
        format!("another system is refreshing this account's token: {died} tokens died early within the last hour");
    assert!(program.lines.iter().any(|line| line.contains(&words)));
}
