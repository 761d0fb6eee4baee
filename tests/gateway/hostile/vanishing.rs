//! Callers that vanish, at each stage of their request, in order or by a reset: nothing of them stays in flight.

use std::time::Duration;

use socket2::SockRef;
use wxgate::sandbox::{Fault, Gate, STABLE, Sandbox};

use crate::support::{Caller, Gateway, sandbox, within};

const PATH: &str = "/wxa/any";

/// A gateway with one place for a request. Bodies beyond 1 KiB go to a file; nothing of a caller's has a deadline that
/// would end it within a test.
async fn with_one_place() -> (Sandbox, Gateway) {
    let wechat = sandbox().await;
    let keys = "server.requests = 1\nserver.head_timeout = '1h'\nbody = { memory = '1KiB', idle_timeout = '1h' }\n\
                upstream.first_byte_timeout = '1h'\nupstream.idle_body_timeout = '1h'\ntoken.wait_timeout = '1h'";
    let gateway = Gateway::with(&wechat, keys).await;
    wechat.world().faults().add(Fault::at("/wxa/next").body("next"));
    assert_served(&gateway).await;
    (wechat, gateway)
}

/// The place is free again as soon as the gateway has learnt of the end, which no event here shows.
async fn assert_served(gateway: &Gateway) {
    within(async {
        loop {
            let reply = gateway.get("/wxa/next").await;
            if reply.status == 200 {
                return assert_eq!(reply.text(), "next");
            }
            assert_eq!(reply.error(), Some("too_busy"), "{}", reply.text());
        }
    })
    .await;
}

const WAYS: [fn(Caller); 2] = [drop, reset];

/// Ends the connection without the usual farewell, and throws away what was not read.
fn reset(caller: Caller) {
    SockRef::from(&caller.stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[tokio::test]
async fn amid_the_head() {
    let (wechat, gateway) = with_one_place().await;
    for leave in WAYS {
        for beginning in
            ["", "GET", "GET /wxa/any HTTP/1.1\r\nHost: loc", "GET /wxa/any HTTP/1.1\r\nHost: localhost\r\n"]
        {
            let mut caller = gateway.connect().await;
            caller.write(beginning).await;
            leave(caller);
            assert_served(&gateway).await;
        }
    }
    assert_eq!(wechat.world().journal().count(PATH), 0);
}

/// The interim answer shows that the gateway has begun with the body.
#[tokio::test]
async fn amid_the_body() {
    let (wechat, gateway) = with_one_place().await;
    let large = "x".repeat(100_000);
    for leave in WAYS {
        for (framing, beginning) in [
            ("Content-Length: 1000000", ""),
            ("Content-Length: 1000000", "half"),
            ("Content-Length: 1000000", &*large),
            ("Transfer-Encoding: chunked", ""),
            ("Transfer-Encoding: chunked", "5\r\nhel"),
            ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n"),
        ] {
            let mut caller = gateway.connect().await;
            let head = format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\nExpect: 100-continue\r\n\r\n");
            caller.write(head).await;
            assert!(caller.until(b"100 Continue\r\n\r\n").await.is_some());
            caller.write(beginning).await;
            leave(caller);
            assert_served(&gateway).await;
        }
    }
    assert_eq!(wechat.world().journal().count(PATH), 0, "half a body never goes on");
}

#[tokio::test]
async fn while_wechat_works() {
    let (wechat, gateway) = with_one_place().await;
    for (number, leave) in WAYS.into_iter().enumerate() {
        for (method, body) in [("GET", vec![]), ("POST", vec![b'x'; 10]), ("POST", vec![b'x'; 100_000])] {
            let (gate, path) = (Gate::new(), format!("/wxa/{number}/{}", body.len()));
            wechat.world().faults().add(Fault::at(&path).hold(&gate));
            let mut caller = gateway.connect().await;
            caller.request(method, &path, &[], &body).await;
            within(gate.held(1)).await;
            leave(caller);
            assert_served(&gateway).await;
        }
    }
}

#[tokio::test]
async fn while_a_new_token_is_fetched() {
    for leave in WAYS {
        let (wechat, gateway) = with_one_place().await;
        let gate = Gate::new();
        wechat.world().kill_tokens();
        wechat.world().faults().add(Fault::at(STABLE).hold(&gate));
        let mut caller = gateway.connect().await;
        caller.request("POST", PATH, &[], b"{}").await;
        within(gate.held(1)).await;
        leave(caller);
        // The next one waits for the same fetch, once it has the place.
        let mut next = gateway.connect().await;
        within(async {
            loop {
                next.request("GET", PATH, &[], b"").await;
                tokio::select! {
                    biased;
                    reply = next.reply() => assert_eq!(reply.error(), Some("too_busy")),
                    () = wechat.world().journal().wait_for(PATH, 2) => break,
                }
            }
        })
        .await;
        gate.open();
        assert_eq!(next.reply().await.field("x-wxgate-retry"), Some("healed"));
        assert_eq!(wechat.world().journal().count(PATH), 3, "the one that left is not sent again");
    }
}

#[tokio::test]
async fn amid_the_answer() {
    let (wechat, gateway) = with_one_place().await;
    let pause = Duration::from_secs(3_600);
    for leave in WAYS {
        for (number, fault) in [Fault::anywhere(), Fault::anywhere().chunked()].into_iter().enumerate() {
            wechat.world().faults().clear();
            wechat.world().faults().add(Fault::at("/wxa/next").body("next"));
            // One whose rest never comes, and one that is more than all buffers on the way hold.
            wechat.world().faults().add(fault.clone().body(vec![b'x'; 100_000]).pace(50_000, pause).times(1));
            wechat.world().faults().add(fault.body(vec![b'x'; 32 << 20]).times(1));
            for _ in 0..2 {
                let mut caller = gateway.connect().await;
                caller.request("GET", &format!("/wxa/{number}"), &[], b"").await;
                assert_eq!(caller.head().await.unwrap().0, 200);
                caller.exactly(40_000).await.unwrap();
                leave(caller);
                assert_served(&gateway).await;
            }
        }
    }
}
