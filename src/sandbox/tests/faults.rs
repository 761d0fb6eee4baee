//! Faults as they look from the other end of the wire.

use std::io::Read;
use std::time::Duration;

use flate2::read::{GzDecoder, ZlibDecoder};
use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};

use super::*;

const PATH: &str = "/cgi-bin/get_api_domain_ip";

/// What arrives of an answer that this fault strikes.
async fn struck_by(fault: Fault) -> Arrived {
    let wechat = Sandbox::fresh().await;
    wechat.world().faults().add(fault.times(1));
    let answer = wechat.get(&wechat.signed(PATH)).await;
    assert_eq!(wechat.get(&wechat.signed(PATH)).await.errcode(), None, "one fault strikes once");
    answer
}

#[tokio::test]
async fn an_errcode_a_status_and_headers_are_answered_as_ordered() {
    assert_eq!(struck_by(Fault::at(PATH).errcode(45011)).await.errcode(), Some(45011));
    let location = HeaderValue::from_static("/x?access_token=leak");
    let page = Fault::anywhere().status(StatusCode::BAD_GATEWAY, HeaderValue::from_static("text/html"), "<p>");
    let answer = struck_by(page.header(LOCATION, location)).await;
    assert_eq!((answer.status(), answer.body()), (502, &b"<p>"[..]));
    assert!(answer.head().contains("location: /x?access_token=leak\r\n"), "{}", answer.head());
}

#[tokio::test]
async fn a_fault_of_another_path_does_not_strike() {
    let wechat = Sandbox::fresh().await;
    wechat.world().faults().add(Fault::at("/cgi-bin/user/info").errcode(-1));
    assert_eq!(wechat.get(&wechat.signed(PATH)).await.errcode(), None);
    assert_eq!(wechat.get(&wechat.signed("/cgi-bin/user/info?openid=o")).await.errcode(), Some(-1));
}

#[tokio::test]
async fn a_hang_up_comes_before_or_amid_the_answer() {
    assert_eq!(struck_by(Fault::at(PATH).hang_up(HangUp::Before)).await.0, b"");
    assert_eq!(struck_by(Fault::at(PATH).hang_up(HangUp::AmidHead)).await.0, b"HTTP/1.1 200 OK\r\ncon");
    let answer = struck_by(Fault::at(PATH).body("0123456789").hang_up(HangUp::AmidBody)).await;
    assert!(answer.head().contains("content-length: 10\r\n"), "{}", answer.head());
    assert_eq!(answer.body(), b"01234");
}

#[tokio::test]
async fn a_hang_up_after_the_answer_gives_no_notice() {
    let wechat = Sandbox::fresh().await;
    for fault in [Fault::at(PATH), Fault::at(PATH).body(""), Fault::at(PATH).chunked()] {
        wechat.world().faults().add(fault.hang_up(HangUp::After).times(1));
        // A request that asks to keep the connection.
        let answer = wechat.exchange(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", wechat.signed(PATH))).await;
        assert_eq!(answer.status(), 200);
        assert!(!answer.head().contains("connection:"), "{}", answer.head());
    }
}

#[tokio::test]
async fn an_idle_connection_dies_without_notice() {
    let settings = Settings { idle: Duration::from_millis(500), ..Settings::default() };
    let wechat = Sandbox::start(settings).await.unwrap();
    let answer = wechat.exchange(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", wechat.signed(PATH))).await;
    assert_eq!(answer.errcode(), None, "the answer and nothing behind it");
    assert!(!answer.head().contains("connection:"), "{}", answer.head());
}

#[tokio::test]
async fn raw_bytes_go_out_as_they_are() {
    let raw = b"HTTP/1.1 200\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc";
    assert_eq!(struck_by(Fault::at(PATH).raw(&raw[..])).await.0, raw);
}

#[tokio::test]
async fn an_answer_may_be_compressed_or_chunked() {
    let mut text = String::new();
    let gzip = struck_by(Fault::at(PATH).coding(Coding::Gzip)).await;
    assert!(gzip.head().contains("content-encoding: gzip\r\n"), "{}", gzip.head());
    GzDecoder::new(gzip.body()).read_to_string(&mut text).unwrap();
    assert!(text.contains("ip_list"));

    let deflate = struck_by(Fault::at(PATH).coding(Coding::Deflate).body("abc")).await;
    assert!(deflate.head().contains("content-encoding: deflate\r\n"), "{}", deflate.head());
    text.clear();
    ZlibDecoder::new(deflate.body()).read_to_string(&mut text).unwrap();
    assert_eq!(text, "abc");

    let chunked = struck_by(Fault::at(PATH).body("abc").chunked().pace(2, Duration::ZERO)).await;
    assert!(chunked.head().contains("transfer-encoding: chunked\r\n"), "{}", chunked.head());
    assert_eq!(chunked.body(), b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_slow_answer_is_whole_in_the_end() {
    let slow = Fault::at(PATH).delay(Duration::from_millis(20)).pace(1, Duration::from_millis(1));
    assert_eq!(struck_by(slow.body("0123456789")).await.body(), b"0123456789");
}

#[tokio::test]
async fn a_held_request_is_judged_when_the_gate_opens() {
    let wechat = Sandbox::fresh().await;
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at(PATH).hold(&gate));
    let target = wechat.signed(PATH);
    let release = async {
        gate.held(1).await;
        wechat.world().kill_tokens();
        gate.open();
    };
    let (answer, ()) = tokio::join!(wechat.get(&target), release);
    assert_eq!(answer.errcode(), Some(40001));
}

#[tokio::test]
async fn token_endpoints_fail_too() {
    let wechat = Sandbox::fresh().await;
    wechat.world().faults().add(Fault::at(CLASSIC).body("<garbage").times(1));
    wechat.world().faults().add(Fault::at(CLASSIC).body(vec![b' '; 10 << 20]).times(1));
    let fetch = format!("{CLASSIC}?{FETCH}");
    assert_eq!(wechat.get(&fetch).await.body(), b"<garbage");
    assert_eq!(wechat.get(&fetch).await.body().len(), 10 << 20);
    assert!(wechat.get(&fetch).await.json()["access_token"].is_string());
}
