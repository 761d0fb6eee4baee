//! TLS to the upstream, with real certificates from an authority of the test's own.

use tokio_rustls::rustls::version::{TLS12, TLS13};
use wxgate::sandbox::Sandbox;

use crate::authority::Authority;
use crate::support::{Caller, Gateway, account};

const PATH: &str = "/cgi-bin/user/info?openid=o6";
/// A call that takes no token of the account's, so that it goes upstream without one.
const WITHOUT_TOKEN: &str = "/sns/userinfo?access_token=81_user";

async fn gateway(wechat: &Sandbox, name: &str, keys: &str) -> Gateway {
    let base_url = format!("https://{name}:{}", wechat.address().port());
    Gateway::at(&base_url, &format!("admin.address = '127.0.0.1:0'\n{keys}{}", account())).await
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_connections_are_kept() {
    for version in [&TLS12, &TLS13] {
        for name in ["localhost", "127.0.0.1"] {
            let authority = Authority::new();
            let wechat = authority.sandbox(name, &[version]).await;
            let gateway = gateway(&wechat, name, &authority.ca_file()).await;
            let mut caller = gateway.connect().await;
            for _ in 0..3 {
                caller.request("GET", PATH, &[], b"").await;
                let reply = caller.reply().await;
                assert_eq!(reply.status, 200, "{version:?} {name} {}", reply.text());
            }
            assert_eq!(wechat.world().journal().connections(), 2, "one for the token, one for the requests");
        }
    }
}

#[tokio::test]
async fn a_large_body_goes_both_ways() {
    let authority = Authority::new();
    let wechat = authority.sandbox("localhost", &[&TLS13]).await;
    let gateway = gateway(&wechat, "localhost", &authority.ca_file()).await;
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(gateway.request("POST", "/wxa/any", &[], &body).await.status, 200);
    let seen = wechat.world().journal().requests_of("/wxa/any");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    assert_eq!(seen[0].body_sha256, digest.as_ref());
    assert_eq!(gateway.get("/cgi-bin/user/get").await.json()["count"], 10_000);
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_not_trusted_and_the_caller_is_told_why() {
    let (ours, strangers) = (Authority::new(), Authority::new());
    let wechat = strangers.sandbox("localhost", &[&TLS13]).await;
    let gateway = gateway(&wechat, "localhost", &ours.ca_file()).await;
    assert_refused(&wechat, &gateway, "UnknownIssuer").await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let authority = Authority::new();
    let wechat = authority.sandbox("other.example", &[&TLS13]).await;
    let gateway = gateway(&wechat, "localhost", &authority.ca_file()).await;
    assert_refused(&wechat, &gateway, "not valid for name").await;
}

#[tokio::test]
async fn an_upstream_that_speaks_no_tls_is_unreachable_by_https() {
    let authority = Authority::new();
    let wechat = crate::support::sandbox().await;
    let gateway = gateway(&wechat, "localhost", &authority.ca_file()).await;
    assert_refused(&wechat, &gateway, "").await;
}

/// Nothing goes upstream, and the reason stands where a caller and an operator look for it.
async fn assert_refused(wechat: &Sandbox, gateway: &Gateway, reason: &str) {
    let reply = gateway.get(PATH).await;
    assert_eq!((reply.status, reply.error()), (503, Some("no_token")));
    assert!(reply.text().contains(reason), "{}", reply.text());
    let reply = gateway.get(WITHOUT_TOKEN).await;
    assert_eq!((reply.status, reply.error()), (502, Some("upstream_unreachable")));
    let mut operator = Caller::connect(gateway.admin.unwrap()).await;
    operator.request("GET", "/readyz", &[], b"").await;
    let readiness = operator.reply().await;
    assert!(readiness.status == 503 && readiness.text().contains(reason), "{}", readiness.text());
    assert_eq!(wechat.world().journal().total(), 0);
}

#[tokio::test]
async fn a_broken_handshake_ends_with_the_connect_deadline() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = Authority::new();
    let keys = format!("upstream.connect_timeout = '50ms'\n{}{}", authority.ca_file(), account());
    let base_url = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    let reply = Gateway::at(&base_url, &keys).await.get(WITHOUT_TOKEN).await;
    assert_eq!((reply.status, reply.error()), (502, Some("upstream_unreachable")));
}
