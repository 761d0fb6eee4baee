//! Response splitting: nothing that a caller, or an upstream, writes becomes a line of an answer's head.

use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};
use wxgate::sandbox::Fault;

use super::heard;
use super::scripted::scripted;
use crate::support::{Gateway, account, sandbox};

const MARK: &str = "Injected";

/// The lines of the heads in what was heard.
fn heads(heard: &str) -> impl Iterator<Item = &str> {
    heard.split("\r\n\r\n").next().unwrap().split("\r\n")
}

#[tokio::test]
async fn what_a_caller_writes_is_in_no_head() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let line = "%0d%0aX-Injected:%201";
    for target in [
        format!("/wxa/any?a={line}"),
        format!("/wxa/any?{line}"),
        format!("/wxa/any{line}"),
        format!("/@nobody{line}/wxa/any"),
        format!("/@main/wxa/any?access_token={line}"),
        format!("/wxa/any?access_token=wxgate_{line}"),
        format!("/cgi-bin/token?appid={line}"),
        format!("/cgi-bin/token{line}"),
        format!("/sns/jscode2session?appid={line}&appid=b"),
        "/%E5%98%8A%E5%98%8DX-Injected:1".to_owned(),
    ] {
        for fields in ["X: y", "X-Wxgate-Account: Injected", "Origin: Injected", "Transfer-Encoding: Injected"] {
            let mut caller = gateway.connect().await;
            let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\nConnection: close\r\n\r\n");
            caller.write(head).await;
            let heard = heard(caller).await;
            assert!(heads(&heard).all(|line| !line.contains(MARK)), "{target} {fields}: {heard:?}");
            assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{target} {fields}: {heard:?}");
        }
    }
}

/// A redirect that repeats the query, as web tiers write them.
#[tokio::test]
async fn a_redirect_that_repeats_the_query_stays_one_line() {
    let wechat = sandbox().await;
    let location = HeaderValue::from_static("/a?b=%0d%0aX-Injected:%201&access_token=%0d%0aX-Injected:2&c=3");
    let fault = Fault::at("/wxa/any").status(StatusCode::FOUND, HeaderValue::from_static("text/html"), "");
    wechat.world().faults().add(fault.header(LOCATION, location));
    let reply = Gateway::with(&wechat, "").await.get("/wxa/any").await;
    assert_eq!(reply.field("location"), Some("/a?b=%0d%0aX-Injected:%201&c=3"));
    assert_eq!(reply.field("x-injected"), None);
}

/// The other way round: a head of WeChat's that is not one head.
#[tokio::test]
async fn lines_that_wechat_breaks_are_not_passed_on() {
    for lines in [
        "Location: /a\rX-Injected: 1",
        "Location: /a\r\n X-Injected: 1",
        "Location: /a\0X-Injected: 1",
        "X\r\n X-Injected: 1",
        "X-Injected : 1",
        " X-Injected: 1",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{lines}\r\nContent-Length: 2\r\n\r\nok");
        let base_url = scripted(vec![answer.into_bytes()]).await;
        let gateway = Gateway::at(&base_url, &account()).await;
        let mut caller = gateway.connect().await;
        let target = "/sns/userinfo?access_token=81_user";
        caller.write(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        let heard = heard(caller).await;
        assert!(heads(&heard).all(|line| !line.to_ascii_lowercase().starts_with("x-injected")), "{lines:?}: {heard:?}");
        assert!(heard.starts_with("HTTP/1.1 502 "), "{lines:?}: {heard:?}");
    }
}
