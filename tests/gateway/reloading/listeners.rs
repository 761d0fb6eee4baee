//! Listeners that stay, come, go and change, and the connections behind them.

use std::os::unix::fs::PermissionsExt;

use tokio::net::{TcpStream, UnixStream};
use wxgate::sandbox::{Fault, Gate};

use super::{INFO, Operated, error};
use crate::support::{Caller, nobody, sandbox, within};

/// Two listeners, of which the second is on a port of its own.
fn two(second: std::net::SocketAddr) -> String {
    format!("[[listen]]\naddress = '127.0.0.1:0'\n[[listen]]\naddress = '{second}'\n")
}

/// A port that is free for as long as nobody else takes it.
fn free_port() -> std::net::SocketAddr {
    nobody().1
}

#[tokio::test]
async fn one_that_comes_is_served_and_one_that_goes_is_closed_while_the_others_stay() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    let mut stays = operated.gateway.connect().await;
    let second = free_port();
    assert!(TcpStream::connect(second).await.is_err());
    operated.reload(&two(second)).await;
    let mut other = Caller::connect(second).await;
    for caller in [&mut stays, &mut other] {
        caller.request("GET", INFO, &[], b"").await;
        assert_eq!(caller.reply().await.status, 200);
    }
    operated.reload("").await;
    assert!(TcpStream::connect(second).await.is_err(), "its port is free at once");
    assert_eq!(other.until_end().await, Some(Vec::new()), "closed in order");
    stays.request("GET", INFO, &[], b"").await;
    assert_eq!(stays.reply().await.status, 200);
    operated.reload(&two(second)).await;
    assert_eq!(operated.gateway.get(INFO).await.status, 200, "on the address that it had from the start");
    Caller::connect(second).await;
}

#[tokio::test]
async fn a_request_on_one_that_goes_is_answered() {
    let (wechat, gate) = (sandbox().await, Gate::new());
    wechat.world().faults().add(Fault::at("/wxa/slow").hold(&gate));
    let second = free_port();
    let operated = Operated::start(&wechat, &two(second)).await;
    let (mut waiting, mut half) = (Caller::connect(second).await, Caller::connect(second).await);
    waiting.request("GET", "/wxa/slow", &[], b"").await;
    within(gate.held(1)).await;
    // The interim answer shows that the request has begun.
    half.write("POST /wxa/any HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    half.until(b"\r\n\r\n").await.unwrap();
    for _ in 0..3 {
        operated.reload("").await; // the listener is long forgotten
    }
    gate.open();
    half.write("body").await;
    for caller in [&mut waiting, &mut half] {
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.field("connection")), (200, Some("close")));
        assert_eq!(caller.until_end().await, Some(Vec::new()));
    }
}

/// Its head comes to its end when the listener is in no configuration any more.
#[tokio::test]
async fn a_request_that_has_only_begun_on_one_that_goes_is_answered_too() {
    let wechat = sandbox().await;
    let second = free_port();
    let operated = Operated::start(&wechat, &two(second)).await;
    let mut caller = Caller::connect(second).await;
    caller.write("GET /wxa/any HTTP/1.1\r\nHost: local").await;
    for limit in ["1MiB", "2MiB", "3MiB"] {
        operated.reload(&format!("body.limit = '{limit}'")).await;
    }
    caller.write("host\r\n\r\n").await;
    let reply = caller.reply().await;
    assert_eq!((error(&reply), reply.field("connection")), ((200, None), Some("close")));
}

#[tokio::test]
async fn what_one_demands_holds_from_the_next_request_on_a_connection_that_stays() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    let mut caller = operated.gateway.connect().await;
    let mut get = async || {
        caller.request("GET", INFO, &[], b"").await;
        error(&caller.reply().await).0
    };
    assert_eq!(get().await, 200);
    let demanding = "[[listen]]\naddress = '127.0.0.1:0'\nadmit = ['bearer']\n\
                     [[caller]]\nname = 'crm'\nsecrets = ['0000000000000000000000000000000000000000000000000000000000000000']";
    operated.reload(demanding).await;
    assert_eq!(get().await, 401);
    operated.reload("").await;
    assert_eq!(get().await, 200);
}

#[tokio::test]
async fn a_unix_socket_stays_and_its_mode_changes() {
    let wechat = sandbox().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let keys = |mode: &str| {
        format!(
            "[[listen]]\naddress = '127.0.0.1:0'\n[[listen]]\naddress = 'unix:{}'\nmode = '{mode}'\n",
            path.display()
        )
    };
    let operated = Operated::start(&wechat, &keys("0600")).await;
    let mut caller = Caller::over(UnixStream::connect(&path).await.unwrap());
    operated.reload(&keys("0666")).await;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o666);
    caller.request("GET", INFO, &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
    operated.reload("").await;
    assert!(!path.exists());
}

#[tokio::test]
async fn the_connections_that_there_may_be_change() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "server.connections = 1").await;
    let mut first = operated.gateway.connect().await;
    first.request("GET", INFO, &[], b"").await;
    assert_eq!(first.reply().await.status, 200);
    let mut second = operated.gateway.connect().await; // waits in the kernel's queue
    second.request("GET", INFO, &[], b"").await;
    operated.reload("server.connections = 2").await;
    assert_eq!(second.reply().await.status, 200);
}

/// The address of another machine's, and a port that somebody else has.
#[tokio::test]
async fn one_that_cannot_be_had_leaves_everything_as_it_was() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    let (taken, second) = (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), free_port());
    let keys = format!("body.limit = '1B'\n{}[[listen]]\naddress = '{}'\n", two(second), taken.local_addr().unwrap());
    let refused = operated.try_reload(&super::with_account(&keys)).await.unwrap_err();
    assert!(refused.0[0].contains(&taken.local_addr().unwrap().to_string()), "{refused:?}");
    assert!(TcpStream::connect(second).await.is_err(), "the other new one is not left open");
    assert_eq!(operated.gateway.request("POST", "/wxa/any", &[], b"longer than that").await.status, 200);
}
