//! HTTP/2 spoken badly: frames that no honest caller sends, and what ends the connection.

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use wxgate::sandbox::{Fault, Sandbox};

use super::frames::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frames, HEADERS, RST_STREAM, SETTINGS,
    frame, get,
};
use super::http2_caller::Http2Caller;
use super::{H2, INFO, Secure};
use crate::support::{Caller, Gateway, sandbox, within};

struct Abused {
    wechat: Sandbox,
    secure: Secure,
    gateway: Gateway,
}

impl Abused {
    async fn start(keys: &str) -> Self {
        let (wechat, secure) = (sandbox().await, Secure::new());
        let gateway = secure.gateway(&wechat, keys).await;
        Self { wechat, secure, gateway }
    }

    async fn frames(&self) -> Frames<TlsStream<TcpStream>> {
        Frames::begin(self.secure.connect(self.gateway.address, H2).await).await
    }

    async fn caller(&self) -> Http2Caller {
        Http2Caller::over(self.secure.connect(self.gateway.address, H2).await).await
    }

    /// A new caller gets WeChat's answer; places that are given back take their time, which no event here shows.
    async fn assert_serves(&self) {
        let caller = self.caller().await;
        within(async {
            loop {
                let reply = caller.get(INFO).await;
                if reply.status == 200 {
                    return assert_eq!(reply.json()["openid"], "o6");
                }
                assert_eq!(reply.error(), Some("too_busy"));
            }
        })
        .await;
    }
}

/// CVE-2023-44487: requests that are taken back at once must not pile up.
#[tokio::test]
async fn requests_that_are_taken_back_at_once_end_their_connection() {
    let abused = Abused::start("server.requests = 4\n").await;
    let mut frames = abused.frames().await;
    let block = get("/wxa/any", Some("localhost"), &[]);
    let mut flood = Vec::new();
    for stream in (1..20_000).step_by(2) {
        flood.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &block));
        flood.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    let (mut reading, mut writing) = tokio::io::split(&mut frames.0);
    let mut heard = Frames(tokio::io::join(&mut reading, tokio::io::sink()));
    let (goaway, _) = tokio::join!(heard.goaway(), tokio::io::AsyncWriteExt::write_all(&mut writing, &flood));
    assert_eq!(goaway, Some(ENHANCE_YOUR_CALM));
    abused.assert_serves().await;
    assert!(abused.wechat.world().journal().count("/wxa/any") < 1_000);
}

/// CVE-2024-27316 and its kin: a head that never ends.
#[tokio::test]
async fn a_head_that_is_continued_for_ever_ends_its_connection() {
    let abused = Abused::start("").await;
    let mut frames = abused.frames().await;
    let mut flood = frame(HEADERS, END_STREAM, 1, &get("/wxa/any", Some("localhost"), &[]));
    let filler = "x".repeat(100);
    let fields = get("/", None, &[("x-filler", filler.as_str()); 100])[5..].to_vec(); // less what stands before them
    for _ in 0..1_000 {
        flood.extend(frame(CONTINUATION, 0, 1, &fields));
    }
    let (mut reading, mut writing) = tokio::io::split(&mut frames.0);
    let mut heard = Frames(tokio::io::join(&mut reading, tokio::io::sink()));
    let (goaway, _) = tokio::join!(heard.goaway(), tokio::io::AsyncWriteExt::write_all(&mut writing, &flood));
    assert!(goaway.is_some_and(|code| code != 0), "{goaway:?}");
    assert_eq!(abused.wechat.world().journal().count("/wxa/any"), 0);
    abused.assert_serves().await;
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused_and_its_neighbours_are_not() {
    let abused = Abused::start("server.head_size = '1KiB'\n").await;
    let caller = abused.caller().await;
    assert_eq!(caller.request("GET", INFO, &[("x-filler", &"x".repeat(800))], b"").await.status, 200);
    let reply = caller.request("GET", INFO, &[("x-filler", &"x".repeat(1_100))], b"").await;
    assert_eq!((reply.status, reply.error()), (413, Some("head_too_large")));
    let fields: Vec<_> = (0..60).map(|_| ("x-filler", "x".repeat(1_000))).collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = caller.try_request("GET", INFO, &fields, b"").await;
    assert!(refused.is_err() || refused.unwrap().status == 431);
    assert_eq!(abused.wechat.world().journal().count("/cgi-bin/user/info"), 1);
    abused.assert_serves().await;
}

#[tokio::test]
async fn a_request_without_an_authority_or_with_fields_of_a_connection_is_malformed() {
    let abused = Abused::start("").await;
    for (block, what) in [
        (get("/wxa/any", None, &[]), "no authority"),
        (get("/wxa/any", Some(""), &[]), "an empty authority"),
        (get("/wxa/any", Some("user@localhost"), &[]), "user information"),
        (get("/wxa/any", Some("localhost"), &[("connection", "keep-alive")]), "connection"),
        (get("/wxa/any", Some("localhost"), &[("transfer-encoding", "chunked")]), "transfer-encoding"),
        (get("/wxa/any", Some("localhost"), &[("upgrade", "websocket")]), "upgrade"),
        (get("/wxa/any", Some("localhost"), &[("X-Capital", "1")]), "capitals in a name"),
        (get("/wxa/any", Some("localhost"), &[("x-a", "b\r\nx-injected: 1")]), "a line break in a value"),
        (get("/wxa/any", Some("localhost"), &[("x-a\r\nx-injected", "1")]), "a line break in a name"),
        (get("/wxa/any\r\nX: y", Some("localhost"), &[]), "a line break in the path"),
        (get("/wxa/any HTTP/1.1", Some("localhost"), &[]), "a space in the path"),
        (get("wxa/any", Some("localhost"), &[]), "no slash"),
        (get("", Some("localhost"), &[]), "no path"),
        (get("*", Some("localhost"), &[]), "a star"),
        (get("/wxa/any", Some("localhost"), &[("content-length", "5")]), "a length that is not true"),
        (get("/wxa/any", Some("localhost"), &[(":path", "/wxa/any")]), "a second path"),
    ] {
        let mut frames = abused.frames().await;
        frames.write(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)).await;
        // A refusal comes as an answer, as a reset of the stream, or with the end of the connection.
        frames.write(&frame(HEADERS, END_STREAM | END_HEADERS, 3, &get("/wxa/end", Some("localhost"), &[]))).await;
        let answer = frames.next(HEADERS).await;
        let served =
            answer.is_some_and(|block| block[0] == 0x88) && abused.wechat.world().journal().count("/wxa/end") == 0;
        assert!(!served, "{what}");
        assert_eq!(abused.wechat.world().journal().count("/wxa/any"), 0, "{what}");
        assert!(!abused.wechat.world().journal().requests().iter().any(|seen| seen.headers.contains_key("x-injected")));
        abused.wechat.world().journal().clear();
    }
    abused.assert_serves().await;
}

/// A window that stays shut blocks no socket: only the stream itself shows that its caller takes nothing.
#[tokio::test]
async fn an_answer_that_is_not_taken_ends_its_stream_and_no_other() {
    let abused = Abused::start("server.requests = 1\nserver.send_timeout = '100ms'\n").await;
    abused.wechat.world().faults().add(Fault::at("/wxa/large").body(vec![b'x'; 1 << 20]));
    let mut frames = abused.frames().await;
    for window in [0, 1] {
        frames.write(&frame(SETTINGS, 0, 0, &initial_window(window))).await;
        let stream = 1 + 2 * window;
        frames
            .write(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &get("/wxa/large", Some("localhost"), &[])))
            .await;
        assert_eq!(frames.next(RST_STREAM).await, Some(CANCEL.to_be_bytes().to_vec()), "{window}");
        abused.assert_serves().await;
    }
    frames.write(&frame(SETTINGS, 0, 0, &initial_window(65_535))).await;
    frames.write(&frame(HEADERS, END_STREAM | END_HEADERS, 5, &get(INFO, Some("localhost"), &[]))).await;
    assert!(frames.next(DATA).await.unwrap().starts_with(b"{"), "the connection goes on");
}

/// SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.5.2).
fn initial_window(bytes: u32) -> Vec<u8> {
    [&[0, 4][..], &bytes.to_be_bytes()].concat()
}

#[tokio::test]
async fn a_drain_says_goodbye_in_http_2() {
    let abused = Abused::start("").await;
    let mut frames = abused.frames().await;
    frames.write(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/wxa/any", Some("localhost"), &[]))).await;
    assert!(frames.next(HEADERS).await.is_some());
    abused.gateway.drain();
    assert_eq!(frames.goaway().await, Some(0));
    drop(frames);
    abused.gateway.stopped().await.unwrap();
}

/// Prior knowledge (RFC 9113 §3.3) is not taken for granted where nothing was agreed on.
#[tokio::test]
async fn http_2_in_the_clear_is_not_spoken() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let mut caller = gateway.connect().await;
    caller.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let heard = caller.until_end().await.unwrap_or_default();
    assert!(
        heard.is_empty() || heard.starts_with(b"HTTP/1.1 400 ") || heard.starts_with(b"HTTP/1.1 505 "),
        "{heard:?}"
    );
    let mut caller: Caller = gateway.connect().await;
    let upgrade =
        [("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")];
    caller.request("GET", INFO, &upgrade, b"").await;
    assert_eq!(caller.reply().await.status, 200, "the offer is not taken up");
}
