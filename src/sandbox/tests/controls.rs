//! The controls over HTTP.

use super::*;

const PATH: &str = "/cgi-bin/get_api_domain_ip";

#[tokio::test]
async fn a_fault_is_ordered_and_cleared() {
    let wechat = Sandbox::fresh().await;
    let order = r#"{"path":"/cgi-bin/get_api_domain_ip","errcode":42001,"headers":{"X-Wxgate-Retry":"healed"}}"#;
    assert_eq!(wechat.post("/_sandbox/faults", order).await.json()["faults"], 1);
    let answer = wechat.get(&wechat.signed(PATH)).await;
    assert_eq!(answer.errcode(), Some(42001));
    assert!(answer.head().contains("x-wxgate-retry: healed"), "{}", answer.head());
    assert_eq!(wechat.send("DELETE", "/_sandbox/faults", "", "").await.json()["faults"], 0);
    assert_eq!(wechat.get(&wechat.signed(PATH)).await.errcode(), None);
}

#[tokio::test]
async fn every_part_of_a_fault_can_be_ordered() {
    let wechat = Sandbox::fresh().await;
    let orders = [
        r#"{"times":1,"delay":"1ms","status":503,"body":"abcd","pace":{"bytes":1,"gap":"1ms"},"chunked":true}"#,
        r#"{"times":1,"raw":"HTTP/1.1 999 Odd\r\n\r\n"}"#,
        r#"{"times":1,"hang_up":"before"}"#,
        r#"{"times":1,"coding":"gzip","errcode":-1,"errmsg":"busy"}"#,
    ];
    for order in orders {
        assert_eq!(wechat.post("/_sandbox/faults", order).await.status(), 200, "{order}");
    }
    let slow = wechat.get("/x").await;
    assert_eq!((slow.status(), slow.body()), (503, &b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n"[..]));
    assert_eq!(wechat.get("/x").await.0, b"HTTP/1.1 999 Odd\r\n\r\n");
    assert_eq!(wechat.get("/x").await.0, b"");
    assert!(wechat.get("/x").await.head().contains("content-encoding: gzip"));
}

#[tokio::test]
async fn a_mistaken_order_is_explained_and_changes_nothing() {
    let wechat = Sandbox::fresh().await;
    let cases = [
        (r#"{"pth":"/x"}"#, "pth"),
        (r#"{"delay":"soon"}"#, "soon"),
        (r#"{"status":70}"#, "status"),
        (r#"{"status":100}"#, "status"),
        (r#"{"errcode":1,"raw":"x"}"#, "exclude"),
        (r#"{"headers":{"a b":"c"}}"#, "a b"),
        ("", "EOF"),
    ];
    for (order, word) in cases {
        let answer = wechat.post("/_sandbox/faults", order).await;
        assert_eq!(answer.status(), 400, "{order}");
        assert!(answer.json()["error"].as_str().unwrap().contains(word), "{answer:?}");
    }
    assert_eq!(wechat.world().faults().remaining(), 0);
    assert_eq!(wechat.post("/_sandbox/another-system-refreshes", r#"{"appid":"wxother"}"#).await.status(), 400);
    assert_eq!(wechat.get("/_sandbox/nonsense").await.status(), 404);
}

#[tokio::test]
async fn tokens_die_and_time_passes_by_order() {
    let wechat = Sandbox::fresh().await;
    for (control, body, errcode) in [
        ("kill-tokens", "", 40001),
        ("another-system-refreshes", "{}", 40001),
        ("advance", r#""2h""#, 42001),
        ("kill-tokens", r#"{"unnoticed":true}"#, 40001),
    ] {
        let target = wechat.signed(PATH);
        assert_eq!(wechat.get(&target).await.errcode(), None);
        wechat.post(&format!("/_sandbox/{control}"), body).await;
        assert_eq!(wechat.get(&target).await.errcode(), Some(errcode), "{control} {body}");
    }
    let dead = wechat.signed(PATH);
    assert_eq!(wechat.get(&dead).await.errcode(), Some(40001), "normal mode goes on with the dead token");
}

#[tokio::test]
async fn the_whitelist_is_set_and_lifted() {
    let wechat = Sandbox::fresh().await;
    let fetch = format!("{CLASSIC}?{FETCH}");
    wechat.send("PUT", "/_sandbox/ip-whitelist", "", r#"["203.0.113.9"]"#).await;
    assert_eq!(wechat.get(&fetch).await.errcode(), Some(40164));
    wechat.send("PUT", "/_sandbox/ip-whitelist", "", "null").await;
    assert_eq!(wechat.get(&fetch).await.errcode(), None);
}

#[tokio::test]
async fn the_report_shows_requests_and_counts_and_never_the_secret() {
    let wechat = Sandbox::fresh().await;
    wechat.get(&format!("{CLASSIC}?{FETCH}")).await;
    wechat.exchange(head("GET", &format!("/x?s={DEFAULT_SECRET}"), &format!("X-S: {DEFAULT_SECRET}\r\n"))).await;
    let report = wechat.get("/_sandbox/requests?last=5").await;
    assert!(!String::from_utf8_lossy(report.body()).contains(DEFAULT_SECRET));
    let report = report.json();
    assert_eq!((&report["total"], &report["counts"][CLASSIC]), (&2.into(), &1.into()));
    assert_eq!(report["requests"][1]["target"], "/x?s=[redacted]");
    let ledger = wechat.get("/_sandbox/ledger").await.json();
    assert_eq!(ledger[DEFAULT_APPID]["classic"], 1);
}
