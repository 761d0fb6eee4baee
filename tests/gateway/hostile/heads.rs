//! Heads that are malformed, and heads that do not end (RFC 9112 §2.2, §3, §5).

use tokio::io::AsyncWriteExt;

use super::{Arrives, Case, Refused, SMUGGLED, assert_fates};
use crate::support::{Gateway, sandbox, within};

/// A GET with this line or these lines in its head, and a smuggled request behind it.
fn get(lines: &str) -> String {
    format!("GET INTENDED HTTP/1.1\r\nHost: localhost\r\n{lines}\r\nConnection: close\r\n\r\n{SMUGGLED}")
}

#[tokio::test]
async fn fields_that_are_none_are_refused() {
    let lines = [
        "no colon",
        ": no name",
        "X : a space before the colon",
        "X\t: a tab before the colon",
        " X: a space before the name",
        "X Y: a space in the name",
        "X\0: NUL in the name",
        "X\u{7f}: DEL in the name",
        "X\u{1}: a control character in the name",
        "X(y): a parenthesis in the name",
        "X\u{e9}: no ASCII in the name",
        "X: NUL \0 in the value",
        "X: \u{1} in the value",
        "X: \u{7f} in the value",
        "X: a bare \r in the value",
        "X: folded\r\n behind",
        "X: folded\r\n\tbehind a tab",
        "X:\r\n Transfer-Encoding: chunked",
    ];
    let cases: Vec<_> = lines.iter().map(|lines| (*lines, get(lines))).collect();
    let cases: Vec<Case<'_>> = cases.iter().map(|(what, bytes)| (*what, &**bytes, Refused)).collect();
    assert_fates(&cases).await;
}

#[tokio::test]
async fn request_lines_that_are_none_are_refused() {
    let lines = [
        "GET INTENDED",
        "GET INTENDED ",
        "GET INTENDED HTTP/1.1 ",
        "GET INTENDED HTTP/1.1 HTTP/1.1",
        "GET  INTENDED HTTP/1.1",
        "GET\tINTENDED HTTP/1.1",
        "GET INTENDED\tHTTP/1.1",
        "GET INTENDED HTTP/0.9",
        "GET INTENDED HTTP/1.2",
        "GET INTENDED HTTP/2.0",
        "GET INTENDED HTTP/2",
        "GET INTENDED HTTP/11",
        "GET INTENDED http/1.1",
        "GET INTENDED HTTPS/1.1",
        "GET INTENDED HTTP/1.1\0",
        "GET INTEND\u{1}ED INTENDED HTTP/1.1",
        "GET INTENDED\r HTTP/1.1",
        "G\0T INTENDED HTTP/1.1",
        "G(T INTENDED HTTP/1.1",
        " GET INTENDED HTTP/1.1",
        "INTENDED HTTP/1.1",
    ];
    let end = format!("\r\nHost: localhost\r\nConnection: close\r\n\r\n{SMUGGLED}");
    let cases: Vec<_> = lines.iter().map(|line| (*line, format!("{line}{end}"))).collect();
    let cases: Vec<Case<'_>> = cases.iter().map(|(what, bytes)| (*what, &**bytes, Refused)).collect();
    assert_fates(&cases).await;
}

/// RFC 9112 §2.2: empty lines before a request, and LF alone at the end of a line, may be taken.
#[tokio::test]
async fn what_is_only_untidy_is_one_request() {
    assert_fates(&[
        ("empty lines before", &format!("\r\n\r\n{}", get("X: y")), Arrives("")),
        ("LF alone", &format!("GET INTENDED HTTP/1.1\nHost: localhost\nConnection: close\n\n{SMUGGLED}"), Arrives("")),
        ("an empty value", &get("X:"), Arrives("")),
        ("white space around a value", &get("X: \t y \t"), Arrives("")),
        ("bytes beyond ASCII in a value", &get("X: \u{e9}\u{4e2d}"), Arrives("")),
        ("names with all that a token may have", &get("!#$%&'*+-.^_`|~09azAZ: y"), Arrives("")),
    ])
    .await;
}

/// Written to for ever, the gateway hangs up by itself, long before its deadlines, with or without a word.
async fn assert_hangs_up(beginning: &str, more: &[u8]) {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "server.head_timeout = '1h'\nserver.idle_timeout = '1h'").await;
    let mut caller = gateway.connect().await;
    caller.write(beginning).await;
    let mut sent = 0;
    while within(caller.stream.write_all(more)).await.is_ok() {
        sent += more.len();
        assert!(sent < 64 << 20, "all of it is taken");
    }
    assert_eq!(gateway.get("/cgi-bin/user/info?openid=o6").await.json()["openid"], "o6");
}

#[tokio::test]
async fn heads_without_end_are_cut_off() {
    assert_hangs_up("GET /", &[b'x'; 10_000]).await;
    assert_hangs_up("GET /?", b"a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&").await;
    assert_hangs_up("", &[b'G'; 10_000]).await;
    assert_hangs_up("GET / HTTP/1.1\r\n", &b"X: y\r\n".repeat(1_000)).await;
    assert_hangs_up("GET / HTTP/1.1\r\nHost: localhost\r\nX: ", &[b'x'; 10_000]).await;
    assert_hangs_up("GET / HTTP/1.1\r\nHost: localhost\r\n", &[b'x'; 10_000]).await;
}

#[tokio::test]
async fn empty_lines_without_end_are_cut_off() {
    assert_hangs_up("", &b"\r\n".repeat(1_000)).await;
}

/// The same bytes that would be one head, from two hundred callers at once.
#[tokio::test]
async fn a_flood_of_heads_does_not_keep_others_out() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let mut caller = gateway.connect().await;
        flood.spawn(async move {
            caller.write("GET / HTTP/1.1\r\nHost: localhost\r\n").await;
            let fields = b"X-Flood: 0123456789012345678901234567890123456789\r\n".repeat(20);
            while within(caller.stream.write_all(&fields)).await.is_ok() {}
        });
    }
    assert_eq!(gateway.get("/cgi-bin/user/info?openid=o6").await.json()["openid"], "o6");
    flood.join_all().await;
    assert_eq!(gateway.get("/cgi-bin/user/info?openid=o6").await.json()["openid"], "o6");
}
