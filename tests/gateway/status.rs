//! `/status`: what it says, held against what happened.

use serde_json::Value;
use wxgate::sandbox::{DEFAULT_APPID, Fault, Gate, STABLE};

use crate::support::{Caller, Gateway, Reply, calls, sandbox, within};

const ADMIN: &str = "admin.address = '127.0.0.1:0'";

async fn ask(gateway: &Gateway, method: &str, target: &str, fields: &[(&str, &str)]) -> Reply {
    let mut operator = Caller::connect(gateway.admin.unwrap()).await;
    operator.request(method, target, fields, b"").await;
    operator.reply().await
}

async fn status(gateway: &Gateway) -> Value {
    let reply = ask(gateway, "GET", "/status", &[]).await;
    assert_eq!((reply.status, reply.field("content-type")), (200, Some("application/json")));
    serde_json::from_slice(&reply.body).unwrap()
}

fn kinds(troubles: &Value) -> Vec<&str> {
    troubles.as_array().unwrap().iter().map(|trouble| trouble["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_quiet_gateway_shows_its_account_its_token_and_no_trouble() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    gateway.get("/cgi-bin/user/get").await;
    let status = status(&gateway).await;
    let account = &status["accounts"][0];
    assert_eq!((&account["name"], &account["appid"]), (&"main".into(), &DEFAULT_APPID.into()));
    assert_eq!((&account["ready"], &account["troubles"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(account["token"]["generation"], 1);
    assert_eq!(account["token"]["accepted"], true);
    assert!((7190..=7200).contains(&account["token"]["seconds_left"].as_u64().unwrap()));
    let refresh = &account["last_refresh"];
    assert_eq!([&refresh["reason"], &refresh["endpoint"], &refresh["brought"]], ["timer", "stable", "new"]);
    assert_eq!(account["forced_left"], 20);
    assert_eq!((&account["requests"], &account["failed"]), (&1.into(), &0.into()));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn the_busiest_endpoints_come_first_with_as_many_requests_as_wechat_saw() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    for (path, times) in [("/cgi-bin/menu/get", 1), ("/cgi-bin/user/get", 5), ("/@main/cgi-bin/tags/get", 3)] {
        for _ in 0..times {
            gateway.get(&format!("{path}?openid=secret-of-the-query")).await;
        }
    }
    let status = status(&gateway).await;
    let endpoints = status["endpoints"].as_array().unwrap();
    let shown: Vec<_> =
        endpoints.iter().map(|e| (e["path"].as_str().unwrap(), e["requests"].as_u64().unwrap())).collect();
    assert_eq!(shown, [("/cgi-bin/user/get", 5), ("/cgi-bin/tags/get", 3), ("/cgi-bin/menu/get", 1)]);
    for (path, count) in shown {
        assert_eq!(wechat.world().journal().count(path), count);
    }
    assert!(!status.to_string().contains("secret-of-the-query"));
}

#[tokio::test]
async fn a_path_that_refuses_a_living_token_is_counted() {
    const REFUSES: &str = "/cgi-bin/menu/get";
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, &format!("{ADMIN}\nheal.pause = '1ms'")).await;
    gateway.get("/cgi-bin/user/get").await;
    wechat.world().kill_tokens();
    for _ in 0..2 {
        assert_eq!(gateway.get("/cgi-bin/user/get").await.status, 200);
    }
    wechat.world().faults().add(Fault::at(REFUSES).errcode(40001).times(1));
    assert_eq!(gateway.get(REFUSES).await.field("x-wxgate-retry"), Some("healed"));
    let status = status(&gateway).await;
    let counts: Vec<_> = status["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| (endpoint["path"].as_str().unwrap(), endpoint["living_tokens_refused"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, [("/cgi-bin/user/get", 0), (REFUSES, 1)], "a token that died is no such thing");
}

#[tokio::test]
async fn failures_are_shown_with_wechats_rid_and_what_the_errcode_means() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    wechat.world().faults().add(Fault::at("/cgi-bin/user/get").errcode(45009).times(1));
    let reply = gateway.request("GET", "/cgi-bin/user/get", &[("X-Request-Id", "order-17")], b"").await;
    gateway.get("/@nobody/cgi-bin/user/get").await;
    let status = status(&gateway).await;
    let failures = status["failures"].as_array().unwrap();
    let [refused, failed] = failures.as_slice() else { panic!("{failures:#?}") };
    assert_eq!((&refused["error"], &refused["status"]), (&"no_account".into(), &404.into()), "the latest first");
    assert_eq!((&failed["errcode"], &failed["request_id"]), (&45009.into(), &"order-17".into()));
    assert!(failed["advice"].as_str().unwrap().contains("quota"));
    let rid = failed["rid"].as_str().unwrap();
    assert!(!rid.is_empty() && reply.text().contains(rid), "{rid} is not in {}", reply.text());
    assert_eq!((&status["errcodes"][0]["errcode"], &status["errcodes"][0]["count"]), (&45009.into(), &1.into()));
}

#[tokio::test]
async fn another_system_that_refreshes_is_told_in_words() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    gateway.get("/cgi-bin/user/get").await;
    for _ in 0..4 {
        wechat.world().another_system_refreshes(DEFAULT_APPID);
        assert_eq!(gateway.get("/cgi-bin/user/get").await.field("x-wxgate-retry"), Some("healed"));
    }
    let status = status(&gateway).await;
    let account = &status["accounts"][0];
    assert_eq!(kinds(&account["troubles"]), ["another_system"]);
    let text = account["troubles"][0]["text"].as_str().unwrap();
    let expected = format!("another system is refreshing {DEFAULT_APPID}: 4 tokens died early in the last hour");
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!(account["heals"], serde_json::json!({"attempted": 4, "healed": 4, "failed": 0}));
}

#[tokio::test]
async fn an_address_that_wechat_refuses_is_named_and_startup_has_ended_without_readiness() {
    let wechat = sandbox().await;
    wechat.world().set_whitelist(Some(vec!["203.0.113.9".parse().unwrap()]));
    let gateway = Gateway::with(&wechat, ADMIN).await;
    assert_eq!(gateway.get("/cgi-bin/user/get").await.field("x-wxgate-error"), Some("no_token"));
    let status = status(&gateway).await;
    let trouble = &status["accounts"][0]["troubles"][0];
    assert_eq!((&trouble["kind"], &trouble["address"]), (&"address_refused".into(), &"127.0.0.1".into()));
    let expected =
        format!("WeChat refuses 127.0.0.1: add it to the IP whitelist of {DEFAULT_APPID} in WeChat's console");
    assert_eq!(trouble["text"], expected);
    assert_eq!(ask(&gateway, "GET", "/startupz", &[]).await.status, 200);
    assert_eq!(ask(&gateway, "GET", "/readyz", &[]).await.status, 503);
}

#[tokio::test]
async fn requests_in_flight_connections_and_their_limits_are_shown() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, &format!("{ADMIN}\nserver.requests = 2")).await;
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at("/cgi-bin/user/get").hold(&gate));
    let mut callers = Vec::new();
    for _ in 0..2 {
        let mut caller = gateway.connect().await;
        caller.request("POST", "/cgi-bin/user/get", &[], b"12345").await;
        callers.push(caller);
    }
    gate.held(2).await;
    let during = status(&gateway).await;
    let level = |status: &Value, name: &str| {
        let levels = status["levels"].as_array().unwrap();
        levels.iter().find(|level| level["name"] == name).unwrap()["now"].as_u64().unwrap()
    };
    let names = ["in_flight_requests", "connections", "upstream_connections", "body_memory_bytes"];
    assert_eq!(names.map(|name| level(&during, name)), [2, 2, 2, 10]);
    assert_eq!(kinds(&during["troubles"]), ["nearly_full"]);
    gate.open();
    for mut caller in callers {
        caller.reply().await;
    }
    within(async { while level(&status(&gateway).await, "connections") > 0 {} }).await;
}

#[tokio::test]
async fn a_refresh_on_demand_fetches_once_and_says_what_it_brought() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    gateway.get("/cgi-bin/user/get").await;
    let fetches = || wechat.world().journal().count(STABLE);
    assert_eq!(fetches(), 1);
    let demand = async |target: &str| {
        let reply = ask(&gateway, "POST", target, &[("X-Wxgate-Admin", "1")]).await;
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        (reply.status, answer["outcome"].as_str().unwrap().to_owned(), answer["message"].as_str().unwrap().to_owned())
    };
    let (status, outcome, message) = demand("/accounts/main/refresh").await;
    assert_eq!((status, outcome.as_str(), fetches()), (200, "same", 2));
    assert!(message.contains("the same token"), "{message}");
    let (status, outcome, _) = demand("/accounts/main/refresh?force=true").await;
    assert_eq!((status, outcome.as_str(), fetches()), (200, "new", 3));
    let (status, outcome, message) = demand("/accounts/main/refresh?force=true").await;
    assert_eq!((status, outcome.as_str(), fetches()), (429, "withheld", 3), "WeChat's own distance is kept");
    assert!(message.contains("once in 30 s"), "{message}");
    assert_eq!(demand("/accounts/nobody/refresh").await.0, 404);
    wechat.world().faults().add(Fault::at(STABLE).errcode(40125).times(1));
    let (status, outcome, message) = demand("/accounts/main/refresh").await;
    assert_eq!((status, outcome.as_str()), (502, "failed"));
    assert!(message.contains("AppSecret is wrong"), "{message}");
    assert_eq!(gateway.get("/cgi-bin/user/get").await.status, 200, "the token in use stays");
    assert!(calls(&wechat).iter().all(|seen| seen.path() != "/accounts/main/refresh"));
}

#[tokio::test]
async fn what_changes_something_needs_the_admin_field() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    let target = "/accounts/main/refresh";
    for fields in [&[][..], &[("X-Wxgate-Admin", "0")], &[("X-Wxgate-Admin", "1"), ("Origin", "http://evil.example")]] {
        assert_eq!(ask(&gateway, "POST", target, fields).await.status, 403, "{fields:?}");
    }
    assert_eq!(ask(&gateway, "GET", target, &[("X-Wxgate-Admin", "1")]).await.status, 405);
}

#[tokio::test]
async fn pages_of_other_sites_and_rebound_names_may_not_look() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, &format!("{ADMIN}\nadmin.hosts = ['wxgate.internal']")).await;
    let port = gateway.admin.unwrap().port();
    let [local, own] = ["127.0.0.1", "wxgate.internal"].map(|host| format!("{host}:{port}"));
    let origin = format!("http://{local}");
    for (fields, status) in [
        (&[("Host", &*local)][..], 200),
        (&[("Host", &*own)], 200),
        (&[("Host", "evil.example")], 421),
        (&[("Host", "a b")], 400),
        (&[("Host", &*local), ("Origin", &*origin)], 200),
        (&[("Host", &*local), ("Origin", &*origin), ("Sec-Fetch-Site", "same-origin")], 200),
        (&[("Host", &*local), ("Sec-Fetch-Site", "none")], 200),
        (&[("Host", &*local), ("Origin", "http://127.0.0.1:1")], 403),
        (&[("Host", &*local), ("Origin", "null")], 403),
        (&[("Host", &*local), ("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Host", &*local), ("Sec-Fetch-Site", "same-site")], 403),
    ] {
        for path in ["/status", "/metrics", "/livez", "/no-such-path"] {
            let expected = if status == 200 && path == "/no-such-path" { 404 } else { status };
            assert_eq!(ask(&gateway, "GET", path, fields).await.status, expected, "{path} {fields:?}");
        }
    }
}

/// It holds no data, and people follow links to it.
#[tokio::test]
async fn the_page_may_be_visited_from_a_link_but_not_by_a_rebound_name() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    let reply = ask(&gateway, "GET", "/", &[("Host", "localhost"), ("Sec-Fetch-Site", "cross-site")]).await;
    assert_eq!((reply.status, reply.field("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = reply.field("content-security-policy").unwrap();
    for part in
        ["default-src 'none'", "script-src 'sha256-", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
    {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert_eq!(ask(&gateway, "GET", "/", &[("Host", "evil.example")]).await.status, 421);
}
