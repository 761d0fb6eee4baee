//! A reload that the operator asks for on the admin listener.

use serde_json::{Value, json};

use super::{Operated, with_account};
use crate::support::{Caller, config_text, sandbox};

const ADMIN: &str = "admin.address = '127.0.0.1:0'";

async fn demand(operated: &Operated, fields: &[(&str, &str)]) -> (u16, Value) {
    let mut operator = Caller::connect(operated.gateway.admin.unwrap()).await;
    operator.request("POST", "/reload", fields, b"").await;
    let reply = operator.reply().await;
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default())
}

#[tokio::test]
async fn what_came_of_it_is_said_and_what_is_wrong_is_named_without_its_value() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, ADMIN).await;
    let write =
        |keys: &str| std::fs::write(operated.file(), config_text(&operated.base_url, &with_account(keys))).unwrap();
    write(&format!("{ADMIN}\nlog.format = 'json'\nserver.requests = 7"));
    let admin = &[("X-Wxgate-Admin", "1")];
    let (status, outcome) = demand(&operated, admin).await;
    assert_eq!((status, &outcome["outcome"], &outcome["problems"]), (200, &"in_force".into(), &json!([])));
    assert_eq!(outcome["needs_restart"], json!(["log.format"]));
    write(&format!("{ADMIN}\nserver.requests = 's3cr3t-in-the-wrong-place'"));
    let (status, outcome) = demand(&operated, admin).await;
    assert_eq!((status, &outcome["outcome"]), (422, &"refused".into()));
    let problems = outcome["problems"].to_string();
    assert!(problems.contains("server.requests: must be a whole number") && !problems.contains("s3cr3t"), "{problems}");
}

#[tokio::test]
async fn nobody_reloads_without_the_admin_field() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, ADMIN).await;
    assert_eq!(demand(&operated, &[]).await.0, 403);
}

#[tokio::test]
async fn another_admin_token_needs_another_start_and_does_not_show() {
    let wechat = sandbox().await;
    let keys = |token: &str| format!("{ADMIN}\nadmin.token = '{token}-t0ken-of-the-operator'");
    let operated = Operated::start(&wechat, &keys("first")).await;
    assert!(operated.reload(&keys("first")).await.needs_restart.is_empty());
    assert_eq!(operated.reload(&keys("other")).await.needs_restart, ["admin"]);
}
