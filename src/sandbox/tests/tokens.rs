//! The token endpoints.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;

use super::*;

fn demand(secret: &str, force: bool) -> String {
    let demand = json!({
        "grant_type": "client_credential", "appid": DEFAULT_APPID, "secret": secret, "force_refresh": force,
    });
    demand.to_string()
}

async fn stable(wechat: &Sandbox, force: bool) -> Value {
    wechat.post(STABLE, demand(DEFAULT_SECRET, force)).await.json()
}

#[tokio::test]
async fn both_endpoints_hand_out_tokens_that_open_the_door() {
    let wechat = Sandbox::fresh().await;
    let classic = wechat.get(&format!("{CLASSIC}?{FETCH}")).await.json();
    for grant in [classic, stable(&wechat, false).await] {
        assert_eq!(grant["expires_in"], 7200);
        let token = grant["access_token"].as_str().unwrap();
        let answer = wechat.get(&format!("/cgi-bin/get_api_domain_ip?access_token={token}")).await;
        assert_eq!(answer.errcode(), None, "{answer:?}");
    }
    let fetches = wechat.world().fetches(DEFAULT_APPID);
    assert_eq!((fetches.classic, fetches.stable, fetches.minted), (1, 1, 2));
}

#[tokio::test]
async fn every_mistake_in_a_classic_fetch_has_its_errcode_at_http_200() {
    let wechat = Sandbox::fresh().await;
    let cases = [
        (FETCH.replace("client_credential", "password"), 40002),
        (FETCH.replace("appid=wx0000000000sandbox&", ""), 41002),
        (FETCH.replace(DEFAULT_SECRET, ""), 41004),
        (FETCH.replace(DEFAULT_APPID, "wxother"), 40013),
        (FETCH.replace(DEFAULT_SECRET, "guess"), 40125),
    ];
    for (query, errcode) in cases {
        let answer = wechat.get(&format!("{CLASSIC}?{query}")).await;
        assert_eq!((answer.status(), answer.errcode()), (200, Some(errcode)), "{query}");
    }
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).classic, 0);
}

#[tokio::test]
async fn the_stable_endpoint_takes_json_by_post_only() {
    let wechat = Sandbox::fresh().await;
    assert_eq!(wechat.get(&format!("{STABLE}?{FETCH}")).await.errcode(), Some(43002));
    assert_eq!(wechat.post(STABLE, "").await.errcode(), Some(44002));
    assert_eq!(wechat.post(STABLE, FETCH).await.errcode(), Some(47001));
    assert_eq!(wechat.post(STABLE, demand("guess", false)).await.errcode(), Some(40125));
}

#[tokio::test]
async fn force_replaces_the_stable_token_over_the_wire() {
    let wechat = Sandbox::fresh().await;
    let first = stable(&wechat, false).await;
    assert_eq!(stable(&wechat, false).await["access_token"], first["access_token"]);
    assert_ne!(stable(&wechat, true).await["access_token"], first["access_token"]);
}

#[tokio::test]
async fn a_spent_quota_refills_as_time_goes_by() {
    let rules = Rules { classic_a_day: 1, ..Rules::default() };
    let wechat = Sandbox::start(Settings { rules, ..Settings::default() }).await.unwrap();
    let fetch = format!("{CLASSIC}?{FETCH}");
    assert_eq!(wechat.get(&fetch).await.errcode(), None);
    assert_eq!(wechat.get(&fetch).await.errcode(), Some(45009));
    wechat.world().advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(wechat.get(&fetch).await.errcode(), None);
}

#[tokio::test]
async fn an_address_off_the_whitelist_is_told_its_address() {
    let wechat = Sandbox::fresh().await;
    wechat.world().set_whitelist(Some(vec![IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9))]));
    let answer = wechat.post(STABLE, demand(DEFAULT_SECRET, false)).await.json();
    assert_eq!(answer["errcode"], 40164);
    let errmsg = answer["errmsg"].as_str().unwrap();
    assert!(errmsg.starts_with("invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: "), "{errmsg}");
    wechat.world().set_whitelist(None);
    assert!(stable(&wechat, false).await["access_token"].is_string());
}

#[tokio::test]
async fn an_issuer_without_the_stable_endpoint_says_so_in_its_way() {
    let wechat = Sandbox::fresh().await;
    for status in [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED] {
        wechat.world().set_stable_endpoint(StableEndpoint::Status(status));
        assert_eq!(wechat.post(STABLE, demand(DEFAULT_SECRET, false)).await.status(), status.as_u16());
    }
    wechat.world().set_stable_endpoint(StableEndpoint::InvalidUrl);
    assert_eq!(wechat.post(STABLE, demand(DEFAULT_SECRET, false)).await.errcode(), Some(40066));
    assert_eq!(wechat.get(&format!("{CLASSIC}?{FETCH}")).await.errcode(), None);
}

#[tokio::test]
async fn a_frozen_or_reset_secret_fetches_nothing() {
    let wechat = Sandbox::fresh().await;
    wechat.world().set_frozen(DEFAULT_APPID, true);
    assert_eq!(stable(&wechat, false).await["errcode"], 40243);
    wechat.world().set_frozen(DEFAULT_APPID, false);
    wechat.world().reset_secret(DEFAULT_APPID, "another");
    assert_eq!(stable(&wechat, false).await["errcode"], 40125);
}
