//! The listener's side of TLS: protocols, files that change, and callers that do not get through the handshake.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use wxgate::sandbox::{Fault, Gate, HangUp};

use super::{H2, HTTP1, INFO, Secure, caller_config, handshake};
use crate::authority::Authority;
use crate::process::Program;
use crate::support::{Caller, Gateway, account, config_text, sandbox, within};

#[tokio::test]
async fn http_1_1_over_tls_is_http_1_1() {
    let (wechat, secure) = (sandbox().await, Secure::new());
    let gateway = secure.gateway(&wechat, "").await;
    let mut caller = secure.caller(&gateway).await;
    for openid in ["a", "b", "c"] {
        caller.request("GET", &format!("/cgi-bin/user/info?openid={openid}"), &[], b"").await;
        assert_eq!(caller.reply().await.json()["openid"], openid);
    }
    wechat.world().kill_tokens();
    caller.request("POST", "/wxa/any", &[("Connection", "close")], &vec![b'x'; 100_000]).await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.field("x-wxgate-retry")), (200, Some("healed")), "{}", reply.text());
    assert_eq!(caller.until_end().await, Some(Vec::new()), "with the farewell of RFC 8446 §6.1");
}

#[tokio::test]
async fn the_protocol_is_the_one_that_both_sides_know() {
    let (wechat, secure) = (sandbox().await, Secure::new());
    let gateway = secure.gateway(&wechat, "").await;
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (HTTP1, Some("http/1.1")),
        (H2, Some("h2")),
        (&["spdy/3", "http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = secure.connect(gateway.address, offered).await;
        let protocol = stream.get_ref().1.alpn_protocol().map(|protocol| std::str::from_utf8(protocol).unwrap());
        assert_eq!(protocol, agreed, "{offered:?}");
    }
    let config = caller_config(secure.authority.path(), &["spdy/3"], None);
    assert!(handshake(gateway.address, config).await.is_err());
    // Without ALPN, HTTP/1.1 is meant.
    let mut caller = Caller::over(secure.connect(gateway.address, &[]).await);
    caller.request("GET", INFO, &[], b"").await;
    assert_eq!(caller.reply().await.json()["openid"], "o6");
}

/// Without a length, only TLS itself tells a caller whether it has all (RFC 9112 §9.8).
#[tokio::test]
async fn an_answer_that_breaks_off_ends_without_a_farewell() {
    let (wechat, secure) = (sandbox().await, Secure::new());
    let gateway = secure.gateway(&wechat, "").await;
    wechat.world().faults().add(Fault::at("/wxa/whole").chunked().body("[1]"));
    wechat.world().faults().add(Fault::at("/wxa/half").chunked().body(vec![b'x'; 90_000]).hang_up(HangUp::AmidBody));
    for (path, whole) in [("/wxa/whole", true), ("/wxa/half", false)] {
        let mut caller = secure.caller(&gateway).await;
        caller.write(format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        assert_eq!(caller.until_end().await.is_some(), whole, "{path}");
    }
}

#[tokio::test]
async fn clear_text_at_a_tls_listener_ends_at_once() {
    let (wechat, secure) = (sandbox().await, Secure::new());
    let gateway = secure.gateway(&wechat, "server.head_timeout = '1h'\nserver.idle_timeout = '1h'\n").await;
    for bytes in ["GET /cgi-bin/user/info HTTP/1.1\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut caller = gateway.connect().await;
        caller.write(bytes).await;
        let heard = caller.until_end().await.unwrap_or_default();
        assert!(!heard.starts_with(b"HTTP"), "{heard:?}");
    }
    assert_eq!(wechat.world().journal().count("/cgi-bin/user/info"), 0);
}

#[tokio::test]
async fn a_handshake_has_as_long_as_a_head() {
    let (wechat, secure) = (sandbox().await, Secure::new());
    let gateway = secure.gateway(&wechat, "server.head_timeout = '100ms'\nserver.idle_timeout = '1h'\n").await;
    let mut caller = gateway.connect().await;
    caller.write([0x16, 3, 1, 2, 0, 1]).await; // the beginning of a ClientHello
    assert!(caller.is_closed().await);
}

#[tokio::test]
async fn callers_that_have_not_got_far_do_not_hold_a_stop_up() {
    let (wechat, secure) = (sandbox().await, Secure::new());
    let keys = "server.head_timeout = '1h'\nserver.idle_timeout = '1h'\n";
    let gateway = secure.gateway(&wechat, keys).await;
    let _silent = gateway.connect().await;
    let mut shaking = gateway.connect().await;
    shaking.write([0x16, 3, 1, 2, 0, 1]).await;
    let _no_head = secure.caller(&gateway).await;
    let _no_preface = secure.connect(gateway.address, H2).await;
    let mut idle = secure.caller(&gateway).await;
    idle.request("GET", INFO, &[], b"").await;
    assert_eq!(idle.reply().await.status, 200);
    gateway.drain();
    gateway.stopped().await.unwrap();
    assert_eq!(idle.until_end().await, Some(Vec::new()));
}

#[tokio::test]
async fn what_is_in_flight_is_answered_before_a_stop() {
    let (wechat, secure, gate) = (sandbox().await, Secure::new(), Gate::new());
    let gateway = secure.gateway(&wechat, "").await;
    wechat.world().faults().add(Fault::at("/wxa/any").hold(&gate));
    let mut caller = secure.caller(&gateway).await;
    caller.request("GET", "/wxa/any", &[], b"").await;
    gate.held(1).await;
    gateway.drain();
    gate.open();
    assert_eq!(caller.reply().await.status, 200);
    assert_eq!(caller.until_end().await, Some(Vec::new()));
    gateway.stopped().await.unwrap();
}

/// The end of the leaf's certificate that a new handshake shows.
async fn leaf(gateway: &Gateway, authority: &Authority) -> std::io::Result<Vec<u8>> {
    let stream = handshake(gateway.address, caller_config(authority.path(), HTTP1, None)).await?;
    Ok(shown(&stream))
}

fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_certificate_that_was_replaced_is_shown_to_new_callers() {
    let (wechat, secure, other) = (sandbox().await, Secure::new(), Authority::new());
    let gateway = secure.gateway(&wechat, "").await;
    let mut kept = secure.caller(&gateway).await;
    let first = shown(&kept.stream);
    assert_eq!(leaf(&gateway, &secure.authority).await.unwrap(), first);
    secure.renew(&other);
    // The files are looked at every now and then, which no event here shows.
    let second = within(async {
        loop {
            if let Ok(leaf) = leaf(&gateway, &other).await {
                break leaf;
            }
        }
    })
    .await;
    assert_ne!(second, first);
    assert!(leaf(&gateway, &secure.authority).await.is_err(), "the old one is gone");
    kept.request("GET", INFO, &[], b"").await;
    assert_eq!(kept.reply().await.status, 200, "whoever is connected stays so");
}

#[tokio::test]
async fn a_broken_certificate_leaves_the_old_one_in_use() {
    let (wechat, secure) = (sandbox().await, Secure::new());
    let config = config_text(&wechat.base_url(), &format!("{}{}", secure.listen(""), account()));
    let mut program = Program::run(&config);
    let address = program.address().await;
    let trusting = || caller_config(secure.authority.path(), HTTP1, None);
    let first = shown(&handshake(address, trusting()).await.unwrap());
    let (_, stranger) = secure.authority.sign("localhost");
    secure.write("key.pem", &stranger.serialize_pem());
    let complaint = program.says("the changed certificate cannot be used yet").await;
    assert!(complaint.contains("key.pem") && !complaint.contains("PRIVATE"), "{complaint}");
    let mut stream = handshake(address, trusting()).await.unwrap();
    assert_eq!(shown(&stream), first);
    stream.write_all(b"GET /cgi-bin/user/info?openid=o6 HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(Caller::over(stream).reply().await.json()["openid"], "o6");

    secure.renew(&secure.authority);
    program.says("the new certificate is in use").await;
    assert_ne!(shown(&handshake(address, trusting()).await.unwrap()), first);
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_at_the_start() {
    let (wechat, secure) = (sandbox().await, Secure::new());
    for (name, content, complaint) in
        [("key.pem", "no key", "no private key in it"), ("chain.pem", "no certificate", "no certificate in it")]
    {
        let before = std::fs::read_to_string(secure.files.path().join(name)).unwrap();
        secure.write(name, content);
        let mut program =
            Program::run(&config_text(&wechat.base_url(), &format!("{}{}", secure.listen(""), account())));
        assert_eq!(program.ended().await.code(), Some(1));
        assert!(program.says(complaint).await.contains(name));
        secure.write(name, &before);
    }
}
