//! Upstreams that answer while they are still being asked (RFC 9112 §9.3 lets them), and what becomes of the rest of the
//! question.

use tokio::net::TcpListener;

use crate::support::{Caller, Gateway, account, within};

/// Takes no token of ours.
const CALL: &str = "/sns/userinfo";
/// More than all buffers on the way hold together.
const LARGE: usize = 24 << 20;

async fn gateway() -> (TcpListener, Gateway) {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", upstream.local_addr().unwrap());
    (upstream, Gateway::at(&base_url, &account()).await)
}

/// The next connection on which [`CALL`] comes, and the length of its body; token fetches are hung up on.
async fn called(upstream: &TcpListener) -> (Caller, usize) {
    loop {
        let mut connection = Caller::over(within(upstream.accept()).await.unwrap().0);
        let head = String::from_utf8(connection.until(b"\r\n\r\n").await.unwrap_or_default()).unwrap();
        if head.contains(CALL) {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            return (connection, length.map_or(0, |length| length.parse().unwrap()));
        }
    }
}

async fn caller_with_large_body(gateway: &Gateway) -> Caller {
    let mut caller = gateway.connect().await;
    caller.request("POST", CALL, &[], &vec![b'x'; LARGE]).await;
    caller
}

#[tokio::test]
async fn an_answer_to_half_a_question_is_the_answer_and_its_connection_is_not_used_again() {
    let (upstream, gateway) = gateway().await;
    let mut caller = caller_with_large_body(&gateway).await;
    let (mut first, _) = called(&upstream).await;
    first.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmuch").await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.text().as_str(), reply.error()), (413, "much", None));

    caller.request("GET", CALL, &[], b"").await;
    let (mut second, _) = called(&upstream).await;
    second.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await;
    assert_eq!(caller.reply().await.text(), "good");
}

#[tokio::test]
async fn an_answer_behind_which_the_connection_closes_is_the_answer_too() {
    let (upstream, gateway) = gateway().await;
    let mut caller = caller_with_large_body(&gateway).await;
    let (mut connection, _) = called(&upstream).await;
    connection.write("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\nmuch").await;
    // Only the writing half: a connection that is closed with bytes unread is reset, and the answer is lost with it.
    tokio::io::AsyncWriteExt::shutdown(&mut connection.stream).await.unwrap();
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (413, "much"));
}

#[tokio::test]
async fn the_rest_of_the_question_goes_on_while_the_answer_comes() {
    let (upstream, gateway) = gateway().await;
    let mut caller = caller_with_large_body(&gateway).await;
    let (mut connection, length) = called(&upstream).await;
    connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhear:\r\n").await;
    assert_eq!(caller.head().await.unwrap().0, 200);
    assert_eq!(within(connection.exactly(length)).await.unwrap().len(), LARGE);
    connection.write("4\r\n all\r\n0\r\n\r\n").await;
    assert!(caller.until(b"0\r\n\r\n").await.is_some());

    caller.request("GET", CALL, &[], b"").await;
    assert!(connection.until(b"\r\n\r\n").await.is_some(), "both went through, so the connection is used again");
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").await;
    assert_eq!(caller.reply().await.text(), "good");
}
