//! What the admin listener counts, held against what happened.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use wxgate::sandbox::{DEFAULT_APPID, Fault, Gate, HangUp};

use crate::support::{Caller, Gateway, account, calls, sandbox, within};

const ADMIN: &str = "admin.address = '127.0.0.1:0'";

/// The samples of `/metrics`, a line each.
pub async fn scrape(gateway: &Gateway) -> Vec<String> {
    let mut operator = Caller::connect(gateway.admin.unwrap()).await;
    operator.request("GET", "/metrics", &[], b"").await;
    let reply = operator.reply().await;
    assert_eq!(reply.field("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    reply.text().lines().map(str::to_owned).collect()
}

/// The value of a sample that is shown.
pub fn value(lines: &[String], sample: &str) -> f64 {
    let shown = lines.iter().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    shown.unwrap_or_else(|| panic!("{sample} is missing in {lines:#?}")).parse().unwrap()
}

/// All samples of a metric together.
pub fn sum(lines: &[String], metric: &str) -> f64 {
    let samples = lines.iter().filter(|line| line.starts_with(&format!("{metric}{{")));
    samples.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

fn assert_shown(lines: &[String], expected: &[&str]) {
    for line in expected {
        assert!(lines.iter().any(|shown| shown == line), "{line} is missing in {lines:#?}");
    }
}

#[tokio::test]
async fn heals_and_tokens_are_counted_by_account() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "admin.address = '127.0.0.1:0'").await;
    gateway.get("/cgi-bin/user/get").await;
    for _ in 0..2 {
        wechat.world().another_system_refreshes(DEFAULT_APPID);
        assert_eq!(gateway.get("/cgi-bin/user/get").await.field("x-wxgate-retry"), Some("healed"));
    }
    wechat.world().faults().add(Fault::at("/cgi-bin/menu/get").errcode(40001));
    assert_eq!(gateway.get("/cgi-bin/menu/get").await.field("x-wxgate-retry"), Some("failed"));
    assert_shown(
        &scrape(&gateway).await,
        &[
            "wxgate_heals_total{account=\"main\",outcome=\"healed\"} 2",
            "wxgate_heals_total{account=\"main\",outcome=\"failed\"} 1",
            "wxgate_token_generation{account=\"main\"} 3",
            "wxgate_tokens_died_early{account=\"main\"} 2",
            "wxgate_token_fetch_failing{account=\"main\"} 0",
        ],
    );
}

#[tokio::test]
async fn callers_are_counted_by_what_became_of_their_requests() {
    let wechat = sandbox().await;
    let hash = HEXLOWER.encode(digest(&SHA256, b"virtual").as_ref());
    let keys = format!(
        "admin.address = '127.0.0.1:0'\nlisten.address = '127.0.0.1:0'\nlisten.admit = ['bearer']\n{}\
         [[caller]]\nname = 'crm'\nsecrets = ['{hash}']\ndeny = ['/cgi-bin/menu/*']\n",
        account()
    );
    let gateway = Gateway::with_accounts(&wechat, &keys).await;
    let authorization: &[_] = &[("Authorization", "Bearer virtual")];
    for (target, fields, status) in [
        ("/cgi-bin/user/get", authorization, 200),
        ("/cgi-bin/user/get", authorization, 200),
        ("/cgi-bin/menu/get", authorization, 403),
        ("/cgi-bin/user/get", &[], 401),
    ] {
        assert_eq!(gateway.request("GET", target, fields, b"").await.status, status, "{target}");
    }
    assert_shown(
        &scrape(&gateway).await,
        &[
            "wxgate_caller_requests_total{caller=\"crm\",outcome=\"admitted\"} 2",
            "wxgate_caller_requests_total{caller=\"crm\",outcome=\"refused\"} 1",
            "wxgate_caller_requests_total{caller=\"crm\",outcome=\"limited\"} 0",
            "wxgate_unknown_caller_requests_total 1",
        ],
    );
}

#[tokio::test]
async fn every_request_is_counted_once_by_how_it_ended_and_wechat_saw_as_many() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    for _ in 0..3 {
        gateway.get("/cgi-bin/user/get").await;
    }
    wechat.world().faults().add(Fault::at("/cgi-bin/menu/get").errcode(45009).times(2));
    wechat.world().faults().add(Fault::at("/cgi-bin/tags/get").errcode(-1).times(1));
    for path in ["/cgi-bin/menu/get", "/@main/cgi-bin/menu/get", "/cgi-bin/tags/get", "/sns/userinfo?access_token=u"] {
        gateway.get(path).await;
    }
    wechat.world().kill_tokens();
    gateway.get("/cgi-bin/user/get").await; // healed: one request, which WeChat saw twice
    wechat.world().faults().add(Fault::at("/cgi-bin/qrcode/create").hang_up(HangUp::Before));
    gateway.request("POST", "/cgi-bin/qrcode/create", &[], b"{}").await;
    gateway.get("/cgi-bin/token?appid=wx0000000000sandbox").await;
    gateway.get("/@nobody/cgi-bin/user/get").await;
    let lines = scrape(&gateway).await;
    let requests = |labels: &str| value(&lines, &format!("wxgate_requests_total{{{labels}}}"));
    for (labels, count) in [
        (r#"account="main",class="token",status="200",errcode="none",error="none""#, 4.0),
        (r#"account="main",class="token",status="200",errcode="limit",error="none""#, 2.0),
        (r#"account="main",class="token",status="200",errcode="busy",error="none""#, 1.0),
        (r#"account="main",class="token",status="502",errcode="none",error="upstream_broke_off""#, 1.0),
        (r#"account="main",class="token_endpoint",status="200",errcode="none",error="none""#, 1.0),
        (r#"account="",class="unknown",status="404",errcode="none",error="no_account""#, 1.0),
    ] {
        assert_eq!(requests(labels), count, "{labels}");
    }
    assert_eq!(sum(&lines, "wxgate_requests_total"), 11.0);
    assert_eq!(sum(&lines, "wxgate_request_duration_seconds_count"), 11.0);
    // All but the two that the gateway answered itself went to WeChat, and the healed one went twice.
    let sent = sum(&lines, "wxgate_upstream_duration_seconds_count");
    let asked_itself = wechat.world().journal().count("/cgi-bin/get_api_domain_ip");
    assert_eq!((sent, calls(&wechat).len() as u64 - asked_itself), (9.0, 10));
    assert_shown(&lines, &["wxgate_heals_attempted_total{account=\"main\"} 1"]);
}

#[tokio::test]
async fn whoever_leaves_before_the_answer_is_counted_as_having_left() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at("/cgi-bin/user/get").hold(&gate));
    let mut caller = gateway.connect().await;
    caller.request("GET", "/cgi-bin/user/get", &[], b"").await;
    gate.held(1).await;
    drop(caller);
    let left = r#"wxgate_answers_cut_total{account="main",by="caller"}"#;
    let lines = within(async {
        loop {
            let lines = scrape(&gateway).await;
            // Until then there is no such sample.
            if lines.iter().any(|line| line.starts_with(left)) {
                return lines;
            }
        }
    })
    .await;
    assert_eq!(value(&lines, left), 1.0);
    assert_eq!(
        value(
            &lines,
            r#"wxgate_requests_total{account="main",class="token",status="none",errcode="none",error="none"}"#
        ),
        1.0
    );
    gate.open();
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_counted_as_wechats_doing() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    // One that streams, and one that is held back to be judged.
    for (count, body) in [(1, vec![b'x'; 100_000]), (2, b"{\"errcode\":0}".to_vec())] {
        wechat.world().faults().add(Fault::at("/cgi-bin/media/get").body(body).hang_up(HangUp::AmidBody).times(1));
        let mut caller = gateway.connect().await;
        caller.request("GET", "/cgi-bin/media/get", &[], b"").await;
        assert!(caller.try_reply_to("GET").await.is_none());
        let cut = format!(r#"wxgate_answers_cut_total{{account="main",by="wechat"}} {count}"#);
        assert_shown(&scrape(&gateway).await, &[&cut]);
    }
}

#[tokio::test]
async fn every_metric_that_is_exported_is_documented_and_no_other() {
    let wechat = sandbox().await;
    let hash = HEXLOWER.encode(digest(&SHA256, b"virtual").as_ref());
    let keys = format!("{ADMIN}\n{}[[caller]]\nname = 'crm'\nsecrets = ['{hash}']\n", account());
    let gateway = Gateway::with_accounts(&wechat, &keys).await;
    gateway.get("/cgi-bin/user/get").await;
    let lines = scrape(&gateway).await;
    let mut exported: BTreeSet<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    // Documented in a table of its own, and there only with the feature (`tests/traces/`).
    assert_eq!(exported.remove("wxgate_spans"), cfg!(feature = "otlp"));
    let (_, table) = include_str!("../../docs/operations.md").split_once("| metric | labels |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `wxgate_"));
    let names =
        rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').filter(|name| name.starts_with("wxgate_")));
    let documented = names.map(|name| name.trim_end_matches("_total"));
    assert_eq!(exported, documented.collect());
}
