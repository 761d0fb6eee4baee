//! An upstream that is the gateway itself is refused at start: requests would go round for ever.
//!
//! Names that come to stand for ourselves later are refused at each resolve: see `names.rs`, and beside the resolver.

use std::net::SocketAddr;

use wxgate::app::AppError;
use wxgate::egress::EgressError;

use crate::support::{Gateway, account, config, nobody};

/// Starts a gateway that listens on a free port of `ip`. In `base_url` and `keys`, `PORT` stands for that port.
async fn started(ip: &str, base_url: &str, keys: &str) -> Result<Gateway, AppError> {
    loop {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let here = |text: &str| text.replace("PORT", &port.to_string());
        let keys = format!("listen.address = '{ip}:{port}'\n{}\n{}", here(keys), account());
        match Gateway::from_config(config(&here(base_url), &keys)).await {
            Err(AppError::Bind(_)) => {} // another test took the port in between
            outcome => return outcome,
        }
    }
}

fn is_loop(outcome: Result<Gateway, AppError>) -> bool {
    match outcome {
        Err(AppError::Egress(EgressError::Loop { .. })) => true,
        Err(error) => panic!("{error}"),
        Ok(_) => false,
    }
}

#[tokio::test]
async fn an_upstream_that_is_a_listener_of_our_own_is_refused_however_it_is_written() {
    for (ip, host) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "LOCALHOST"),
        ("127.0.0.1", "[::ffff:127.0.0.1]"),
        ("127.0.0.1", "0.0.0.0"),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.8.8.8"),
        ("[::]", "localhost"),
    ] {
        assert!(is_loop(started(ip, &format!("http://{host}:PORT"), "").await), "{ip} {host}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_a_listener_of_our_own_is_refused_too() {
    let proxy = "upstream.proxy = 'http://localhost:PORT'";
    assert!(is_loop(started("127.0.0.1", "http://wechat.example", proxy).await));
}

#[tokio::test]
async fn the_same_machine_on_another_port_is_no_loop() {
    let (_kept, other) = nobody();
    assert!(!is_loop(started("127.0.0.1", &format!("http://{other}"), "").await));
    // Where there is a proxy, what the upstream's name stands for here does not matter.
    let proxy = format!("upstream.proxy = 'http://{other}'");
    assert!(!is_loop(started("127.0.0.1", "http://localhost:PORT", &proxy).await));
}

#[test]
fn the_refusal_says_what_to_do() {
    let address = SocketAddr::from(([127, 0, 0, 1], 443));
    let error = AppError::from(EgressError::Loop { host: "api.weixin.qq.com".to_owned(), address }).to_string();
    assert!(error.contains("api.weixin.qq.com is 127.0.0.1:443") && error.contains("hosts entry"), "{error}");
}
