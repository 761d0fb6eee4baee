//! A token's life over sockets: where it comes from, and what callers read when it does not come (architecture.md §4).

use std::net::SocketAddr;

use hyper::StatusCode;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use wxgate::sandbox::{
    CLASSIC, DEFAULT_APPID, DEFAULT_SECRET, Fault, HangUp, STABLE, Sandbox, Settings, StableEndpoint,
};

use crate::readiness::{ADMIN, operator};
use crate::support::{Gateway, Reply, account, sandbox, within};

const PATH: &str = "/cgi-bin/user/info?openid=o6";

/// What callers read: that there is no token, and why.
fn no_token(reply: &Reply) -> String {
    assert_eq!((reply.status, reply.error()), (503, Some("no_token")), "{reply:?}");
    reply.json()["errmsg"].as_str().unwrap().to_owned()
}

fn counts(wechat: &Sandbox) -> (u64, u64) {
    (wechat.world().journal().count(STABLE), wechat.world().journal().count(CLASSIC))
}

/// An address at which nobody listens, but at which a sandbox can start: both sockets allow its reuse.
fn reserved() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn it_starts_while_wechat_is_unreachable_and_works_as_soon_as_wechat_does() {
    let (_reserved, address) = reserved();
    let gateway = Gateway::at(&format!("http://{address}"), &format!("{ADMIN}{}", account())).await;
    assert_eq!(operator(&gateway, "/livez").await.status, 200);
    let message = no_token(&gateway.get(PATH).await);
    assert!(message.contains("could not be reached") && message.contains("upstream.base_url"), "{message}");
    let readiness = operator(&gateway, "/readyz").await;
    assert!(readiness.status == 503 && readiness.text().contains("could not be reached"), "{}", readiness.text());

    let wechat = Sandbox::start(Settings { port: address.port(), ..Settings::default() }).await.unwrap();
    within(wechat.world().journal().wait_for(STABLE, 1)).await;
    assert_eq!(gateway.get(PATH).await.status, 200);
    assert_eq!(operator(&gateway, "/readyz").await.status, 200);
}

#[tokio::test]
async fn an_address_that_is_not_whitelisted_is_named() {
    let whitelist = Some(vec!["203.0.113.9".parse().unwrap()]);
    let wechat = Sandbox::start(Settings { whitelist, ..Settings::default() }).await.unwrap();
    let gateway = Gateway::with(&wechat, ADMIN).await;
    let message = no_token(&gateway.get(PATH).await);
    assert!(message.contains("40164") && message.contains("the address that WeChat saw: 127.0.0.1"), "{message}");
    assert!(message.contains("whitelist in WeChat's console"), "{message}");
    let readiness = operator(&gateway, "/readyz").await.text();
    assert!(readiness.contains("the address that WeChat saw: 127.0.0.1"), "{readiness}");
}

#[tokio::test]
async fn wrong_credentials_are_told_apart_and_never_repeated() {
    for (appid, secret, frozen, errcode, advice) in [
        (DEFAULT_APPID, "not-the-right-secret", false, "40125", "copy the current one"),
        ("wxnobody", DEFAULT_SECRET, false, "40013", "compare it"),
        (DEFAULT_APPID, DEFAULT_SECRET, true, "40243", "unfreezes it"),
    ] {
        let wechat = sandbox().await;
        wechat.world().set_frozen(DEFAULT_APPID, frozen);
        let keys = format!("[[account]]\nname = 'main'\nappid = '{appid}'\nsecret = '{secret}'\n");
        let message = no_token(&Gateway::with_accounts(&wechat, &keys).await.get(PATH).await);
        assert!(message.contains(errcode) && message.contains(advice), "{message}");
        assert!(!message.contains(secret), "{message}");
    }
}

#[tokio::test]
async fn a_frozen_secret_takes_no_living_token_away() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    gateway.get(PATH).await;
    wechat.world().set_frozen(DEFAULT_APPID, true);
    wechat.world().faults().add(Fault::at("/wxa/flapping").errcode(40001).times(1));

    let refused = gateway.get("/wxa/flapping").await;
    assert_eq!((refused.json()["errcode"].as_i64(), refused.field("x-wxgate-retry")), (Some(40001), Some("failed")));
    assert_eq!(gateway.get(PATH).await.status, 200);
    let readiness = operator(&gateway, "/readyz").await;
    assert_eq!(readiness.status, 200);
    assert!(readiness.text().contains("but no new one") && readiness.text().contains("40243"), "{}", readiness.text());
}

#[tokio::test]
async fn auto_takes_the_classic_endpoint_where_there_is_no_stable_one_and_comes_back_when_there_is() {
    let statuses = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED];
    for missing in statuses.map(StableEndpoint::Status).into_iter().chain([StableEndpoint::InvalidUrl]) {
        let wechat = Sandbox::start(Settings { stable_endpoint: missing, ..Settings::default() }).await.unwrap();
        let gateway = Gateway::with(&wechat, "").await;
        assert_eq!(gateway.get(PATH).await.status, 200, "{missing:?}");
        assert_eq!(counts(&wechat), (1, 1), "{missing:?}");

        wechat.world().set_stable_endpoint(StableEndpoint::Present);
        wechat.world().kill_tokens();
        assert_eq!(gateway.get(PATH).await.field("x-wxgate-retry"), Some("healed"), "{missing:?}");
        assert_eq!(counts(&wechat), (2, 1), "{missing:?}");
    }
}

#[tokio::test]
async fn auto_takes_no_other_failure_for_a_missing_endpoint() {
    for status in [400, 403, 410, 500, 502, 503] {
        let stable_endpoint = StableEndpoint::Status(StatusCode::from_u16(status).unwrap());
        let wechat = Sandbox::start(Settings { stable_endpoint, ..Settings::default() }).await.unwrap();
        let message = no_token(&Gateway::with(&wechat, "").await.get(PATH).await);
        assert!(message.contains(&format!("status {status}")), "{message}");
        assert_eq!(wechat.world().journal().count(CLASSIC), 0, "{status}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_named_is_the_only_one_asked() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "token = 'classic'\n").await;
    assert_eq!(gateway.get(PATH).await.status, 200);
    assert_eq!(counts(&wechat), (0, 1));

    let stable_endpoint = StableEndpoint::Status(StatusCode::NOT_FOUND);
    let wechat = Sandbox::start(Settings { stable_endpoint, ..Settings::default() }).await.unwrap();
    let message = no_token(&Gateway::start(&wechat, "token = 'stable'\n").await.get(PATH).await);
    assert!(message.contains("status 404") && message.contains("token = \"classic\""), "{message}");
    assert_eq!(counts(&wechat), (1, 0));
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_said_to_be_none_and_the_next_one_counts() {
    let huge = vec![b' '; 10 << 20];
    let mut cases = JoinSet::new(); // at once, for each waits out a back-off
    for (fault, said) in [
        (Fault::at(STABLE).body("<html>a portal</html>"), "21 bytes without a token"),
        (Fault::at(STABLE).body(""), "0 bytes without a token"),
        (Fault::at(STABLE).body(r#"{"access_token":"","expires_in":7200}"#), "without a token"),
        (Fault::at(STABLE).body(r#"{"access_token":"a b","expires_in":7200}"#), "without a token"),
        (Fault::at(STABLE).body(huge), "more than 64 KiB"),
        (Fault::at(STABLE).errcode(-1), "errcode -1"),
        (Fault::at(STABLE).hang_up(HangUp::Before), "could not be reached"),
        (Fault::at(STABLE).hang_up(HangUp::AmidBody), "could not be reached"),
        (Fault::at(STABLE).raw("SSH-2.0-OpenSSH\r\n"), "could not be reached"),
    ] {
        cases.spawn(said_then_recovered(fault, said));
    }
    cases.join_all().await;
}

async fn said_then_recovered(fault: Fault, said: &str) {
    let wechat = sandbox().await;
    wechat.world().faults().add(fault.times(1));
    let gateway = Gateway::with(&wechat, "").await;
    let message = no_token(&gateway.get(PATH).await);
    assert!(message.contains(said), "{said}: {message}");
    within(wechat.world().journal().wait_for(STABLE, 2)).await;
    assert_eq!(gateway.get(PATH).await.status, 200, "{said}");
}

#[tokio::test]
async fn a_life_that_wechat_cannot_mean_is_not_believed() {
    for (expires_in, longest) in [("99999999", 7200), ("\"7300\"", 7200), ("null", 300), ("600.5", 600), ("\"50\"", 50)]
    {
        let wechat = sandbox().await;
        let body = format!(r#"{{"access_token":"92_odd","expires_in":{expires_in}}}"#);
        wechat.world().faults().add(Fault::at(STABLE).body(body));
        let gateway = Gateway::with(&wechat, "listen.token_endpoint = 'real'").await;
        let grant =
            gateway.get(&format!("/cgi-bin/token?grant_type=client_credential&appid={DEFAULT_APPID}")).await.json();
        assert_eq!(grant["access_token"], "92_odd");
        let told = grant["expires_in"].as_u64().unwrap();
        assert!((longest - 20..=longest).contains(&told), "{expires_in}: {told}");
    }
}
