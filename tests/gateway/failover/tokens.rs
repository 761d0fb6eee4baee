//! Token fetches go where requests go.

use wxgate::sandbox::{CLASSIC, DEFAULT_APPID, STABLE, Sandbox};

use super::{Silent, gateway, http};
use crate::support::{Gateway, nobody, sandbox, within};

const INFO: &str = "/cgi-bin/user/info?openid=o6";
const FAST: &str = "upstream.first_byte_timeout = '100ms'\ntoken.fetch_timeout = '100ms'";

/// In front of these two, with one account that fetches its tokens from this endpoint.
async fn with_token(first: &str, second: &Sandbox, kind: &str) -> Gateway {
    let text = super::configured(&[first, &second.base_url()], &format!("{FAST}\n{}", crate::support::account()));
    let text = format!("{text}token = '{kind}'\n");
    Gateway::from_config(wxgate::config::parse(&text, &Default::default()).unwrap().config).await.unwrap()
}

async fn until_ready(gateway: &Gateway) {
    within(async { while gateway.get(INFO).await.status != 200 {} }).await;
}

#[tokio::test]
async fn a_fetch_that_was_never_sent_goes_to_the_next_at_once_also_a_classic_one() {
    for kind in ["stable", "classic"] {
        let ((_kept, nobody), second) = (nobody(), sandbox().await);
        let gateway = with_token(&http(nobody), &second, kind).await;
        let reply = gateway.get(INFO).await;
        assert_eq!(reply.status, 200, "the first request waits for the first fetch: {}", reply.text());
        let fetches = second.world().fetches(DEFAULT_APPID);
        assert_eq!(fetches.stable + fetches.classic, 1, "{kind}");
    }
}

#[tokio::test]
async fn a_stable_fetch_that_meets_silence_goes_to_the_next() {
    let (mut first, second) = (Silent::start().await, sandbox().await);
    let gateway = with_token(&http(first.address), &second, "stable").await;
    assert_eq!(gateway.get(INFO).await.status, 200);
    assert!(first.connections() > 0);
    assert_eq!(second.world().journal().count(STABLE), 1);
}

/// It may have minted a token, which a second fetch would supersede. The next try is another fetch.
#[tokio::test]
async fn a_classic_fetch_that_meets_silence_goes_nowhere_else() {
    let (first, second) = (sandbox().await, sandbox().await);
    first.world().faults().add(wxgate::sandbox::Fault::at(CLASSIC).hold(&wxgate::sandbox::Gate::new()));
    let gateway = with_token(&first.base_url(), &second, "classic").await;
    let reply = gateway.get(INFO).await;
    assert_eq!((reply.status, reply.error()), (503, Some("no_token")), "{}", reply.text());
    until_ready(&gateway).await;
    assert_eq!((first.world().journal().count(CLASSIC), second.world().journal().count(CLASSIC)), (1, 1));
}

/// What a fetch finds out, requests know, and the other way round.
#[tokio::test]
async fn fetches_and_requests_share_what_they_know() {
    let (mut first, second) = (Silent::start().await, sandbox().await);
    let gateway = gateway(&[&http(first.address), &second.base_url()], FAST).await;
    until_ready(&gateway).await;
    first.connections();
    assert_eq!(gateway.request("POST", super::CALL, &[], b"{}").await.status, 200);
    second.world().kill_tokens();
    assert_eq!(gateway.get(INFO).await.field("x-wxgate-retry"), Some("healed"));
    assert_eq!(first.connections(), 0);
}
