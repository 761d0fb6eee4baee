//! Limits on what a caller may send, and on how many may send at once.

use wxgate::sandbox::{Fault, Gate};

use crate::support::{Caller, Gateway, sandbox, within};

const PATH: &str = "/wxa/any";

/// A gateway with `keys` in front of a sandbox of its own; how it answers these bytes.
async fn status_line(keys: &str, bytes: &str) -> String {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, keys).await;
    let mut caller = gateway.connect().await;
    caller.write(bytes).await;
    line(&mut caller).await
}

/// The next line, with interim answers (1xx) as they come.
async fn line(caller: &mut Caller) -> String {
    String::from_utf8(caller.until(b"\r\n").await.unwrap()).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn a_head_of_the_limits_size_passes_and_a_larger_one_does_not() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "server.head_size = '2KiB'").await;
    for (length, status) in [(1900, 200), (2048, 413)] {
        let reply = gateway.request("GET", PATH, &[("X-Filler", &"x".repeat(length))], b"").await;
        assert_eq!(reply.status, status, "{length}");
    }
    let target = format!("{PATH}?{}", "x".repeat(2048));
    assert_eq!(gateway.get(&target).await.error(), Some("head_too_large"), "the target counts too");
}

#[tokio::test]
async fn a_head_that_cannot_be_read_gets_a_bare_refusal() {
    let head = |line: &str, field: &str| format!("{line} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n");
    let large = format!("X-Filler: {}", "x".repeat(140 * 1024));
    let many = (0..101).map(|n| format!("X-{n}: 1")).collect::<Vec<_>>().join("\r\n");
    for (bytes, expected) in [
        (head("GET /", &large), "HTTP/1.1 431 "),
        (head("GET /", &many), "HTTP/1.1 431 "),
        (head(&format!("GET /{}", "x".repeat(65_535)), "A: b"), "HTTP/1.1 414 "),
        (head("GET /", "no colon"), "HTTP/1.1 400 "),
        (head("GET /", "Content-Length: 1\r\nContent-Length: 2"), "HTTP/1.1 400 "),
        ("\u{16}\u{3}\u{1}\u{2} TLS to a listener in the clear\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
    ] {
        let answer = status_line("", &bytes).await;
        assert!(answer.starts_with(expected), "{answer} to {bytes:.60}");
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_is_read() {
    let post =
        |length, expect| format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{expect}\r\n");
    for expect in ["", "Expect: 100-continue\r\n"] {
        assert_eq!(status_line("body.limit = '1KiB'", &post(1025, expect)).await, "HTTP/1.1 413 Payload Too Large");
    }
    let continued = status_line("body.limit = '1KiB'", &post(1024, "Expect: 100-continue\r\n")).await;
    assert_eq!(continued, "HTTP/1.1 100 Continue", "one within the limit is asked for");
}

#[tokio::test]
async fn a_chunked_body_is_counted_while_it_comes() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "body.limit = '1KiB'").await;
    for (length, last, status) in [(1024, "0\r\n\r\n", 200), (1025, "", 413)] {
        let mut caller = gateway.connect().await;
        let head = format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        caller.write(format!("{head}{length:x}\r\n{}\r\n{last}", "x".repeat(length))).await;
        assert_eq!(caller.reply().await.status, status, "{length}");
    }
    assert_eq!(wechat.world().journal().count(PATH), 1, "nothing of the large one went on");
}

#[tokio::test]
async fn a_refused_body_ends_its_connection() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "body.limit = '1KiB'").await;
    let mut caller = gateway.connect().await;
    caller.write(format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\nbeginning")).await;
    assert_eq!(caller.reply().await.status, 413);
    assert!(caller.is_closed().await, "what follows would be read as a request");
}

#[tokio::test]
async fn a_place_among_those_in_flight_comes_free_with_its_answer() {
    let (wechat, gate) = (sandbox().await, Gate::new());
    wechat.world().faults().add(Fault::at(PATH).hold(&gate));
    let gateway = Gateway::with(&wechat, "server.requests = 2").await;
    let (mut first, mut second) = (gateway.connect().await, gateway.connect().await);
    first.request("GET", PATH, &[], b"").await;
    second.request("GET", PATH, &[], b"").await;
    gate.held(2).await;
    let refused = gateway.get("/wxa/other").await;
    assert_eq!((refused.status, refused.error()), (503, Some("too_busy")));
    gate.open();
    assert_eq!((first.reply().await.status, second.reply().await.status), (200, 200));
    drop(second);
    first.request("GET", PATH, &[], b"").await;
    assert_eq!(first.reply().await.status, 200);
}

#[tokio::test]
async fn a_caller_that_leaves_gives_its_place_back() {
    let (wechat, gate) = (sandbox().await, Gate::new());
    wechat.world().faults().add(Fault::at(PATH).hold(&gate).times(1));
    let gateway = Gateway::with(&wechat, "server.requests = 1").await;
    let mut leaving = gateway.connect().await;
    leaving.request("GET", PATH, &[], b"").await;
    gate.held(1).await;
    drop(leaving);
    // The gateway learns of it when it reads the end of the connection, which no event here shows.
    let mut caller = gateway.connect().await;
    within(async {
        loop {
            caller.request("GET", PATH, &[], b"").await;
            if caller.reply().await.status == 200 {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn callers_beyond_the_limit_wait_until_a_connection_ends() {
    let (wechat, gate) = (sandbox().await, Gate::new());
    wechat.world().faults().add(Fault::at(PATH).hold(&gate));
    let gateway = Gateway::with(&wechat, "server.connections = 1").await;
    let mut first = gateway.connect().await;
    first.request("GET", PATH, &[], b"").await;
    gate.held(1).await;
    let mut second = gateway.connect().await;
    second.request("GET", "/wxa/second", &[], b"").await;
    gate.open();
    assert_eq!(first.reply().await.status, 200);
    first.request("GET", "/wxa/again", &[], b"").await;
    assert_eq!(first.reply().await.status, 200);
    assert_eq!(wechat.world().journal().count("/wxa/second"), 0, "it waits for as long as the first is there");
    drop(first);
    assert_eq!(second.reply().await.status, 200);
}
