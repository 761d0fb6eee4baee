//! A stop that loses nothing: what is in flight is answered, and nothing new begins.

use tokio::net::TcpStream;
use wxgate::sandbox::{Fault, Gate, Sandbox};
use wxgate::stage::Stage;

use crate::support::{Caller, Gateway, sandbox, within};

const PATH: &str = "/wxa/any";

/// A gateway with one request in flight, which the gate holds.
async fn busy() -> (Sandbox, Gate, Gateway, Caller) {
    let (wechat, gate) = (sandbox().await, Gate::new());
    wechat.world().faults().add(Fault::at(PATH).hold(&gate));
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await;
    caller.request("POST", PATH, &[], b"{}").await;
    gate.held(1).await;
    (wechat, gate, gateway, caller)
}

#[tokio::test]
async fn what_is_in_flight_is_answered_and_then_the_gateway_stops() {
    let (_wechat, gate, gateway, mut caller) = busy().await;
    let mut idle = [gateway.connect().await, gateway.connect().await]; // the second on the worker of the caller
    for idle in &mut idle {
        idle.request("GET", "/wxa/other", &[], b"").await;
        assert_eq!(idle.reply().await.status, 200);
    }
    gateway.drain();
    for mut idle in idle {
        assert!(idle.is_closed().await);
    }
    within(refused(gateway.address)).await;
    gate.open();
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.json()["errcode"].as_i64()), (200, Some(0)));
    assert_eq!(reply.field("connection"), Some("close"), "the caller's pool must not use it again");
    assert_eq!(caller.until_end().await, Some(Vec::new()));
    gateway.stopped().await.unwrap();
}

/// Until a new connection is refused. The listener is closed by its own task, a moment after the drain began.
async fn refused(address: std::net::SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_on_its_way_comes_whole() {
    let wechat = sandbox().await;
    wechat.world().faults().add(Fault::at(PATH).body(vec![b'x'; 16 << 20]));
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await;
    caller.request("GET", PATH, &[], b"").await;
    let (status, _) = caller.head().await.unwrap();
    gateway.drain();
    assert_eq!(status, 200);
    assert_eq!(caller.exactly(16 << 20).await.unwrap().len(), 16 << 20);
    drop(caller);
    gateway.stopped().await.unwrap();
}

#[tokio::test]
async fn a_body_that_is_on_its_way_is_taken_in() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await;
    // The interim answer shows that the request is being handled.
    let head = "POST /wxa/any HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    caller.write(head).await;
    assert!(caller.until(b"\r\n\r\n").await.unwrap().starts_with(b"HTTP/1.1 100 "));
    gateway.drain();
    caller.write("body").await;
    assert_eq!(caller.reply().await.status, 200);
    gateway.stopped().await.unwrap();
    assert_eq!(wechat.world().journal().last().unwrap().body.as_deref(), Some(b"body".as_slice()));
}

#[tokio::test]
async fn a_heal_is_finished() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    assert_eq!(gateway.get(PATH).await.status, 200);
    wechat.world().kill_tokens();
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at(PATH).hold(&gate).times(1));
    let mut caller = gateway.connect().await;
    caller.request("GET", PATH, &[], b"").await;
    gate.held(1).await;
    gateway.drain();
    gate.open();
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.field("x-wxgate-retry")), (200, Some("healed")), "{}", reply.text());
    gateway.stopped().await.unwrap();
}

#[tokio::test]
async fn idle_connections_are_closed_in_order() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let mut silent = gateway.connect().await;
    let mut kept = gateway.connect().await;
    kept.request("GET", PATH, &[], b"").await;
    assert_eq!(kept.reply().await.status, 200);
    gateway.drain();
    assert_eq!(kept.until_end().await, Some(Vec::new()));
    assert!(silent.is_closed().await);
    gateway.stopped().await.unwrap();
}

#[tokio::test]
async fn the_end_does_not_wait() {
    let (_wechat, _gate, gateway, mut caller) = busy().await;
    gateway.drain();
    gateway.control.advance(Stage::Ended);
    assert!(caller.try_reply_to("POST").await.is_none());
    gateway.stopped().await.unwrap();
}
