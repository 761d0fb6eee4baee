//! Which credential a call gets from the gateway (wechat.md §3, architecture.md §8): the token, the secret, both, or none.

use wxgate::sandbox::{DEFAULT_APPID, DEFAULT_SECRET, Fault, Sandbox};

use crate::support::{Gateway, Reply, last_call, sandbox};
use crate::two_accounts::{SHOP, both, sandbox_of_two};

/// The shop's secret as it stands in a query.
const SHOP_SECRET_IN_QUERY: &str = "shop%26secret%3D%2B%2F%2541";

/// The target of the last request that WeChat saw.
fn target(wechat: &Sandbox) -> String {
    last_call(wechat).target.clone()
}

fn errcode(reply: &Reply) -> i64 {
    reply.json()["errcode"].as_i64().unwrap_or(0)
}

#[tokio::test]
async fn the_secret_is_filled_in_whatever_the_caller_sent_for_it() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let (id, key) = (DEFAULT_APPID, DEFAULT_SECRET);
    for (method, path, sent, kept, name) in [
        (
            "GET",
            "/sns/jscode2session",
            "?js_code=c&grant_type=authorization_code",
            "js_code=c&grant_type=authorization_code&",
            "secret",
        ),
        ("GET", "/sns/jscode2session", &format!("?appid={id}&secret=dummy&js_code=c"), "js_code=c&", "secret"),
        (
            "GET",
            "/sns/jscode2session",
            &format!("?%61ppid={id}&%73ecret=x&js_code=c&appsecret=y&secret"),
            "js_code=c&",
            "secret",
        ),
        (
            "GET",
            "/sns/jscode2session",
            &format!("?appid={id}&appid={id}&js_code=%41&&a="),
            "js_code=%41&&a=&",
            "secret",
        ),
        // wechatpy adds its token to every call.
        ("GET", "/sns/jscode2session", "?js_code=c&access_token=wxgate_AAAA&%61ccess_token=x", "js_code=c&", "secret"),
        ("GET", "/sns/oauth2/access_token", "?code=c&secret=wrong", "code=c&", "secret"),
        ("POST", "/cgi-bin/clear_quota/v2", "", "", "appsecret"),
        ("POST", "/cgi-bin/clear_quota/v2", &format!("?appid={id}&appsecret=wrong&secret=x"), "", "appsecret"),
    ] {
        let reply = gateway.request(method, &format!("{path}{sent}"), &[], b"").await;
        assert_eq!(errcode(&reply), 0, "{path}{sent}: {reply:?}");
        assert_eq!(target(&wechat), format!("{path}?{kept}appid={id}&{name}={key}"), "{sent}");
    }
}

#[tokio::test]
async fn the_appid_names_the_account_and_the_selected_one_fills_in_where_there_is_none() {
    let wechat = sandbox_of_two().await;
    let gateway = Gateway::with_accounts(&wechat, &both()).await;
    for target_sent in [&format!("/sns/jscode2session?appid={SHOP}&js_code=c"), "/@shop/sns/jscode2session?js_code=c"] {
        assert_eq!(errcode(&gateway.get(target_sent).await), 0, "{target_sent}");
        let expected = format!("/sns/jscode2session?js_code=c&appid={SHOP}&secret={SHOP_SECRET_IN_QUERY}");
        assert_eq!(target(&wechat), expected);
    }
    assert_eq!(gateway.get("/sns/jscode2session?js_code=c").await.error(), Some("no_account"));
}

#[tokio::test]
async fn appids_that_disagree_are_400_and_nothing_is_sent() {
    let wechat = sandbox_of_two().await;
    let gateway = Gateway::with_accounts(&wechat, &both()).await;
    for target_sent in [
        format!("/sns/jscode2session?appid={SHOP}&appid={DEFAULT_APPID}&js_code=c"),
        format!("/sns/jscode2session?appid={SHOP}&%61ppid=wx9&js_code=c"),
        format!("/@main/sns/jscode2session?appid={SHOP}&js_code=c"),
        format!("/@main/donut/code2verifyinfo?appid={SHOP}&code=c"),
    ] {
        let reply = gateway.get(&target_sent).await;
        assert_eq!((reply.status, reply.error()), (400, Some("selectors_disagree")), "{target_sent}");
    }
    let counts = wechat.world().journal().counts();
    assert!(!counts.keys().any(|path| path.starts_with("/sns/") || path.starts_with("/donut/")), "{counts:?}");
}

#[tokio::test]
async fn an_appid_of_nobody_here_goes_through_untouched() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let sent = "/sns/jscode2session?secret=their%2Dsecret&appid=wx9999999999999999&js_code=c&";
    let reply = gateway.get(sent).await;
    assert_eq!((errcode(&reply), reply.error()), (40013, None), "WeChat's own word");
    assert_eq!(target(&wechat), sent);
}

#[tokio::test]
async fn a_call_that_carries_the_secret_is_neither_judged_nor_healed() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    gateway.get("/x").await;
    wechat.world().faults().add(Fault::anywhere().errcode(40001));
    for path in ["/sns/jscode2session", "/sns/oauth2/access_token", "/cgi-bin/clear_quota/v2"] {
        let reply = gateway.request("POST", path, &[], b"").await;
        assert_eq!((errcode(&reply), reply.field("x-wxgate-retry")), (40001, None), "{path}");
        assert_eq!(wechat.world().journal().count(path), 1);
    }
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).stable, 1);
}

#[tokio::test]
async fn donut_gets_token_and_secret_and_is_healed() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    gateway.get("/x").await;
    wechat.world().kill_tokens();
    let sent = "/donut/code2verifyinfo?appsecret=dummy&access_token=mine&code=c&secret=dummy";
    let reply = gateway.get(sent).await;
    assert_eq!((errcode(&reply), reply.field("x-wxgate-retry")), (0, Some("healed")), "{reply:?}");
    let calls = wechat.world().journal().requests_of("/donut/code2verifyinfo");
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!(call.query().unwrap().split('&').count(), 4, "code, token, appid, secret");
        assert_eq!(call.parameters("appid"), [DEFAULT_APPID]);
        assert_eq!(call.parameters("appsecret"), [DEFAULT_SECRET]);
        assert_eq!((call.parameters("secret").len(), call.parameters("access_token").len()), (0, 1));
    }
}

#[tokio::test]
async fn credentials_that_are_not_the_accounts_go_through_untouched() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    gateway.get("/x").await;
    for sent in [
        "/sns/userinfo?access_token=81_user_1&openid=o6&lang=zh_CN",
        "/sns/userinfo?openid=o6",
        "/sns/auth?access_token=81_user_1&openid=o6",
        "/sns/auth?openid=o6&access_token=dead",
        "/sns/oauth2/refresh_token?appid=wx9&refresh_token=81_user_r&grant_type=refresh_token",
        "/sns/component/jscode2session?component_access_token=c&appid=wx9&js_code=j&secret=",
        "/sns/oauth2/component/access_token?component_access_token=c&appid=wx9",
        "/cgi-bin/component/api_query_auth?component_access_token=c",
        "/cgi-bin/component/api_component_token",
        "/wxa/gettemplatelist?access_token=component&template_type=0",
        "/componenttcb/createenv?access_token=component",
        "/cgi-bin/user/info?cloudbase_access_token=c&openid=o6",
        "/cgi-bin/user/info?%63loudbase_access_token=c&access_token=&openid=o6",
    ] {
        let reply = gateway.request("POST", sent, &[], br#"{"a":1}"#).await;
        assert_eq!((reply.status, reply.error(), reply.field("x-wxgate-retry")), (200, None, None), "{sent}");
        assert_eq!(target(&wechat), sent);
    }
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).stable, 1, "no refusal of theirs is the account's concern");
}

#[tokio::test]
async fn an_ordinary_call_amid_those_of_third_party_platforms_gets_the_token() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let reply = gateway.request("POST", "/cgi-bin/component/setprivacysetting", &[], b"{}").await;
    assert_eq!(errcode(&reply), 0, "{reply:?}");
    assert!(target(&wechat).starts_with("/cgi-bin/component/setprivacysetting?access_token="));
}
