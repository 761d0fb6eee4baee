//! What every business call meets first, and what the journal keeps of it.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use hyper::header::HeaderName;

use super::*;

const PATH: &str = "/cgi-bin/get_api_domain_ip";

#[tokio::test]
async fn the_query_must_hold_exactly_one_living_token() {
    let wechat = Sandbox::fresh().await;
    let token = wechat.token();
    let cases = [
        (String::new(), Some(41001)),
        ("?access_token=".to_owned(), Some(41001)),
        ("?access_token=92_forged".to_owned(), Some(40001)),
        (format!("?access_token={token}&access_token={token}"), Some(40001)),
        (format!("?access%5Ftoken={token}&access_token=placeholder"), Some(40001)),
        (format!("?a=access_token=&access_token={token}"), None),
    ];
    for (query, errcode) in cases {
        let answer = wechat.get(&format!("{PATH}{query}")).await;
        assert_eq!((answer.status(), answer.errcode()), (200, errcode), "{query}");
    }
}

#[tokio::test]
async fn a_token_in_the_body_is_no_token() {
    let wechat = Sandbox::fresh().await;
    let body = format!(r#"{{"access_token":"{}"}}"#, wechat.token());
    assert_eq!(wechat.post("/cgi-bin/message/custom/send", body).await.errcode(), Some(41001));
}

#[tokio::test]
async fn tokens_age_expire_and_die() {
    let wechat = Sandbox::fresh().await;
    let target = wechat.signed(PATH);
    wechat.world().advance(Duration::from_secs(7200));
    assert_eq!(wechat.get(&target).await.errcode(), Some(42001));
    let target = wechat.signed(PATH);
    assert_eq!(wechat.get(&target).await.errcode(), None);
    wechat.world().kill_tokens();
    assert_eq!(wechat.get(&target).await.errcode(), Some(40001));
    let target = wechat.signed(PATH);
    wechat.world().another_system_refreshes(DEFAULT_APPID);
    assert_eq!(wechat.get(&target).await.errcode(), Some(40001));
}

#[tokio::test]
async fn a_chunked_body_gets_412_and_a_post_without_a_length_411() {
    let wechat = Sandbox::fresh().await;
    let target = wechat.signed("/cgi-bin/message/custom/send");
    let chunked = head("POST", &target, "Transfer-Encoding: chunked\r\n") + "2\r\n{}\r\n0\r\n\r\n";
    assert_eq!(wechat.exchange(chunked).await.status(), 412);
    assert_eq!(wechat.exchange(head("POST", &target, "")).await.status(), 411);
    assert_eq!(wechat.post(&target, "{}").await.errcode(), Some(0));
}

#[tokio::test]
async fn the_journal_keeps_a_request_just_as_it_came() {
    let wechat = Sandbox::fresh().await;
    let target = "/a//b;c/%2e%2E/?x=%41%zz&&=&x=+&access_token=T%6F&{}|^`'é";
    let body = b"\x00\xffraw";
    wechat.send("POST", target, "X-Twice: 1\r\nX-Other: \u{e9}\r\nx-twice:  2 \r\n", body).await;
    let seen = wechat.world().journal().last().unwrap();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", target));
    assert_eq!(seen.header(&HeaderName::from_static("x-twice")), [b"1", b"2"]);
    assert_eq!(seen.header(&HeaderName::from_static("x-other")), ["\u{e9}".as_bytes()]);
    assert_eq!(seen.parameters("access_token"), ["To"]);
    assert_eq!((seen.body_length, seen.body.as_deref()), (5, Some(&body[..])));
    assert_eq!(seen.body_sha256, digest(&SHA256, body).as_ref());
    assert_eq!(wechat.world().journal().count("/a//b;c/%2e%2E/"), 1);
}

#[tokio::test]
async fn requests_on_one_connection_share_its_number() {
    let wechat = Sandbox::fresh().await;
    let mut socket = wechat.connect().await;
    let pipelined = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned() + &head("GET", "/2", "");
    socket.write_all(pipelined.as_bytes()).await.unwrap();
    socket.read_to_end(&mut Vec::new()).await.unwrap();
    wechat.get("/3").await;
    let numbers: Vec<u64> = wechat.world().journal().requests().iter().map(|seen| seen.connection).collect();
    assert_eq!(numbers, [1, 1, 2]);
    assert_eq!(wechat.world().journal().connections(), 2);
}
