//! HTTP/2 in: the same gateway, many requests at once on one connection.

use aws_lc_rs::digest::{SHA256, digest};
use hyper::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use wxgate::sandbox::{DEFAULT_APPID, Fault, Gate, HangUp, Sandbox};

use super::http2_caller::Http2Caller;
use super::{H2, INFO, Secure};
use crate::support::{Gateway, last_call, sandbox};

async fn http2(keys: &str) -> (Sandbox, Gateway, Http2Caller) {
    let (wechat, secure) = (sandbox().await, Secure::new());
    let gateway = secure.gateway(&wechat, keys).await;
    let caller = Http2Caller::over(secure.connect(gateway.address, H2).await).await;
    (wechat, gateway, caller)
}

fn info(openid: u32) -> String {
    format!("/cgi-bin/user/info?openid=o{openid}")
}

#[tokio::test]
async fn many_requests_at_once_get_their_own_answers() {
    let (wechat, _gateway, caller) = http2("").await;
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at("/cgi-bin/user/info").hold(&gate).times(100));
    let asking = (0..100).map(async |openid| (openid, caller.get(&info(openid)).await));
    let (replies, ()) = tokio::join!(at_once(asking), async {
        gate.held(100).await;
        gate.open();
    });
    for (openid, reply) in replies {
        assert_eq!(reply.json()["openid"], format!("o{openid}"), "{}", reply.text());
    }
}

/// All of them at once.
async fn at_once<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                done.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn a_dead_token_is_healed_for_all_of_them_by_one_fetch() {
    let (wechat, _gateway, caller) = http2("").await;
    assert_eq!(caller.get(INFO).await.status, 200);
    wechat.world().kill_tokens();
    for reply in at_once((0..20).map(async |openid| caller.request("POST", &info(openid), &[], b"{}").await)).await {
        assert_eq!((reply.status, reply.error()), (200, None), "{}", reply.text());
        assert_ne!(reply.json()["errcode"], 40001);
    }
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).stable, 2);
}

#[tokio::test]
async fn an_upload_arrives_whole_and_with_its_length_also_when_it_is_healed() {
    let (wechat, _gateway, caller) = http2("").await;
    assert_eq!(caller.get(INFO).await.status, 200);
    wechat.world().kill_tokens();
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let reply = caller.request("POST", "/wxa/any", &[("Content-Type", "image/png")], &body).await;
    assert_eq!((reply.status, reply.field("x-wxgate-retry")), (200, Some("healed")), "{}", reply.text());
    for seen in wechat.world().journal().requests_of("/wxa/any") {
        assert_eq!(seen.body_sha256, digest(&SHA256, &body).as_ref());
        assert_eq!(seen.header(&CONTENT_LENGTH), [b"3000000"]);
        assert!(seen.header(&TRANSFER_ENCODING).is_empty());
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_its_neighbours_are_not() {
    let (wechat, _gateway, caller) = http2("body.limit = '1KiB'\n").await;
    let reply = caller.request("POST", "/wxa/any", &[], &vec![b'x'; 100_000]).await;
    assert_eq!((reply.status, reply.error()), (413, Some("body_too_large")));
    assert_eq!(caller.request("POST", "/wxa/any", &[], &[b'x'; 1024]).await.status, 200);
    assert_eq!(wechat.world().journal().count("/wxa/any"), 1);
}

#[tokio::test]
async fn a_large_answer_comes_whole_and_one_that_breaks_off_is_reset() {
    let (wechat, _gateway, caller) = http2("").await;
    let (one, two) = tokio::join!(caller.get("/cgi-bin/user/get"), caller.get("/cgi-bin/user/get"));
    assert!(one.json()["count"] == 10_000 && one.body == two.body);
    for (target, fault) in [
        ("/cgi-bin/user/get", Fault::anywhere()),
        ("/cgi-bin/user/get", Fault::anywhere().chunked()),
        (INFO, Fault::anywhere()),
    ] {
        wechat.world().faults().add(fault.hang_up(HangUp::AmidBody).times(1));
        assert!(caller.try_request("GET", target, &[], b"").await.is_err(), "{target}");
        assert_eq!(caller.get(INFO).await.status, 200, "the others go on");
    }
}

/// RFC 9113 §8.2.2.
#[tokio::test]
async fn no_field_of_a_connection_goes_either_way() {
    let (wechat, _gateway, caller) = http2("").await;
    let mut fault = Fault::at("/wxa/any").chunked();
    for (name, value) in
        [("keep-alive", "timeout=5"), ("proxy-connection", "keep-alive"), ("x-private", "1"), ("x-public", "2")]
    {
        fault = fault.header(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let fault = fault.header(CONNECTION, HeaderValue::from_static("keep-alive, x-private"));
    wechat.world().faults().add(fault);
    let reply = caller.request("GET", "/wxa/any", &[("te", "trailers"), ("x-public", "3")], b"").await;
    assert_eq!((reply.status, reply.field("x-public")), (200, Some("2")));
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "x-private"] {
        assert_eq!(reply.field(name), None, "{name}");
    }
    let seen = last_call(&wechat);
    assert_eq!(seen.header(&HeaderName::from_static("x-public")), [b"3"]);
    assert!(seen.header(&hyper::header::TE).is_empty());
    assert_eq!(seen.header(&HOST), [wechat.address().to_string().as_bytes()]);
}

/// RFC 9113 §8.2.3: what HTTP/2 may send in pieces is one field in HTTP/1.1.
#[tokio::test]
async fn a_cookie_in_crumbs_is_put_together() {
    let (wechat, _gateway, caller) = http2("").await;
    let crumbs = [("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")];
    assert_eq!(caller.request("GET", INFO, &crumbs, b"").await.status, 200);
    assert_eq!(last_call(&wechat).header(&COOKIE), [b"a=1; b=2; c=3; d=4"]);
}

#[tokio::test]
async fn the_rules_for_host_hold_for_authority() {
    let (wechat, _gateway, caller) = http2("").await;
    let at = |authority: &str| format!("https://{authority}{INFO}");
    for (target, fields, expected) in [
        (at("localhost"), None, (200, None)),
        (at("localhost:8443"), None, (200, None)),
        (at("api.weixin.qq.com"), None, (200, None)),
        (at("127.0.0.1"), Some(("host", "localhost")), (200, None)),
        (at("evil.example"), None, (421, Some("misdirected"))),
        (at("localhost.evil.example"), None, (421, Some("misdirected"))),
        (at("evil.example"), Some(("host", "localhost")), (421, Some("misdirected"))),
        (at("localhost"), Some(("host", "evil.example")), (421, Some("misdirected"))),
        (at("localhost"), Some(("origin", "https://evil.example")), (403, Some("browser"))),
        (at("localhost"), Some(("sec-fetch-site", "cross-site")), (403, Some("browser"))),
    ] {
        let before = wechat.world().journal().count("/cgi-bin/user/info");
        let reply = caller.request("GET", &target, fields.as_slice(), b"").await;
        assert_eq!((reply.status, reply.error()), expected, "{target} {fields:?}");
        let sent = wechat.world().journal().count("/cgi-bin/user/info") - before;
        assert_eq!(sent, u64::from(expected.0 == 200), "{target} {fields:?}");
    }
    let tunnel = caller.try_request("CONNECT", "localhost:443", &[], b"").await;
    assert!(tunnel.is_err() || tunnel.unwrap().status == 405);
}

#[tokio::test]
async fn what_is_in_flight_is_answered_while_nothing_new_is_taken() {
    let (wechat, gateway, caller) = http2("").await;
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at("/wxa/any").hold(&gate));
    let (first, second, ()) = tokio::join!(caller.get("/wxa/any"), caller.get("/wxa/any"), async {
        gate.held(2).await;
        gateway.drain();
        gate.open();
    });
    assert_eq!((first.status, second.status), (200, 200));
    crate::support::within(caller.connection).await.unwrap().unwrap();
    gateway.stopped().await.unwrap();
}
