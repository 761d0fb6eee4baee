//! The account's token and secret never leave in a field of an answer.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LINK, LOCATION};
use wxgate::sandbox::{DEFAULT_APPID, DEFAULT_SECRET, Fault, Kind, Sandbox};

use crate::support::{Gateway, Reply, sandbox};
use crate::two_accounts::{SHOP, SHOP_SECRET, both, sandbox_of_two};

const ECHO: HeaderName = HeaderName::from_static("x-echo");

fn token(wechat: &Sandbox, appid: &str) -> String {
    wechat.world().with_ledger(|ledger, _| ledger.newest(appid, Kind::Stable).unwrap().to_owned())
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}

fn assert_hidden(reply: &Reply, secrets: &[&str]) {
    for (name, value) in &reply.fields {
        assert!(secrets.iter().all(|secret| !value.contains(secret)), "{name}: {value}");
    }
}

#[tokio::test]
async fn a_redirect_is_passed_on_and_neither_followed_nor_does_it_tell_the_token() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    gateway.get("/warm-up").await;
    let token = token(&wechat, DEFAULT_APPID);
    for (status, location, expected) in [
        (301, format!("https://mp.weixin.qq.com/x?access_token={token}"), "https://mp.weixin.qq.com/x"),
        (302, format!("/y?a=1&access_token={token}&b=2#f"), "/y?a=1&b=2#f"),
        (303, "/y?a=1&%61ccess_token=encoded".to_owned(), "/y?a=1"),
        (307, format!("/y?secret={DEFAULT_SECRET}&appsecret=s&a=%41"), "/y?a=%41"),
        (308, "/y?my_access_token=1".to_owned(), "/y?my_access_token=1"),
    ] {
        let moved = Fault::at("/x").times(1).header(LOCATION, value(&location));
        let status = StatusCode::from_u16(status).unwrap();
        wechat.world().faults().add(moved.status(status, value("text/html"), "moved"));
        let reply = gateway.get("/x").await;
        assert_eq!((reply.status, reply.field("location")), (status.as_u16(), Some(expected)));
    }
    assert_eq!((wechat.world().journal().count("/x"), wechat.world().journal().count("/y")), (5, 0));
}

#[tokio::test]
async fn an_echo_of_the_token_or_the_secret_is_blotted_out() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    gateway.get("/warm-up").await;
    let token = token(&wechat, DEFAULT_APPID);
    let echo = Fault::anywhere()
        .header(ECHO, value(&format!("you sent access_token={token}")))
        .header(ECHO, value("harmless"))
        .header(LINK, value(&format!("</a?access_token={token}&b=1>; rel=next")))
        .header(HeaderName::from_static("x-secret"), value(&format!("={DEFAULT_SECRET}")));
    wechat.world().faults().add(echo);
    let reply = gateway.get("/x").await;
    assert_hidden(&reply, &[&token, DEFAULT_SECRET]);
    let echoes: Vec<_> = reply.fields.iter().filter(|(name, _)| name == "x-echo").map(|(_, v)| v.as_str()).collect();
    assert_eq!(echoes, ["[redacted]", "harmless"]);
    assert_eq!(reply.field("link"), Some("</a?b=1>; rel=next"));
}

#[tokio::test]
async fn a_secret_is_blotted_out_as_it_is_and_as_it_stood_in_the_query() {
    let wechat = sandbox_of_two().await;
    let gateway = Gateway::with_accounts(&wechat, &both()).await;
    let in_query = "shop%26secret%3D%2B%2F%2541";
    let echo = Fault::anywhere().header(ECHO, value(in_query)).header(ECHO, value(SHOP_SECRET));
    gateway.get("/@shop/warm-up").await;
    wechat.world().faults().add(echo);
    for target in
        [format!("/sns/jscode2session?appid={SHOP}&js_code=c"), format!("/donut/code2verifyinfo?appid={SHOP}&code=c")]
    {
        assert_hidden(&gateway.get(&target).await, &[in_query, SHOP_SECRET]);
    }
}
