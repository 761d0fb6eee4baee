//! Answers of WeChat's, or of what stands in its place, that are malformed, endless, or more than one.

use std::time::Duration;

use wxgate::sandbox::Fault;

use super::scripted::{Script, scripted};
use crate::support::{Gateway, account, sandbox, within};

/// A call that needs no token of the account's, so that it goes out whatever answers.
const CALL: &str = "/sns/userinfo?access_token=81_user";

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

/// A gateway in front of an upstream with this script.
async fn before(script: Vec<Script>, keys: &str) -> Gateway {
    Gateway::at(&scripted(script).await, &format!("{keys}{}", account())).await
}

fn at_once(text: impl AsRef<[u8]>) -> Script {
    Script::AtOnce(text.as_ref().to_vec())
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_an_answer() {
    let body = "{\"errcode\":0,\"errmsg\":\"ok\"}".repeat(20);
    for text in [
        format!("HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        format!(
            "HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ),
    ] {
        let gateway = before(vec![Script::ByteByByte(text.into_bytes())], "").await;
        let reply = gateway.get(CALL).await;
        assert_eq!((reply.status, reply.field("x-a"), reply.text()), (200, Some("b"), body.clone()));
    }
}

#[tokio::test]
async fn a_refusal_that_comes_byte_by_byte_is_healed() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    assert_eq!(gateway.get("/wxa/any").await.status, 200);
    wechat.world().kill_tokens();
    wechat.world().faults().add(Fault::at("/wxa/any").pace(1, Duration::ZERO).times(1));
    let reply = gateway.get("/wxa/any").await;
    assert_eq!((reply.status, reply.field("x-wxgate-retry")), (200, Some("healed")), "{}", reply.text());
}

#[tokio::test]
async fn interim_answers_without_end_end_with_the_deadline() {
    for interim in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"] {
        let script = vec![Script::ForEver(interim.as_bytes().to_vec()), at_once(OK)];
        let gateway = before(script, "upstream.first_byte_timeout = '200ms'\n").await;
        let reply = gateway.get(CALL).await;
        assert!(reply.status == 504 || reply.status == 502, "{}", reply.text());
        assert_eq!(gateway.get(CALL).await.text(), "good");
    }
}

#[tokio::test]
async fn heads_that_are_too_large_are_no_answers() {
    let fields = |count| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let head = |fields: &str| at_once(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\ngood"));
    for (fields, status) in [
        (fields(90), 200),
        (fields(2_000), 502),
        (format!("X-Large: {}\r\n", "x".repeat(20_000)), 200),
        (format!("X-Large: {}\r\n", "x".repeat(2 << 20)), 502),
    ] {
        let gateway = before(vec![head(&fields), at_once(OK)], "").await;
        let reply = gateway.get(CALL).await;
        assert_eq!(reply.status, status, "{:.40} {:?}", fields, reply.error());
        assert_eq!(gateway.get(CALL).await.text(), "good");
    }
}

#[tokio::test]
async fn a_head_without_end_is_no_answer() {
    for endless in ["X: y\r\n", "x", "\r\n"] {
        let script = vec![Script::ForEver(endless.as_bytes().repeat(1_000)), at_once(OK)];
        let gateway = before(script, "upstream.first_byte_timeout = '5s'\n").await;
        let reply = gateway.get(CALL).await;
        assert!(reply.status == 502 || reply.status == 504, "{endless:?}: {}", reply.text());
        assert_eq!(gateway.get(CALL).await.text(), "good");
    }
}

#[tokio::test]
async fn a_length_that_is_none_is_no_answer() {
    for length in ["-1", "+4", "0x4", "4, 5", "4 4", "four", "18446744073709551616", "4\r\nContent-Length: 5"] {
        let script = vec![at_once(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\ngood")), at_once(OK)];
        let gateway = before(script, "").await;
        let reply = gateway.get(CALL).await;
        assert_eq!((reply.status, reply.error()), (502, Some("upstream_invalid")), "{length}");
        assert_eq!(gateway.get(CALL).await.text(), "good");
    }
}

/// RFC 9112 §6.3: the chunks count, and only they go on.
#[tokio::test]
async fn an_answer_with_both_framings_has_one_for_the_caller() {
    for fields in ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"]
    {
        let script = vec![at_once(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n")), at_once(OK)];
        let gateway = before(script, "").await;
        let reply = gateway.get(CALL).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "hello"), "{fields}");
        assert_ne!(reply.field("content-length"), Some("4"), "{fields}");
        assert_eq!(gateway.get(CALL).await.text(), "good");
    }
}

#[tokio::test]
async fn chunks_that_are_wrong_break_the_callers_answer_off() {
    for chunks in [
        "5\r\nhelloXX0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "five\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n10000000000000000\r\n",
        "5\r\nhello\r\nffffffffffffffff0\r\n",
    ] {
        let script =
            vec![at_once(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")), at_once(OK)];
        let gateway = before(script, "").await;
        let mut caller = gateway.connect().await;
        caller.request("GET", CALL, &[], b"").await;
        assert!(caller.try_reply_to("GET").await.is_none_or(|reply| reply.status == 502), "{chunks:?}");
        assert_eq!(gateway.get(CALL).await.text(), "good");
    }
}

/// What follows an answer on its connection was asked for by nobody, and is given to nobody.
#[tokio::test]
async fn a_second_answer_is_never_the_next_callers() {
    const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for (method, first, status) in [
        ("GET", OK, 200),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n", 200),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", 304),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", 200),
        ("HEAD", OK, 200),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
    ] {
        let gateway = before(vec![at_once(format!("{first}{POISON}")), at_once(OK)], "").await;
        let mut caller = gateway.connect().await;
        caller.request(method, CALL, &[], b"").await;
        assert_eq!(caller.reply_to(method).await.status, status, "{method} {first:?}");
        for _ in 0..3 {
            caller.request("GET", CALL, &[], b"").await;
            let reply = caller.reply().await;
            assert_eq!((reply.status, reply.text().as_str()), (200, "good"), "{method} {first:?}");
        }
    }
}

/// It streams for as long as the caller takes it, although it begins like a token error.
#[tokio::test]
async fn a_body_without_end_costs_the_gateway_nothing() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"errcode\":";
    for first in [head.to_owned(), head.replace("\r\n\r\n", "\r\nContent-Length: 999999999999\r\n\r\n")] {
        let script = Script::ForEver([first.as_bytes(), &[b' '; 65_536]].concat());
        let gateway = before(vec![script, at_once(OK)], "").await;
        let mut caller = gateway.connect().await;
        caller.request("GET", CALL, &[], b"").await;
        assert_eq!(caller.head().await.unwrap().0, 200);
        within(caller.exactly(32 << 20)).await.unwrap();
        drop(caller);
        assert_eq!(gateway.get(CALL).await.text(), "good");
    }
}
