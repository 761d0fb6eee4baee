//! The other ways to show who calls, and their order: by `Authorization`, by the network.

use hyper::header::AUTHORIZATION;
use wxgate::gateway::Placeholder;

use super::{
    FAR, INFO, NEAR, SECRET, assert_served, caller, classic, crm, demanding, hash_of, refused, stable, token_in,
    with_bearer, with_token,
};
use crate::support::{Caller, Gateway, calls, last_call, sandbox};

#[tokio::test]
async fn an_authorization_that_served_goes_no_further() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, "['bearer']", &crm("")).await;
    for value in [format!("Bearer {SECRET}"), format!("bearer {SECRET}"), format!("BEARER  {SECRET} ")] {
        assert_served(&gateway.request("GET", INFO, &[("Authorization", &value)], b"").await);
        assert!(last_call(&wechat).header(&AUTHORIZATION).is_empty(), "{value}");
    }
    let fields = [("Authorization", format!("Bearer {SECRET}")), ("authorization", "Basic x".to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_served(&gateway.request("GET", INFO, &fields, b"").await);
    assert!(last_call(&wechat).header(&AUTHORIZATION).is_empty(), "nor does another beside it");
}

#[tokio::test]
async fn an_authorization_that_did_not_serve_is_wechats() {
    let wechat = sandbox().await;
    let callers = crm(NEAR);
    for (admit, value) in [
        ("['network']", "Bearer of-the-callers-own"),
        ("['network', 'bearer']", "Bearer of-the-callers-own"),
        ("['bearer', 'network']", "Basic b3duOm93bg=="),
        ("[]", "Bearer of-the-callers-own"),
    ] {
        let gateway = demanding(&wechat, admit, &callers).await;
        assert_served(&gateway.request("GET", INFO, &[("Authorization", value)], b"").await);
        assert_eq!(last_call(&wechat).header(&AUTHORIZATION), [value.as_bytes()], "{admit}");
    }
    let by_placeholder = demanding(&wechat, "['placeholder', 'bearer']", &callers).await;
    let target = format!("{INFO}&access_token={}", token_in(&stable(&by_placeholder, SECRET).await));
    assert_served(&by_placeholder.request("GET", &target, &[("Authorization", "Bearer own")], b"").await);
    assert_eq!(last_call(&wechat).header(&AUTHORIZATION), [b"Bearer own"]);
}

#[tokio::test]
async fn anything_else_in_authorization_is_no_virtual_secret() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, "['bearer']", &crm("")).await;
    let hash = hash_of(SECRET);
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        SECRET,
        &format!("Basic {SECRET}"),
        &format!("Bearer{SECRET}"),
        &format!("Bearer {SECRET}, Bearer {SECRET}"),
        &format!("Bearer {}", SECRET.to_uppercase()),
        &format!("Bearer {hash}"),
    ] {
        let reply = gateway.request("GET", INFO, &[("Authorization", value)], b"").await;
        assert_eq!(refused(&reply), (401, Some("caller_unknown")), "{value}");
    }
    assert_eq!(refused(&gateway.get(INFO).await), (401, Some("caller_unknown")));
    assert!(calls(&wechat).is_empty());
}

#[tokio::test]
async fn a_secret_shown_as_bearer_brings_a_placeholder_too() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, "['bearer', 'placeholder']", &crm("")).await;
    let placeholder = token_in(&with_bearer(&gateway, wxgate::sandbox::CLASSIC, SECRET).await);
    assert_eq!(Placeholder::parse(&placeholder).unwrap().claims().unwrap().caller, "crm");
    assert_served(&with_token(&gateway, &placeholder).await);
}

#[tokio::test]
async fn the_network_is_that_of_the_connection_whatever_the_fields_say() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, "['network']", &crm(FAR)).await;
    for name in ["X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP"] {
        let reply = gateway.request("GET", INFO, &[(name, "192.0.2.7")], b"").await;
        assert_eq!(refused(&reply), (401, Some("caller_unknown")), "{name}");
    }
    let reply = gateway.request("GET", INFO, &[("Forwarded", "for=192.0.2.7")], b"").await;
    assert_eq!(refused(&reply), (401, Some("caller_unknown")));
    assert!(calls(&wechat).is_empty());
    assert_served(&demanding(&wechat, "['network']", &crm(NEAR)).await.get(INFO).await);
}

#[tokio::test]
async fn an_ipv4_caller_of_an_ipv6_socket_keeps_its_network() {
    let wechat = sandbox().await;
    if std::net::TcpListener::bind("[::]:0").is_err() {
        return; // a machine without IPv6
    }
    let keys = format!("[listen]\naddress = '[::]:0'\nadmit = ['network']\n{}", crm(NEAR));
    let gateway = Gateway::with(&wechat, &keys).await;
    let mut caller = Caller::connect(([127, 0, 0, 1], gateway.address.port()).into()).await;
    caller.request("GET", INFO, &[], b"").await;
    assert_served(&caller.reply().await);
}

/// `crm` may call INFO, whoever is only near may not: so it shows who a request was taken for.
#[tokio::test]
async fn the_first_way_that_a_request_offers_something_for_decides() {
    let wechat = sandbox().await;
    let callers = crm("") + &caller("near", &[], &format!("{NEAR}\ndeny = ['/cgi-bin/user/*']"));
    let bearer = format!("Bearer {SECRET}");
    let with: &[(&str, &str)] = &[("Authorization", &bearer)];
    for (admit, fields, status) in [
        ("['bearer', 'network']", with, 200),
        ("['bearer', 'network']", &[], 403),
        ("['network', 'bearer']", with, 403),
        ("['placeholder', 'bearer', 'network']", with, 200),
        ("['placeholder', 'network', 'bearer']", with, 403),
    ] {
        let gateway = demanding(&wechat, admit, &callers).await;
        assert_eq!(gateway.request("GET", INFO, fields, b"").await.status, status, "{admit}");
    }
}

#[tokio::test]
async fn what_is_offered_must_hold() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, "['placeholder', 'bearer', 'network']", &crm(NEAR)).await;
    assert_served(&gateway.get(INFO).await);
    let sent = calls(&wechat).len();
    assert_eq!(refused(&with_bearer(&gateway, INFO, "wrong").await), (401, Some("caller_unknown")));
    for reply in [classic(&gateway, "wrong").await, stable(&gateway, "wrong").await] {
        assert_eq!(refused(&reply), (401, Some("caller_unknown")));
    }
    let carrying = "/sns/jscode2session?js_code=c&secret=wrong";
    assert_eq!(refused(&with_bearer(&gateway, carrying, SECRET).await), (401, Some("caller_unknown")));
    assert_eq!(refused(&with_token(&gateway, "wxgate_wrong").await), (200, Some("invalid_placeholder")));
    assert_eq!(calls(&wechat).len(), sent);
}

#[tokio::test]
async fn a_placeholder_without_a_caller_offers_nothing() {
    let wechat = sandbox().await;
    let open = demanding(&wechat, "[]", &crm("")).await;
    let nobodys = token_in(&classic(&open, "any").await);
    let gateway = demanding(&wechat, "['placeholder', 'network']", &crm(NEAR)).await;
    assert_served(&with_token(&gateway, &nobodys).await);
}
