//! The main job, in one go.

use crate::support::{Gateway, sandbox};

#[tokio::test]
async fn a_request_without_a_credential_gets_wechats_answer() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let reply = gateway.get("/cgi-bin/user/info?openid=o6").await;
    assert_eq!((reply.status, reply.json()["openid"].as_str()), (200, Some("o6")), "{reply:?}");
    assert_eq!(reply.field("x-wxgate-retry"), None);
}

#[tokio::test]
async fn a_killed_token_is_healed_and_the_caller_does_not_notice() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    gateway.get("/cgi-bin/user/info?openid=o6").await;
    wechat.world().kill_tokens();
    let reply = gateway.get("/cgi-bin/user/info?openid=o6").await;
    assert_eq!((reply.status, reply.json()["openid"].as_str()), (200, Some("o6")), "{reply:?}");
    assert_eq!(reply.field("x-wxgate-retry"), Some("healed"));
}
