//! What the admin listener counts, held against what happened.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use wxgate::sandbox::{DEFAULT_APPID, Fault};

use crate::support::{Caller, Gateway, account, sandbox};

/// The samples of `/metrics`, a line each.
async fn scrape(gateway: &Gateway) -> Vec<String> {
    let mut operator = Caller::connect(gateway.admin.unwrap()).await;
    operator.request("GET", "/metrics", &[], b"").await;
    let reply = operator.reply().await;
    assert_eq!(reply.field("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    reply.text().lines().map(str::to_owned).collect()
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
