//! The token endpoints at the gateway: what callers get there is worth nothing elsewhere, and no call of theirs reaches
//! WeChat.

use std::time::Duration;

use wxgate::sandbox::{CLASSIC, DEFAULT_APPID, DEFAULT_SECRET, Kind, Rules, STABLE, Sandbox, Settings};

use crate::support::{Caller, Gateway, Reply, account, last_call, sandbox};
use crate::two_accounts::{SHOP, appid_of, both, sandbox_of_two};

const INFO: &str = "/cgi-bin/user/info?openid=o6";

/// The token in an answer that is shaped like WeChat's.
fn token_in(reply: &Reply) -> String {
    let answer = reply.json();
    assert!((reply.status, reply.error()) == (200, None) && answer["expires_in"].is_u64(), "{reply:?}");
    answer["access_token"].as_str().unwrap().to_owned()
}

/// A token, asked for as SDKs ask the stable endpoint.
async fn stable(gateway: &Gateway, appid: &str, more: &str) -> Reply {
    let body = format!(r#"{{"grant_type":"client_credential","appid":"{appid}","secret":"any"{more}}}"#);
    gateway.request("POST", STABLE, &[("Content-Type", "application/json")], body.as_bytes()).await
}

async fn classic(gateway: &Gateway, query: &str) -> Reply {
    gateway.get(&format!("{CLASSIC}?grant_type=client_credential{query}")).await
}

/// The token that WeChat handed out last.
fn real(wechat: &Sandbox) -> String {
    wechat.world().with_ledger(|ledger, _| ledger.newest(DEFAULT_APPID, Kind::Stable).unwrap().to_owned())
}

#[tokio::test]
async fn sdks_get_a_placeholder_at_both_endpoints_whatever_secret_they_have() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    gateway.get(INFO).await;
    wechat.world().journal().clear();
    let by_post = gateway.request("POST", &format!("{CLASSIC}?appid={DEFAULT_APPID}&secret=x"), &[], b"").await;
    let prefixed = gateway.get(&format!("/@main{CLASSIC}?secret=x")).await;
    for reply in [
        classic(&gateway, &format!("&appid={DEFAULT_APPID}&secret=dummy")).await,
        classic(&gateway, &format!("&appid={DEFAULT_APPID}")).await,
        classic(&gateway, "").await,
        by_post,
        prefixed,
        stable(&gateway, DEFAULT_APPID, "").await,
        stable(&gateway, DEFAULT_APPID, r#","force_refresh":true"#).await,
    ] {
        let placeholder = token_in(&reply);
        assert!(placeholder.starts_with("wxgate_") && placeholder.len() <= 512, "{placeholder}");
        assert!(!reply.text().contains(&real(&wechat)) && !reply.text().contains(DEFAULT_SECRET));
        assert_eq!(reply.json()["expires_in"], 7200);
    }
    assert!(wechat.world().journal().requests().is_empty(), "none of it is WeChat's business");
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).stable, 1);
}

#[tokio::test]
async fn the_token_endpoints_take_wechats_methods_and_no_other() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    for (method, path, allow) in [
        ("GET", STABLE, "POST"),
        ("PUT", STABLE, "POST"),
        ("HEAD", CLASSIC, "GET, POST"),
        ("DELETE", CLASSIC, "GET, POST"),
    ] {
        let reply = gateway.request(method, path, &[], b"").await;
        assert_eq!((reply.status, reply.error()), (405, Some("method_not_allowed")), "{method} {path}");
        assert_eq!(reply.field("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn the_appid_of_a_token_request_must_be_one_of_ours() {
    let wechat = sandbox_of_two().await;
    let gateway = Gateway::with_accounts(&wechat, &(both() + "default = true\n")).await;
    for reply in [classic(&gateway, "&appid=wx9&secret=s").await, stable(&gateway, "wx9", "").await] {
        assert_eq!((reply.status, reply.error()), (404, Some("no_account")));
    }
    let two = format!("{STABLE}?appid={SHOP}");
    for reply in [
        classic(&gateway, &format!("&appid={SHOP}&appid={DEFAULT_APPID}")).await,
        gateway.request("POST", &two, &[], format!(r#"{{"appid":"{DEFAULT_APPID}"}}"#).as_bytes()).await,
        gateway.get(&format!("/@main{CLASSIC}?appid={SHOP}")).await,
    ] {
        assert_eq!((reply.status, reply.error()), (400, Some("selectors_disagree")));
    }
}

#[tokio::test]
async fn one_base_url_serves_two_accounts_by_their_placeholders() {
    let wechat = sandbox_of_two().await;
    let gateway = Gateway::with_accounts(&wechat, &both()).await;
    for (appid, reply) in [
        (DEFAULT_APPID, classic(&gateway, &format!("&appid={DEFAULT_APPID}&secret=a")).await),
        (SHOP, classic(&gateway, &format!("&%61ppid={SHOP}&secret=b")).await),
        (SHOP, stable(&gateway, SHOP, "").await),
        (DEFAULT_APPID, stable(&gateway, DEFAULT_APPID, "").await),
    ] {
        let placeholder = token_in(&reply);
        assert_eq!(gateway.get(&format!("{INFO}&access_token={placeholder}")).await.status, 200);
        let seen = last_call(&wechat);
        assert_eq!(appid_of(&wechat, &seen), appid);
        assert!(!seen.target.contains("wxgate_"), "{}", seen.target);
    }
}

#[tokio::test]
async fn a_placeholder_that_is_not_ours_sends_the_sdk_for_a_new_one() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let foreign = Gateway::start(&wechat, "placeholder_key = 'another-key-of-32-bytes-and-more'\n").await;
    let (ours, theirs) = (token_in(&classic(&gateway, "").await), token_in(&classic(&foreign, "").await));
    let flipped = if ours.ends_with('A') { 'B' } else { 'A' };
    let cut = &ours[..ours.len() - 9];
    for placeholder in [&theirs, "wxgate_", "wxgate_forged", cut, &format!("{cut}{flipped}{}", &ours[cut.len() + 1..])]
    {
        if *placeholder == *ours {
            continue; // the byte was that letter already
        }
        let reply = gateway.get(&format!("{INFO}&access_token={placeholder}")).await;
        assert_eq!((reply.status, reply.error()), (200, Some("invalid_placeholder")), "{placeholder}");
        assert_eq!(reply.json()["errcode"], 40001);
    }
    assert_eq!(wechat.world().journal().count("/cgi-bin/user/info"), 0);
    let renewed = token_in(&classic(&gateway, "").await);
    assert_eq!(gateway.get(&format!("{INFO}&access_token={renewed}")).await.json()["openid"], "o6");
}

#[tokio::test]
async fn replicas_and_restarts_agree_on_placeholders() {
    let wechat = sandbox().await;
    let placeholder = token_in(&stable(&Gateway::start(&wechat, "").await, DEFAULT_APPID, "").await);
    let restarted = Gateway::start(&wechat, "").await;
    assert_eq!(restarted.get(&format!("{INFO}&access_token={placeholder}")).await.json()["openid"], "o6");
}

#[tokio::test]
async fn on_demand_the_real_token_is_handed_out_with_what_is_left_of_its_life() {
    let rules = Rules::with_lifetime(Duration::from_secs(1_200));
    let wechat = Sandbox::start(Settings { rules, ..Settings::default() }).await.unwrap();
    let gateway = Gateway::with(&wechat, "listen.token_endpoint = 'real'").await;
    for reply in [
        classic(&gateway, &format!("&appid={DEFAULT_APPID}&secret=any")).await,
        stable(&gateway, DEFAULT_APPID, "").await,
        stable(&gateway, DEFAULT_APPID, r#","force_refresh":true"#).await,
    ] {
        assert_eq!(token_in(&reply), real(&wechat));
        let left = reply.json()["expires_in"].as_u64().unwrap();
        assert!((1_100..=1_200).contains(&left), "{left}");
        assert_eq!(reply.field("cache-control"), Some("no-store"));
    }
    let fetches = wechat.world().fetches(DEFAULT_APPID);
    assert_eq!((fetches.stable, fetches.forced, fetches.classic), (1, 0, 0), "the gateway's own fetch alone");
    let token = real(&wechat);
    assert_eq!(gateway.get(&format!("{INFO}&access_token={token}")).await.json()["openid"], "o6");
}

#[tokio::test]
async fn a_listener_may_hand_out_nothing_while_another_does() {
    let wechat = sandbox().await;
    let listeners =
        "[[listen]]\naddress = '127.0.0.1:0'\ntoken_endpoint = 'refuse'\n[[listen]]\naddress = '127.0.0.1:0'\n";
    let gateway = Gateway::with_accounts(&wechat, &format!("{listeners}{}", account())).await;
    for reply in [classic(&gateway, "").await, stable(&gateway, DEFAULT_APPID, "").await] {
        assert_eq!((reply.status, reply.error()), (403, Some("token_endpoint_refused")));
    }
    assert_eq!(gateway.get(INFO).await.json()["openid"], "o6", "calls need no token");
    let mut caller = Caller::connect(gateway.addresses[1]).await;
    caller.request("GET", CLASSIC, &[], b"").await;
    token_in(&caller.reply().await);
    assert_eq!(wechat.world().journal().count(CLASSIC), 0);
}
