//! Calls that carry a secret (architecture.md §8): a caller's virtual one is its credential, and WeChat gets the true one.

use wxgate::sandbox::{DEFAULT_APPID, DEFAULT_SECRET};

use super::{NEAR, SECRET, caller, crm, demanding, listen, refused, with_bearer};
use crate::process::Program;
use crate::support::{Caller, Gateway, account, calls, config_text, last_call, sandbox};

const BY_PLACEHOLDER: &str = "['placeholder']";

#[tokio::test]
async fn a_virtual_secret_is_checked_and_the_true_one_takes_its_place() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, BY_PLACEHOLDER, &crm("")).await;
    for (path, sent, name) in [
        ("/sns/jscode2session", format!("appid={DEFAULT_APPID}&secret={SECRET}&js_code=c"), "secret"),
        ("/sns/jscode2session", format!("js_code=c&%73ecret={SECRET}"), "secret"),
        ("/sns/jscode2session", format!("secret={SECRET}&secret=dummy&appsecret={SECRET}&js_code=c"), "secret"),
        ("/sns/oauth2/access_token", format!("secret={SECRET}&code=c"), "secret"),
        ("/cgi-bin/clear_quota/v2", format!("appid={DEFAULT_APPID}&appsecret={SECRET}"), "appsecret"),
        ("/donut/code2verifyinfo", format!("appsecret={SECRET}&code=c"), "appsecret"),
    ] {
        let method = if path.starts_with("/cgi-bin/") { "POST" } else { "GET" };
        let reply = gateway.request(method, &format!("{path}?{sent}"), &[], b"").await;
        assert_eq!((refused(&reply), reply.json()["errcode"].as_i64().unwrap_or(0)), ((200, None), 0), "{path}?{sent}");
        let seen = last_call(&wechat);
        assert_eq!((seen.path(), seen.parameters(name)), (path, vec![DEFAULT_SECRET.to_owned()]), "{sent}");
        assert!(!seen.target.contains(SECRET) && seen.parameters("appid") == [DEFAULT_APPID], "{}", seen.target);
    }
}

#[tokio::test]
async fn without_it_nothing_is_sent() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, BY_PLACEHOLDER, &crm("")).await;
    for target in [
        "/sns/jscode2session?js_code=c".to_owned(),
        "/sns/jscode2session?js_code=c&secret=".to_owned(),
        "/sns/jscode2session?js_code=c&secret=wrong".to_owned(),
        format!("/sns/jscode2session?js_code=c&secret={DEFAULT_SECRET}"),
        format!("/sns/jscode2session?js_code=c&secret=wrong&secret={SECRET}"),
        format!("/sns/jscode2session?js_code=c&appsecret={SECRET}"),
        format!("/sns/oauth2/access_token?code=c&Secret={SECRET}"),
        format!("/cgi-bin/clear_quota/v2?secret={SECRET}"),
        format!("/cgi-bin/clear_quota?secret={SECRET}"),
    ] {
        let reply = gateway.request("POST", &target, &[], b"").await;
        assert_eq!(refused(&reply), (401, Some("caller_unknown")), "{target}");
    }
    assert!(calls(&wechat).is_empty());
}

#[tokio::test]
async fn other_ways_to_be_known_need_no_virtual_secret() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, "['bearer', 'network']", &crm(NEAR)).await;
    let target = "/sns/jscode2session?js_code=c&secret=dummy";
    for reply in [gateway.get(target).await, with_bearer(&gateway, target, SECRET).await] {
        assert_eq!(refused(&reply), (200, None));
        assert_eq!(last_call(&wechat).parameters("secret"), [DEFAULT_SECRET]);
    }
}

#[tokio::test]
async fn an_appid_of_nobody_here_passes_an_open_listener_alone() {
    let wechat = sandbox().await;
    let keys = format!("{}{}{}", listen("['placeholder', 'network']"), listen("[]"), crm(NEAR));
    let gateway = Gateway::with(&wechat, &keys).await;
    let mut open = Caller::connect(gateway.addresses[1]).await;
    const UNKNOWN: (u16, Option<&str>) = (401, Some("caller_unknown"));
    const NO_ACCOUNT: (u16, Option<&str>) = (404, Some("no_account"));
    for (target, answer) in [
        (format!("/sns/jscode2session?appid=wx9999999999999999&secret={SECRET}&js_code=c"), NO_ACCOUNT),
        ("/sns/jscode2session?secret=their%2Dsecret&appid=wx9999999999999999&js_code=c&".to_owned(), UNKNOWN),
        ("/cgi-bin/clear_quota/v2?appsecret=theirs&appid=wx9999999999999999".to_owned(), UNKNOWN),
        ("/donut/code2verifyinfo?appid=wx9999999999999999&code=c".to_owned(), NO_ACCOUNT),
    ] {
        assert_eq!(refused(&gateway.get(&target).await), answer, "{target}");
        assert!(calls(&wechat).is_empty());
        open.request("GET", &target, &[], b"").await;
        assert_eq!(open.reply().await.error(), None, "{target}");
        assert_eq!(last_call(&wechat).target, target);
        wechat.world().journal().clear();
    }
}

/// The real program at TRACE, and WeChat's record: a virtual secret stands in neither, whichever way it is shown.
#[tokio::test]
async fn a_virtual_secret_is_told_to_nobody() {
    let wechat = sandbox().await;
    let callers = crm("deny = ['/cgi-bin/menu/*']") + &caller("shop", &["another-virtual-secret"], "");
    let keys = format!("{}{callers}{}", listen("['placeholder', 'bearer']"), account());
    let mut program = Program::run(&config_text(&wechat.base_url(), &format!("log.level = 'trace'\n{keys}")));
    let mut calling = Caller::connect(program.address().await).await;
    let bearer = format!("Bearer {SECRET}");
    let shown = [("Authorization", bearer.as_str())];
    let json = format!(r#"{{"appid":"{DEFAULT_APPID}","secret":"{SECRET}"}}"#);
    for (method, target, fields, body) in [
        ("GET", "/cgi-bin/user/info?openid=o6".to_owned(), shown.as_slice(), ""),
        ("GET", "/cgi-bin/menu/get".to_owned(), &shown, ""),
        ("GET", "/nothing-of-the-kind".to_owned(), &shown, ""),
        ("GET", format!("/sns/jscode2session?js_code=c&secret={SECRET}"), &[], ""),
        ("GET", format!("/sns/jscode2session?js_code=c&secret={SECRET}&appid=wx9"), &[], ""),
        ("GET", format!("/cgi-bin/token?secret={SECRET}"), &[], ""),
        ("GET", format!("/cgi-bin/token?secret={SECRET}&appid=wx9"), &[], ""),
        ("POST", "/cgi-bin/stable_token".to_owned(), &[], &json),
        ("POST", "/cgi-bin//stable_token".to_owned(), &shown, &json),
    ] {
        calling.request(method, &target, fields, body.as_bytes()).await;
        let reply = calling.reply().await;
        assert!(!format!("{:?} {}", reply.fields, reply.text()).contains(SECRET), "{target}");
        if reply.field("connection") == Some("close") || reply.status == 400 {
            calling = Caller::connect(calling.stream.peer_addr().unwrap()).await;
        }
    }
    program.signal("TERM");
    program.ended().await;
    program.says("a caller is refused for its path").await;
    let log = program.lines.join("\n");
    assert!(log.contains("DEBUG") && !log.contains(SECRET), "{log}");
    let seen = calls(&wechat);
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen.iter().all(|seen| !seen.target.contains(SECRET) && !format!("{:?}", seen.headers).contains(SECRET)));
}
