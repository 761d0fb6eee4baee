//! How HTTP's connections are kept, shared and ended, on both sides of the gateway (RFC 9112 §9).

use wxgate::sandbox::{Fault, Gate};

use crate::support::{Gateway, sandbox};

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let (wechat, gate) = (sandbox().await, Gate::new());
    wechat.world().faults().add(Fault::at("/wxa/first").hold(&gate).body("first"));
    wechat.world().faults().add(Fault::at("/wxa/second").body("second"));
    wechat.world().faults().add(Fault::at("/wxa/third").body("third"));
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await;
    let first = "GET /wxa/first HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let second = "POST /wxa/second HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody";
    let third = "GET /wxa/third HTTP/1.1\r\nHost: localhost\r\n\r\n";
    caller.write([first, second, third].concat()).await;
    gate.held(1).await;
    gate.open();
    for expected in ["first", "second", "third"] {
        assert_eq!(caller.reply().await.text(), expected);
    }
    let seen = wechat.world().journal().requests_of("/wxa/second");
    assert_eq!(seen[0].body.as_deref(), Some(b"body".as_slice()));
}

#[tokio::test]
async fn requests_one_after_the_other_share_one_connection_upstream() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await; // one connection stays on one worker
    for n in 0..10 {
        let (method, body): (_, &[u8]) = if n % 2 == 0 { ("GET", b"") } else { ("POST", b"{}") };
        caller.request(method, "/wxa/any", &[], body).await;
        assert_eq!(caller.reply().await.status, 200);
    }
    let seen = wechat.world().journal().requests_of("/wxa/any");
    let first = seen[0].connection;
    assert_eq!(seen.iter().filter(|seen| seen.connection == first).count(), 10);
}

#[tokio::test]
async fn a_long_answer_gives_its_connection_back_too() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    wechat.world().faults().add(Fault::at("/cgi-bin/user/get").chunked());
    let mut caller = gateway.connect().await;
    for target in ["/cgi-bin/user/get", "/cgi-bin/user/get", "/wxa/any"] {
        caller.request("GET", target, &[], b"").await;
        assert_eq!(caller.reply().await.status, 200);
    }
    let journal = wechat.world().journal();
    let seen = [journal.requests_of("/cgi-bin/user/get"), journal.requests_of("/wxa/any")].concat();
    assert!(seen.iter().all(|one| one.connection == seen[0].connection), "{seen:?}");
}

#[tokio::test]
async fn http_1_0_closes_after_its_answer_unless_it_asks_otherwise() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await;
    caller.write("GET /wxa/any HTTP/1.0\r\n\r\n").await;
    assert_eq!(caller.reply().await.status, 200);
    assert!(caller.is_closed().await);

    let mut caller = gateway.connect().await;
    for _ in 0..3 {
        caller.write("GET /wxa/any HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.field("connection")), (200, Some("keep-alive")));
    }
    caller.write("GET /wxa/any HTTP/1.0\r\n\r\n").await;
    caller.reply().await;
    assert!(caller.is_closed().await);
}

#[tokio::test]
async fn http_1_0_gets_no_chunks() {
    let wechat = sandbox().await;
    wechat.world().faults().add(Fault::at("/wxa/any").chunked().body("[1, 2, 3]"));
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await;
    caller.write("GET /wxa/any HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let reply = caller.reply().await;
    assert_eq!((reply.field("transfer-encoding"), reply.text().as_str()), (None, "[1, 2, 3]"));
    let seen = wechat.world().journal().last().unwrap();
    assert_eq!(seen.version, hyper::Version::HTTP_11, "WeChat is spoken to in HTTP/1.1");
}

#[tokio::test]
async fn a_caller_that_asks_for_a_close_gets_one_and_upstream_does_not() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await;
    caller.request("GET", "/wxa/any", &[("Connection", "close")], b"").await;
    assert_eq!(caller.reply().await.field("connection"), Some("close"));
    assert!(caller.is_closed().await);
    let seen = wechat.world().journal().last().unwrap();
    assert!(seen.header(&hyper::header::CONNECTION).is_empty(), "{:?}", seen.headers);
}
