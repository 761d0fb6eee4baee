//! What the gateway makes of WeChat's answers: which of them say that the token is bad, and that all others pass as
//! they are.

use std::io::Read;
use std::time::Duration;

use flate2::read::{GzDecoder, ZlibDecoder};
use hyper::StatusCode;
use hyper::header::HeaderValue;
use wxgate::sandbox::{Coding, DEFAULT_APPID, Fault, HangUp, Kind, Sandbox};

use crate::support::{Caller, Gateway, Reply, sandbox};

/// Far longer than any test: what comes after it does not come.
const NEVER: Duration = Duration::from_secs(3_600);

/// A gateway whose token WeChat has accepted. A refusal on demand of this living token is healed with the same token.
async fn start(wechat: &Sandbox) -> Gateway {
    let gateway = Gateway::start(wechat, "[heal]\npause = '1ms'\n").await;
    assert_eq!(gateway.get("/warm-up").await.status, 200);
    gateway
}

fn retry(reply: &Reply) -> Option<&str> {
    reply.field("x-wxgate-retry")
}

fn padded(before: &str, after: &str, length: usize) -> Vec<u8> {
    format!("{before}{}{after}", "x".repeat(length - before.len() - after.len())).into_bytes()
}

#[tokio::test]
async fn a_rejection_is_recognised_however_it_is_written_and_whatever_calls_itself() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    let near_the_end = padded(r#"{"data":[{"errcode":0}],"pad":""#, r#"","errcode":40014}"#, 4096);
    for body in [
        br#"{"errcode":40001,"errmsg":"invalid credential rid: 1-2-3"}"#.to_vec(),
        br#"{"errmsg":"x","errcode":"40001"}"#.to_vec(),
        b"\xEF\xBB\xBF \r\n\t{\"errcode\" : 42001 }".to_vec(),
        b"{\"nickname\":\"\x00\x07\n\xE9\xFF\xC3\",\"errcode\":40001}".to_vec(),
        near_the_end,
    ] {
        for content_type in ["text/plain", "image/jpeg", "application/json"] {
            let fault = Fault::at("/x").times(1);
            let content_type = HeaderValue::from_static(content_type);
            wechat.world().faults().add(fault.status(StatusCode::OK, content_type, body.clone()));
            let reply = gateway.get("/x").await;
            let healed = (retry(&reply), reply.json()["errcode"].as_i64());
            assert_eq!(healed, (Some("healed"), Some(0)), "{}", body.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_rejection_counts_whatever_its_status() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    for status in [201, 400, 401, 403, 404, 412, 500, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        let fault = Fault::at("/x").times(1);
        wechat.world().faults().add(fault.status(
            status,
            HeaderValue::from_static("text/html"),
            r#"{"errcode":40001}"#,
        ));
        let reply = gateway.get("/x").await;
        assert_eq!((reply.status, retry(&reply)), (200, Some("healed")), "{status}");
    }
}

#[tokio::test]
async fn what_is_no_rejection_passes_as_it_is() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    let bodies = [
        br#"{"detail":[{"errcode":40001}],"errcode":0,"errmsg":"ok"}"#.to_vec(),
        br#"{"detail":{"errcode":42001}}"#.to_vec(),
        br#"{"text":"{\"errcode\":40001}"}"#.to_vec(),
        br#"[{"errcode":40001}]"#.to_vec(),
        br#""errcode":40001"#.to_vec(),
        b"\x89PNG\r\n{\"errcode\":40001}".to_vec(),
        padded(r#"{"errcode":40001,"pad":""#, r#""}"#, 4097),
        padded(r#"{"pad":""#, r#"","errcode":40001}"#, 300_000),
        br#"{"errcode":-1,"errmsg":"system error"}"#.to_vec(),
        br#"{"errcode":48001,"errmsg":"api unauthorized"}"#.to_vec(),
        br#"{"errcode":61007,"errmsg":"api is unauthorized to component"}"#.to_vec(),
        br#"{"errcode":41001,"errmsg":"access_token missing"}"#.to_vec(),
        b"<html>40001</html>".to_vec(),
        b"{".to_vec(),
        Vec::new(),
    ];
    let count = bodies.len() as u64;
    for body in bodies {
        wechat.world().faults().add(Fault::at("/x").times(1).body(body.clone()));
        let reply = gateway.get("/x").await;
        assert_eq!((reply.status, retry(&reply)), (200, None), "{}", body.escape_ascii());
        assert!(reply.body == body, "{}", body.escape_ascii());
    }
    assert_eq!(wechat.world().journal().count("/x"), count, "each was sent once");
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).stable, 1);
}

fn unpacked(reply: &Reply) -> Vec<u8> {
    let mut plain = Vec::new();
    match reply.field("content-encoding") {
        Some("gzip") => GzDecoder::new(&reply.body[..]).read_to_end(&mut plain).unwrap(),
        Some("deflate") => ZlibDecoder::new(&reply.body[..]).read_to_end(&mut plain).unwrap(),
        other => panic!("{other:?}"),
    };
    plain
}

#[tokio::test]
async fn compressed_answers_are_judged_and_arrive_compressed() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    let small_on_the_wire = padded(r#"{"errcode":40001,"pad":""#, r#""}"#, 100_000);
    for coding in [Coding::Gzip, Coding::Deflate] {
        for chunked in [false, true] {
            let fault = |body: &[u8]| {
                let fault = Fault::at("/x").times(1).body(body.to_vec()).coding(coding);
                wechat.world().faults().add(if chunked { fault.chunked() } else { fault });
            };
            fault(br#"{"errcode":"42001","errmsg":"access_token expired"}"#);
            assert_eq!(retry(&gateway.get("/x").await), Some("healed"), "{coding:?} {chunked}");
            for body in [&br#"{"openid":"o6"}"#[..], b"[1,2,3]", &small_on_the_wire] {
                fault(body);
                let reply = gateway.get("/x").await;
                assert_eq!(retry(&reply), None, "{coding:?} {chunked}");
                assert!(unpacked(&reply) == body, "{coding:?} {chunked}");
            }
        }
    }
}

#[tokio::test]
async fn chunked_answers_are_judged_too() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    for pace in [1, 7, 1000] {
        let fault = Fault::at("/x").times(1).chunked().pace(pace, Duration::ZERO);
        wechat.world().faults().add(fault.body(r#"{"errcode":40001,"errmsg":"invalid"}"#));
        assert_eq!(retry(&gateway.get("/x").await), Some("healed"), "{pace}");
    }
    let large = padded(r#"{"errcode":40001,"pad":""#, r#""}"#, 4097);
    wechat.world().faults().add(Fault::at("/x").times(1).chunked().body(large.clone()));
    let reply = gateway.get("/x").await;
    assert!((retry(&reply), &reply.body) == (None, &large));
}

/// The same request made of WeChat itself, with the gateway's token.
async fn directly(wechat: &Sandbox, method: &str, target: &str, body: &[u8]) -> Reply {
    let token = wechat.world().with_ledger(|ledger, _| ledger.newest(DEFAULT_APPID, Kind::Stable).unwrap().to_owned());
    let mut caller = Caller::connect(wechat.address()).await;
    caller.request(method, &format!("{target}access_token={token}"), &[], body).await;
    caller.reply().await
}

#[tokio::test]
async fn pictures_and_long_lists_arrive_byte_for_byte() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    for (method, target, body) in
        [("POST", "/wxa/getwxacodeunlimit?", &br#"{"scene":"a=1"}"#[..]), ("GET", "/cgi-bin/user/get?", b"")]
    {
        let (whole, reply) =
            (directly(&wechat, method, target, body).await, gateway.request(method, target, &[], body).await);
        assert!(whole.body.len() > 100, "{whole:?}");
        assert_eq!(reply.field("content-type"), whole.field("content-type"));
        assert!(reply.body == whole.body, "{target}");
    }
}

#[tokio::test]
async fn the_first_bytes_reach_the_caller_before_the_last_have_left_wechat() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    let large = padded(r#"{"data":""#, r#""}"#, 10_000);
    let no_object = padded("[\"", "\"]", 100);
    for (body, piece) in [(large.clone(), 5_000), (no_object, 50)] {
        wechat.world().faults().add(Fault::at("/x").times(1).body(body.clone()).pace(piece, NEVER));
        let mut caller = gateway.connect().await;
        caller.request("GET", "/x", &[], b"").await;
        assert_eq!(caller.head().await.unwrap().0, 200);
        assert!(caller.exactly(piece).await.unwrap() == body[..piece]);
    }
    // Nothing but its own length tells that a chunked answer is too long for a token error.
    wechat.world().faults().add(Fault::at("/x").body(large.clone()).chunked().pace(5_000, NEVER));
    let mut caller = gateway.connect().await;
    caller.request("GET", "/x", &[], b"").await;
    caller.head().await.unwrap();
    assert!(caller.until(&large[4_900..5_000]).await.is_some());
}

#[tokio::test]
async fn answers_without_a_body_leave_both_connections_usable() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    let mut caller = gateway.connect().await;
    wechat.world().faults().add(Fault::at("/x").times(1).body(r#"{"errcode":40001}"#));
    caller.request("HEAD", "/x", &[], b"").await;
    let reply = caller.reply_to("HEAD").await;
    assert_eq!((reply.status, reply.field("content-length"), retry(&reply)), (200, Some("17"), None));
    for (head, status) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", 304),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 25\r\n\r\n", 304),
    ] {
        wechat.world().faults().add(Fault::at("/x").times(1).raw(head));
        caller.request("GET", "/x", &[], b"").await;
        let reply = caller.reply().await;
        assert_eq!((reply.status, retry(&reply)), (status, None), "{head}");
    }
    caller.request("GET", "/cgi-bin/user/info?openid=o6", &[], b"").await;
    assert_eq!(caller.reply().await.json()["openid"], "o6");
}

#[tokio::test]
async fn interim_answers_are_passed_over_and_a_protocol_nobody_asked_for_is_refused() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    wechat.world().faults().add(Fault::at("/x").times(1).raw(early));
    let reply = gateway.get("/x").await;
    assert_eq!((reply.status, reply.text().as_str(), reply.field("link")), (200, "ok", None));
    wechat.world().faults().add(Fault::at("/x").raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"));
    let reply = gateway.get("/x").await;
    assert_eq!((reply.status, reply.error()), (502, Some("upstream_invalid")));
}

#[tokio::test]
async fn an_answer_that_breaks_off_while_it_is_held_back_breaks_off_for_the_caller() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    let broken = || Fault::at("/x").times(1).errcode(40001).hang_up(HangUp::AmidBody);
    for fault in [broken(), broken().chunked()] {
        wechat.world().faults().add(fault);
        let mut caller = gateway.connect().await;
        caller.request("GET", "/x", &[], b"").await;
        assert_eq!(caller.head().await.unwrap().0, 200);
        assert!(caller.until(b"40001").await.is_some(), "what came goes on");
        assert!(caller.until(b"rid: ").await.is_none());
    }
    assert_eq!(wechat.world().journal().count("/x"), 2, "half an answer is no verdict");
}

#[tokio::test]
async fn a_second_answer_that_breaks_off_is_no_acceptance() {
    let wechat = sandbox().await;
    let gateway = start(&wechat).await;
    wechat.world().faults().add(Fault::at("/x").times(1).errcode(40001));
    wechat.world().faults().add(Fault::at("/x").times(1).errcode(40001).hang_up(HangUp::AmidBody));
    let mut caller = gateway.connect().await;
    caller.request("GET", "/x", &[], b"").await;
    let (_, fields) = caller.head().await.unwrap();
    assert!(fields.contains(&("x-wxgate-retry".to_owned(), "failed".to_owned())), "{fields:?}");
}
