//! Which account a request is for, and where it goes: by its selectors, and by nothing else that it says.

use wxgate::sandbox::DEFAULT_APPID;

use crate::support::{Caller, Gateway, Reply, calls, last_call, sandbox};
use crate::two_accounts::{SHOP, appid_of, both, sandbox_of_two};

const INFO: &str = "/cgi-bin/user/info?openid=o6";

type Fields = &'static [(&'static str, &'static str)];

/// The placeholder that the gateway hands out for an account.
async fn placeholder(gateway: &Gateway, appid: &str) -> String {
    let reply = gateway.get(&format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret=any")).await;
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

fn refused(reply: &Reply) -> (u16, Option<&str>) {
    (reply.status, reply.error())
}

#[tokio::test]
async fn each_selector_finds_its_account_and_without_one_the_default_serves() {
    let wechat = sandbox_of_two().await;
    let gateway = Gateway::with_accounts(&wechat, &(both() + "default = true\n")).await;
    let main = placeholder(&gateway, DEFAULT_APPID).await;
    let with_placeholder = format!("{INFO}&access_token={main}");
    let encoded_name = format!("{INFO}&access%5Ftoken={main}");
    let beside_another = format!("{INFO}&access_token=92_x&access_token={main}");
    let cases: [(&str, Fields, &str); 9] = [
        (INFO, &[], SHOP),
        (&with_placeholder, &[], DEFAULT_APPID),
        (&encoded_name, &[], DEFAULT_APPID),
        (&beside_another, &[], DEFAULT_APPID),
        ("/@main/cgi-bin/user/info?openid=o6", &[], DEFAULT_APPID),
        ("/@shop/cgi-bin/user/info?openid=o6", &[], SHOP),
        (INFO, &[("X-Wxgate-Account", "main")], DEFAULT_APPID),
        ("/@main/cgi-bin/user/info?openid=o6", &[("x-wxgate-account", "main")], DEFAULT_APPID),
        ("/cgi-bin/user/info?openid=o6&access_token=92_not-ours", &[], SHOP),
    ];
    for (target, fields, appid) in cases {
        let reply = gateway.request("GET", target, fields, b"").await;
        assert_eq!(reply.status, 200, "{target} {fields:?}: {reply:?}");
        let seen = last_call(&wechat);
        assert_eq!((appid_of(&wechat, &seen).as_str(), seen.path()), (appid, "/cgi-bin/user/info"), "{target}");
    }
}

#[tokio::test]
async fn a_selector_that_names_nothing_is_404_and_never_the_next_one() {
    let wechat = sandbox_of_two().await;
    let gateway = Gateway::with_accounts(&wechat, &(both() + "default = true\n")).await;
    gateway.get(INFO).await;
    wechat.world().journal().clear();
    let cases: [(&str, Fields); 9] = [
        ("/@nobody/cgi-bin/user/info", &[]),
        ("/@/cgi-bin/user/info", &[]),
        ("/@Shop/cgi-bin/user/info", &[]),
        ("/@shop%20/cgi-bin/user/info", &[]),
        ("/@nobody", &[]),
        ("/@nobody/sns/userinfo?access_token=81_user_x", &[]),
        (INFO, &[("X-Wxgate-Account", "nobody")]),
        (INFO, &[("X-Wxgate-Account", "")]),
        ("/@shop/cgi-bin/user/info", &[("X-Wxgate-Account", "nobody")]),
    ];
    for (target, fields) in cases {
        let reply = gateway.request("GET", target, fields, b"").await;
        assert_eq!(refused(&reply), (404, Some("no_account")), "{target} {fields:?}");
    }
    assert!(calls(&wechat).is_empty());
}

#[tokio::test]
async fn two_selectors_that_disagree_are_400() {
    let wechat = sandbox_of_two().await;
    let gateway = Gateway::with_accounts(&wechat, &both()).await;
    let (main, shop) = (placeholder(&gateway, DEFAULT_APPID).await, placeholder(&gateway, SHOP).await);
    let behind_prefix = format!("/@shop{INFO}&access_token={main}");
    let with_placeholder = format!("{INFO}&access_token={main}");
    let two_placeholders = format!("{INFO}&access_token={main}&access_token={shop}");
    let cases: [(&str, Fields); 5] = [
        ("/@main/cgi-bin/user/info", &[("X-Wxgate-Account", "shop")]),
        (&behind_prefix, &[]),
        (&with_placeholder, &[("X-Wxgate-Account", "shop")]),
        (&two_placeholders, &[]),
        (INFO, &[("X-Wxgate-Account", "main"), ("X-Wxgate-Account", "shop")]),
    ];
    for (target, fields) in cases {
        let reply = gateway.request("GET", target, fields, b"").await;
        assert_eq!(refused(&reply), (400, Some("selectors_disagree")), "{target} {fields:?}");
    }
    assert_eq!(wechat.world().journal().count("/cgi-bin/user/info"), 0);
}

#[tokio::test]
async fn among_several_accounts_without_a_default_a_request_must_select() {
    let wechat = sandbox_of_two().await;
    let gateway = Gateway::with_accounts(&wechat, &both()).await;
    assert_eq!(refused(&gateway.get(INFO).await), (404, Some("no_account")));
    assert_eq!(gateway.get(&format!("/@shop{INFO}")).await.status, 200);
    assert_eq!(appid_of(&wechat, &last_call(&wechat)), SHOP);
}

#[tokio::test]
async fn each_listener_speaks_for_its_own_account() {
    let wechat = sandbox_of_two().await;
    let listen = |account: &str| format!("[[listen]]\naddress = '127.0.0.1:0'\naccount = '{account}'\n");
    let keys = format!("{}{}{}", listen("main"), listen("shop"), both());
    let gateway = Gateway::with_accounts(&wechat, &keys).await;
    for (listener, appid) in [(0, DEFAULT_APPID), (1, SHOP)] {
        let mut caller = Caller::connect(gateway.addresses[listener]).await;
        caller.request("GET", INFO, &[], b"").await;
        assert_eq!(caller.reply().await.status, 200);
        assert_eq!(appid_of(&wechat, &last_call(&wechat)), appid);
    }
    assert_eq!(gateway.get(&format!("/@main{INFO}")).await.status, 200, "it agrees with the listener");
    assert_eq!(refused(&gateway.get(&format!("/@shop{INFO}")).await), (400, Some("selectors_disagree")));
}

#[tokio::test]
async fn no_disguise_brings_a_caller_to_wechats_token_endpoints() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    gateway.get(INFO).await;
    wechat.world().journal().clear();
    for path in [
        "/cgi-bin//token",
        "//cgi-bin/token",
        "/CGI-BIN/token",
        "/cgi-bin/./token",
        "/cgi-bin/x/../token",
        "/../cgi-bin/token",
        "/cgi-bin/token/",
        "/cgi-bin/token/.",
        "/cgi-bin/token;a=b",
        "/cgi-bin/x/..;/token",
        "/cgi-bin/;/../token",
        "/cgi-bin/%74oken",
        "/cgi-bin/%54oken",
        "/cgi-bin%2Ftoken",
        "/cgi-bin/token%00.json",
        "/cgi-bin%5ctoken",
        "/cgi-bin\\token",
        "/%2e%2e/cgi-bin/token",
        "/cgi-bin/stable%5Ftoken",
        "/cgi-bin/stable_token//",
        "/@main//cgi-bin/token",
        "/@main/x/../cgi-bin/token",
        "http://localhost/cgi-bin/%74oken",
        "http://localhost//cgi-bin/stable_token",
    ] {
        for method in ["GET", "POST"] {
            let reply = gateway.request(method, &format!("{path}?grant_type=client_credential"), &[], b"{}").await;
            assert_eq!(refused(&reply), (400, Some("disguised_path")), "{method} {path}");
        }
    }
    assert!(wechat.world().journal().requests().is_empty());
}

#[tokio::test]
async fn an_unknown_path_goes_on_as_it_was_written() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    for path in [
        "/wxaapi/broadcast/goods/deleteInRoom",
        "/New/API;v=1//x/%41%2f%zz/",
        "/a/../b/./c",
        "/.well-known/x",
        "/cgi-bin/token/x",
        "/%40main/cgi-bin/user/info",
        "/名",
        "/",
    ] {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
        assert_eq!(last_call(&wechat).path(), path);
    }
}

#[tokio::test]
async fn browsers_and_rebound_names_are_turned_away_before_wechat_sees_them() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "listen.hosts = ['gateway.internal']").await;
    gateway.get(INFO).await;
    wechat.world().journal().clear();
    for (field, expected) in [
        (("Origin", "https://evil.example"), (403, Some("browser"))),
        (("Sec-Fetch-Site", "same-origin"), (403, Some("browser"))),
        (("Host", "evil.example"), (421, Some("misdirected"))),
    ] {
        assert_eq!(refused(&gateway.request("GET", INFO, &[field], b"").await), expected, "{field:?}");
    }
    assert_eq!(refused(&gateway.get("http://evil.example/cgi-bin/user/info").await), (421, Some("misdirected")));
    assert!(calls(&wechat).is_empty());
    for field in [("Sec-Fetch-Site", "none"), ("Host", "gateway.internal:8080"), ("Host", "api.weixin.qq.com")] {
        assert_eq!(gateway.request("GET", INFO, &[field], b"").await.status, 200, "{field:?}");
    }
}

#[tokio::test]
async fn neither_host_nor_target_changes_where_a_request_goes() {
    let (wechat, elsewhere) = (sandbox().await, sandbox().await);
    let gateway = Gateway::with(&wechat, "listen.browsers = true").await;
    let (there, other) = (wechat.address().to_string(), elsewhere.address().to_string());
    let absolute = [format!("http://{other}{INFO}"), format!("https://{other}{INFO}")];
    for target in [INFO, &absolute[0], &absolute[1]] {
        let fields = [("Host", other.as_str()), ("X-Forwarded-Host", &other), ("Origin", "https://shop.example")];
        let reply = gateway.request("GET", target, &fields, b"").await;
        assert_eq!(reply.json()["openid"], "o6", "{target}: {reply:?}");
        let seen = last_call(&wechat);
        assert_eq!((seen.path(), seen.header(&hyper::header::HOST)), ("/cgi-bin/user/info", vec![there.as_bytes()]));
    }
    assert_eq!(elsewhere.world().journal().connections(), 0);
}

#[tokio::test]
async fn no_tunnels_are_made() {
    let (wechat, elsewhere) = (sandbox().await, sandbox().await);
    let gateway = Gateway::with(&wechat, "listen.browsers = true").await;
    let target = elsewhere.address().to_string();
    let reply = gateway.request("CONNECT", &target, &[("Host", &target)], b"").await;
    assert_eq!(refused(&reply), (405, Some("method_not_allowed")));
    assert_eq!(elsewhere.world().journal().connections(), 0);
}
