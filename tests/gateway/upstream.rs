//! What the way to WeChat does to a request: dead connections, answers that break off, answers that are none.

use hyper::StatusCode;
use hyper::header::HeaderValue;
use wxgate::sandbox::{Fault, HangUp, Sandbox, Settings};

use crate::support::{Caller, Gateway, sandbox, within};

const PATH: &str = "/wxa/any";

/// The answers to a request on a fresh connection upstream, and to one on the same connection when the fault strikes.
async fn reused(method: &str, fault: Fault) -> (crate::support::Reply, u64) {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await;
    caller.request("GET", PATH, &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
    wechat.world().faults().add(fault.times(1));
    caller.request(method, PATH, &[], b"{}").await;
    let reply = caller.reply().await;
    (reply, wechat.world().journal().count(PATH) - 1)
}

#[tokio::test]
async fn a_reused_connection_that_dies_unanswered_costs_a_repeatable_request_nothing() {
    for method in ["GET", "PUT", "DELETE"] {
        let (reply, sent) = reused(method, Fault::at(PATH).hang_up(HangUp::Before)).await;
        assert_eq!((reply.status, sent), (200, 2), "{method}");
    }
}

#[tokio::test]
async fn a_post_that_was_written_is_not_sent_again() {
    let (reply, sent) = reused("POST", Fault::at(PATH).hang_up(HangUp::Before)).await;
    assert_eq!((reply.error(), sent), (Some("upstream_broke_off"), 1), "WeChat may have done what was asked");
}

#[tokio::test]
async fn an_answer_that_had_begun_is_not_asked_for_again() {
    let (reply, sent) = reused("GET", Fault::at(PATH).hang_up(HangUp::AmidHead)).await;
    assert_eq!((reply.status, sent), (502, 1), "{}", reply.text());
}

#[tokio::test]
async fn a_fresh_connection_that_dies_is_not_replaced() {
    let wechat = sandbox().await;
    wechat.world().faults().add(Fault::at(PATH).hang_up(HangUp::Before));
    let gateway = Gateway::with(&wechat, "").await;
    let reply = gateway.get(PATH).await;
    assert_eq!((reply.status, reply.error()), (502, Some("upstream_broke_off")));
    assert_eq!(wechat.world().journal().count(PATH), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_caller() {
    // One that streams, and one that is small enough to be judged.
    for target in ["/cgi-bin/user/get", "/cgi-bin/user/info?openid=o6"] {
        for fault in [Fault::anywhere(), Fault::anywhere().chunked()] {
            let wechat = sandbox().await;
            let gateway = Gateway::with(&wechat, "").await;
            assert_eq!(gateway.get(target).await.status, 200);
            wechat.world().faults().add(fault.clone().hang_up(HangUp::AmidBody));
            let mut caller = gateway.connect().await;
            caller.request("GET", target, &[], b"").await;
            assert!(caller.try_reply_to("GET").await.is_none(), "{target} {fault:?}");
        }
    }
}

/// Without a length, the end of the connection is the end of the answer (RFC 9112 §6.3): only a reset tells that there
/// was more.
#[tokio::test]
async fn an_http_1_0_caller_sees_a_reset_where_an_answer_breaks_off() {
    for target in ["/cgi-bin/user/get", "/cgi-bin/user/info?openid=o6"] {
        let wechat = sandbox().await;
        let gateway = Gateway::with(&wechat, "").await;
        assert_eq!(gateway.get(target).await.status, 200);
        wechat.world().faults().add(Fault::anywhere().chunked().hang_up(HangUp::AmidBody));
        let mut caller = gateway.connect().await;
        caller.write(format!("GET {target} HTTP/1.0\r\n\r\n")).await;
        assert_eq!(caller.until_end().await, None, "{target}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let wechat = sandbox().await;
    wechat.world().faults().add(Fault::at(PATH).raw("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nuntil the end"));
    let gateway = Gateway::with(&wechat, "").await;
    let reply = gateway.get(PATH).await;
    assert_eq!((reply.status, reply.field("x-a"), reply.text().as_str()), (200, Some("b"), "until the end"));
    let mut caller = gateway.connect().await;
    caller.write(format!("GET {PATH} HTTP/1.0\r\n\r\n")).await;
    assert!(caller.until_end().await.unwrap().ends_with(b"\r\n\r\nuntil the end"));
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_502() {
    let endless = format!("HTTP/1.1 200 OK\r\nX-Endless: {}", "x".repeat(1 << 20));
    for raw in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "<html>no head at all</html>\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        &endless,
    ] {
        let wechat = sandbox().await;
        wechat.world().faults().add(Fault::at(PATH).raw(raw.to_owned()));
        let reply = Gateway::with(&wechat, "").await.get(PATH).await;
        assert_eq!((reply.status, reply.error()), (502, Some("upstream_invalid")), "{raw:.60}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_an_unreachable_upstream() {
    let gateway = Gateway::at("http://no-such-name.invalid", &crate::support::account()).await;
    let reply = gateway.get("/sns/userinfo?access_token=81_user").await; // takes no token of ours
    assert_eq!((reply.status, reply.error()), (502, Some("upstream_unreachable")));
    let reply = gateway.get(PATH).await;
    assert_eq!((reply.status, reply.error()), (503, Some("no_token")));
    assert!(reply.text().contains("the token endpoint could not be reached"), "{}", reply.text());
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let wechat = sandbox().await;
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let raw = format!("{early}{early}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    wechat.world().faults().add(Fault::at(PATH).raw(raw));
    let reply = Gateway::with(&wechat, "").await.get(PATH).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
}

#[tokio::test]
async fn pages_of_a_web_tier_pass_through_with_their_status() {
    for status in [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::NOT_FOUND] {
        let wechat = sandbox().await;
        let page = format!("<html><h1>{status}</h1></html>");
        wechat.world().faults().add(Fault::at(PATH).status(
            status,
            HeaderValue::from_static("text/html"),
            page.clone(),
        ));
        let reply = Gateway::with(&wechat, "").await.get(PATH).await;
        assert_eq!((reply.status, reply.text(), reply.error()), (status.as_u16(), page, None));
        assert_eq!(reply.field("content-type"), Some("text/html"));
    }
}

#[tokio::test]
async fn requests_work_again_when_the_upstream_is_back() {
    let wechat = sandbox().await;
    let port = wechat.address().port();
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await;
    caller.request("POST", PATH, &[], b"{}").await;
    assert_eq!(caller.reply().await.status, 200);

    drop(wechat);
    within(async {
        // Until its connections are closed as well: those are ended by its runtime, not by the drop.
        while gateway.get("/sns/userinfo?access_token=81_user").await.error() != Some("upstream_unreachable") {}
    })
    .await;

    let wechat = within(async {
        loop {
            match Sandbox::start(Settings { port, ..Settings::default() }).await {
                Ok(wechat) => break wechat,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    // It knows nothing of the token that the first one issued.
    caller.request("POST", PATH, &[], b"{}").await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.field("x-wxgate-retry")), (200, Some("healed")), "{}", reply.text());
    assert_eq!(wechat.world().journal().count(PATH), 2);
}

/// A WeChat of two lines, for what happens between an answer and the next request.
struct Scripted(tokio::net::TcpListener);

impl Scripted {
    /// The next connection on which a request to this path comes; token fetches are hung up on.
    async fn request(&self, path: &str) -> Caller {
        loop {
            let mut connection = Caller::over(within(self.0.accept()).await.unwrap().0);
            let head = connection.until(b"\r\n\r\n").await.unwrap_or_default();
            if String::from_utf8_lossy(&head).contains(path) {
                return connection;
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_closed_while_it_was_idle_costs_nothing_not_even_a_post() {
    const CALL: &str = "/sns/userinfo"; // takes no token of ours
    for reset in [false, true] {
        let upstream = Scripted(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
        let keys = crate::support::account();
        let gateway = Gateway::at(&format!("http://{}", upstream.0.local_addr().unwrap()), &keys).await;
        let mut caller = gateway.connect().await;
        for _ in 0..3 {
            caller.request("POST", CALL, &[], b"{}").await;
            let mut connection = tokio::select! {
                connection = upstream.request(CALL) => connection,
                reply = caller.reply() => panic!("{reply:?}"),
            };
            connection.exactly(2).await.unwrap();
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            assert_eq!(caller.reply().await.status, 200);
            if reset {
                socket2::SockRef::from(&connection.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            }
            let ends = [connection.stream.peer_addr().unwrap(), connection.stream.local_addr().unwrap()];
            drop(connection);
            within(is_noticed(ends)).await;
        }
    }
}

/// Waits until the kernel has told the `near` end that the `far` one has closed, which on a busy machine takes a moment.
async fn is_noticed([near, far]: [std::net::SocketAddr; 2]) {
    const ESTABLISHED: &str = "01"; // proc_net_tcp: local address, remote address, state
    let ends = [near, far].map(|end| format!(":{:04X}", end.port()));
    let is_open = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let is_its = ends.iter().all(|end| columns.next().is_some_and(|address| address.ends_with(end.as_str())));
        is_its && columns.next() == Some(ESTABLISHED)
    };
    while std::fs::read_to_string("/proc/net/tcp").unwrap().lines().any(is_open) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_that_would_end_with_its_connection_is_not_taken_for_whole_after_a_reset() {
    const CALL: &str = "/sns/userinfo";
    let upstream = Scripted(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let keys = crate::support::account();
    let gateway = Gateway::at(&format!("http://{}", upstream.0.local_addr().unwrap()), &keys).await;
    for version in ["1.0", "1.1"] {
        let mut caller = gateway.connect().await;
        caller.write(format!("GET {CALL} HTTP/{version}\r\nHost: localhost\r\n\r\n")).await;
        let mut connection = upstream.request(CALL).await;
        connection.write("HTTP/1.1 200 OK\r\n\r\nthe first half").await;
        assert_eq!(caller.head().await.unwrap().0, 200);
        socket2::SockRef::from(&connection.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(connection);
        let rest = caller.until_end().await;
        let whole = rest.is_some_and(|rest| version == "1.0" || rest.ends_with(b"0\r\n\r\n"));
        assert!(!whole, "HTTP/{version}");
    }
}

/// A name that leads elsewhere is followed although the connection is never idle.
#[tokio::test]
async fn a_busy_connection_is_replaced_when_its_life_is_over() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "upstream.connection_life = '50ms'").await;
    let mut caller = gateway.connect().await;
    within(async {
        while wechat.world().journal().connections() < 4 {
            caller.request("POST", PATH, &[], b"{}").await;
            assert_eq!(caller.reply().await.status, 200);
        }
    })
    .await;
}
