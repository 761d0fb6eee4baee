//! Every wait ends: each deadline of the configuration, met on purpose.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;
use wxgate::sandbox::{Fault, Gate, STABLE, Sandbox};

use crate::support::{Caller, Gateway, account, sandbox, within};

const PATH: &str = "/wxa/any";
/// Longer than any test has patience.
const FOR_EVER: Duration = Duration::from_secs(3_600);

async fn with(keys: &str) -> (Sandbox, Gateway) {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, keys).await;
    (wechat, gateway)
}

#[tokio::test]
async fn head_timeout_ends_a_head_that_does_not_come_to_its_end() {
    let (_wechat, gateway) = with("server.head_timeout = '50ms'").await;
    let mut caller = gateway.connect().await;
    caller.write("GET /wxa/any HTTP/1.1\r\nHost: loc").await;
    assert!(caller.is_closed().await);
}

#[tokio::test]
async fn head_timeout_holds_for_every_head_of_a_connection() {
    let (_wechat, gateway) = with("server.head_timeout = '50ms'").await;
    let mut caller = gateway.connect().await;
    caller.request("GET", PATH, &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
    caller.write("GET").await;
    assert!(caller.is_closed().await);
}

#[tokio::test]
async fn idle_timeout_closes_a_silent_connection_in_order() {
    let (_wechat, gateway) = with("server.idle_timeout = '400ms'").await;
    let mut silent = gateway.connect().await;
    assert_eq!(silent.until_end().await, Some(Vec::new()), "one that never spoke");
    let mut caller = gateway.connect().await;
    caller.request("GET", PATH, &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
    assert_eq!(caller.until_end().await, Some(Vec::new()), "one that did");
}

#[tokio::test]
async fn idle_timeout_is_not_for_a_request_that_is_being_answered() {
    let wechat = sandbox().await;
    let slow = Fault::at(PATH).delay(Duration::from_millis(1_200));
    wechat.world().faults().add(slow);
    let gateway = Gateway::with(&wechat, "server.idle_timeout = '400ms'\nserver.head_timeout = '400ms'").await;
    assert_eq!(gateway.get(PATH).await.status, 200);
}

#[tokio::test]
async fn body_idle_timeout_answers_and_closes() {
    let (wechat, gateway) = with("body.idle_timeout = '50ms'").await;
    let mut caller = gateway.connect().await;
    caller.write("POST /wxa/any HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf").await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.error()), (408, Some("body_timeout")));
    assert!(caller.is_closed().await);
    assert_eq!(wechat.world().journal().count(PATH), 0, "half a body never goes on");
}

#[tokio::test]
async fn connect_timeout_ends_the_wait_for_an_address_that_does_not_answer() {
    let (_full, address) = unanswering();
    let keys = format!("upstream.connect_timeout = '50ms'\n{}", account());
    let gateway = Gateway::at(&format!("http://{address}"), &keys).await;
    let reply = gateway.get("/sns/userinfo?access_token=81_user").await; // needs no token of ours
    assert_eq!((reply.status, reply.error()), (502, Some("upstream_unreachable")));
}

/// An address whose queue is full, so that the kernel leaves the next connection without any answer.
pub fn unanswering() -> (Vec<Socket>, SocketAddr) {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let listener = socket();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut kept = vec![listener];
    loop {
        let caller = socket();
        let answered = caller.connect_timeout(&address, Duration::from_millis(200)).is_ok();
        kept.push(caller);
        if !answered {
            return (kept, address.as_socket().unwrap());
        }
    }
}

#[tokio::test]
async fn first_byte_timeout_counts_from_the_end_of_the_request() {
    let wechat = sandbox().await;
    wechat.world().faults().add(Fault::at(PATH).hold(&Gate::new()));
    let gateway = Gateway::with(&wechat, "upstream.first_byte_timeout = '50ms'").await;
    for (method, body) in [("GET", b"".as_slice()), ("POST", b"{}")] {
        let reply = gateway.request(method, PATH, &[], body).await;
        assert_eq!((reply.status, reply.error()), (504, Some("upstream_timeout")), "{method}");
    }
    assert_eq!(wechat.world().journal().count(PATH), 2, "nothing is sent again after a silence");
}

#[tokio::test]
async fn idle_body_timeout_breaks_the_answer_off() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "upstream.idle_body_timeout = '50ms'").await;
    // One that streams, and one that is held back to be judged.
    for (target, bytes) in [("/cgi-bin/user/get", 100_000), ("/cgi-bin/user/info?openid=o6", 20)] {
        let path = target.split('?').next().unwrap();
        let silent = Fault::at(path).pace(bytes, FOR_EVER);
        for fault in [silent.clone(), silent.chunked()] {
            wechat.world().faults().add(fault.clone().times(1));
            let mut caller = gateway.connect().await;
            caller.request("GET", target, &[], b"").await;
            assert!(caller.try_reply_to("GET").await.is_none(), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn send_timeout_gives_up_a_caller_that_takes_nothing() {
    let wechat = sandbox().await;
    // More than all buffers on the way hold together.
    wechat.world().faults().add(Fault::at("/wxa/large").body(vec![b'x'; 32 << 20]));
    let gateway = Gateway::with(&wechat, "server.send_timeout = '100ms'\nserver.connections = 1").await;
    let mut deaf = with_small_buffer(gateway.address).await;
    deaf.request("GET", "/wxa/large", &[], b"").await;
    // Its place is the only one: the next caller is served when it is given up.
    assert_eq!(gateway.get(PATH).await.status, 200);
    assert!(deaf.try_reply_to("GET").await.is_none());
}

async fn with_small_buffer(address: SocketAddr) -> Caller {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    Caller::over(TcpStream::from_std(socket.into()).unwrap())
}

#[tokio::test]
async fn the_wait_for_a_token_ends() {
    let wechat = sandbox().await;
    wechat.world().faults().add(Fault::at(STABLE).hold(&Gate::new()));
    let gateway = Gateway::with(&wechat, "token.wait_timeout = '50ms'").await;
    let reply = gateway.get(PATH).await;
    assert_eq!((reply.status, reply.error()), (503, Some("no_token")));
    assert!(reply.text().contains("WeChat is being asked"), "{}", reply.text());
}

#[tokio::test]
async fn a_token_fetch_ends_and_its_failure_is_told() {
    let wechat = sandbox().await;
    wechat.world().faults().add(Fault::at(STABLE).hold(&Gate::new()));
    let gateway = Gateway::with(&wechat, "token.fetch_timeout = '50ms'").await;
    let reply = gateway.get(PATH).await;
    assert_eq!((reply.status, reply.error()), (503, Some("no_token")));
    assert!(reply.text().contains("no whole answer within 50ms"), "{}", reply.text());
}

#[tokio::test]
async fn a_heal_does_not_wait_longer_than_the_wait_for_a_token() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "token.wait_timeout = '50ms'").await;
    within(async { while gateway.get(PATH).await.status != 200 {} }).await; // until the first token is there
    wechat.world().kill_tokens();
    wechat.world().faults().add(Fault::at(STABLE).hold(&Gate::new()));
    let reply = gateway.get(PATH).await;
    assert_eq!((reply.json()["errcode"].as_i64(), reply.field("x-wxgate-retry")), (Some(40001), Some("failed")));
}
