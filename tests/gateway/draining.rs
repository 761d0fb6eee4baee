//! A stop that loses nothing: what is in flight is answered, and nothing new begins.

use aws_lc_rs::digest::{SHA256, digest};
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

/// In a pause between two requests, and with its request on the way: nobody who has just connected is turned away.
#[tokio::test]
async fn who_has_just_connected_is_served_once_more() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let mut fresh = Vec::new();
    for _ in 0..20 {
        fresh.push(gateway.connect().await); // some of them wait in the kernel's queue
    }
    gateway.drain();
    for caller in &mut fresh {
        caller.request("POST", PATH, &[], b"{}").await;
    }
    for caller in &mut fresh {
        assert_eq!(caller.reply().await.status, 200);
        assert_eq!(caller.until_end().await, Some(Vec::new()));
    }
    gateway.stopped().await.unwrap();
}

#[tokio::test]
async fn before_the_drain_callers_are_served_and_told_to_go_elsewhere() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let mut kept = gateway.connect().await;
    kept.request("GET", PATH, &[], b"").await;
    assert_eq!(kept.reply().await.field("connection"), None);
    gateway.control.advance(Stage::Leaving);
    let told = async {
        loop {
            kept.request("GET", PATH, &[], b"").await;
            let reply = kept.reply().await;
            assert_eq!(reply.status, 200);
            if reply.field("connection") == Some("close") {
                return;
            }
        }
    };
    within(told).await; // the word takes a moment to reach the workers
    assert_eq!(kept.until_end().await, Some(Vec::new()));
    assert_eq!(gateway.get(PATH).await.status, 200, "new ones are still accepted");
    gateway.drain();
    gateway.stopped().await.unwrap();
}

/// Ten uploads that come in pieces and ten downloads that trickle, each in the middle when the drain begins.
#[tokio::test]
async fn uploads_and_downloads_that_are_under_way_are_finished_whole() {
    const LENGTH: usize = 2 << 20; // more than stays in memory
    let wechat = sandbox().await;
    let answer: Vec<u8> = (0..64 << 10).map(|number: u32| number.to_be_bytes()[3]).collect();
    let trickling = Fault::at("/wxa/down").body(answer.clone()).pace(8 << 10, std::time::Duration::from_millis(20));
    wechat.world().faults().add(trickling);
    let gateway = Gateway::with(&wechat, "").await;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for number in 0..10 {
        let mut caller = gateway.connect().await;
        let head = format!("POST /wxa/up?n={number} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LENGTH}\r\n\r\n");
        caller.write(head).await;
        caller.write(vec![number; LENGTH / 2]).await;
        up.push(caller);
        let mut caller = gateway.connect().await;
        caller.request("GET", "/wxa/down", &[], b"").await;
        assert_eq!(caller.head().await.unwrap().0, 200);
        down.push(caller);
    }
    gateway.drain();
    for (number, caller) in (0..).zip(&mut up) {
        caller.write(vec![number; LENGTH / 2]).await;
        assert_eq!(caller.reply().await.status, 200);
    }
    for caller in &mut down {
        assert_eq!(caller.exactly(answer.len()).await.unwrap(), answer);
        assert_eq!(caller.until_end().await, Some(Vec::new()));
    }
    gateway.stopped().await.unwrap();
    for seen in wechat.world().journal().requests_of("/wxa/up") {
        let number: u8 = seen.parameters("n")[0].parse().unwrap();
        assert_eq!(seen.body_sha256, digest(&SHA256, &vec![number; LENGTH]).as_ref(), "{number}");
    }
}

/// What does not end by itself ends with the drain's time, and nobody takes the half of it for the whole.
#[tokio::test]
async fn what_is_not_finished_at_the_end_breaks_off_and_is_seen_to() {
    let wechat = sandbox().await;
    wechat
        .world()
        .faults()
        .add(Fault::at("/wxa/down").body(vec![b'x'; 1 << 20]).pace(1, std::time::Duration::from_secs(1)));
    let gateway = Gateway::with(&wechat, "").await;
    let mut down = gateway.connect().await;
    down.request("GET", "/wxa/down", &[], b"").await;
    assert_eq!(down.head().await.unwrap().0, 200);
    let mut up = gateway.connect().await;
    up.write("POST /wxa/up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf").await;
    gateway.drain();
    gateway.control.advance(Stage::Ended);
    assert!(down.exactly(1 << 20).await.is_none());
    assert!(up.try_reply_to("POST").await.is_none());
    gateway.stopped().await.unwrap();
    assert_eq!(wechat.world().journal().count("/wxa/up"), 0, "half a body is not sent");
}
