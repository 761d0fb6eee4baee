//! What a caller that is known may do: its accounts, its paths, its rate; and what one reads that may not.

use super::{
    INFO, NEAR, SECRET, assert_served, caller, classic, crm, demanding, refused, stable, token_in, with_bearer,
    with_token,
};
use crate::process::Program;
use crate::support::{Caller, Gateway, Reply, calls, config_text, last_call, sandbox};
use crate::two_accounts::{SHOP, both, sandbox_of_two};

const BY_BEARER: &str = "['bearer']";
const FORBIDDEN: (u16, Option<&str>) = (403, Some("caller_forbidden"));
const DISGUISED: (u16, Option<&str>) = (400, Some("disguised_path"));

#[tokio::test]
async fn a_refusal_says_whom_to_ask_for_what() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, "['placeholder', 'bearer', 'network']", &crm("")).await;
    for reply in [
        gateway.get(INFO).await,
        with_bearer(&gateway, INFO, "wrong").await,
        classic(&gateway, "wrong").await,
        stable(&gateway, "wrong").await,
        gateway.get("/sns/jscode2session?js_code=c&secret=wrong").await,
        gateway.get("/sns/userinfo?access_token=81_user").await,
    ] {
        assert_eq!((reply.status, reply.field("www-authenticate")), (401, Some("Bearer realm=\"wxgate\"")));
        assert_says(&reply, &["operator", "virtual secret", "wxgate caller add"]);
    }
    let limited = demanding(&wechat, BY_BEARER, &crm("deny = ['/cgi-bin/*']\nrate = '1/h'")).await;
    let forbidden = with_bearer(&limited, INFO, SECRET).await;
    assert_eq!((refused(&forbidden), forbidden.field("www-authenticate")), (FORBIDDEN, None));
    assert_says(&forbidden, &["operator", "[[caller]]"]);
    let too_fast = with_bearer(&limited, INFO, SECRET).await;
    assert_eq!((too_fast.status, too_fast.field("retry-after")), (429, Some("1")));
    assert_says(&too_fast, &["slow down", "operator", "rate"]);
    assert!(calls(&wechat).is_empty());
}

#[track_caller]
fn assert_says(reply: &Reply, words: &[&str]) {
    let text = reply.json()["errmsg"].as_str().unwrap().to_owned();
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
}

#[tokio::test]
async fn paths_are_judged_by_the_lists_and_go_on_as_they_were_written() {
    let wechat = sandbox().await;
    let lists = "allow = ['/cgi-bin/user/*', '/WXAAPI/broadcast/goods/deleteInRoom', '/*/get', '/sns/userinfo']\n\
                 deny = ['/cgi-bin/user/tag/*', '*secret*']";
    let gateway = demanding(&wechat, BY_BEARER, &crm(lists)).await;
    let allowed = (200, None);
    for (path, expected) in [
        ("/cgi-bin/user/info", allowed),
        ("/@main/cgi-bin/user/info", allowed),
        ("/cgi-bin/user/a/b.c", allowed),
        ("/CGI-bin/User/Info", allowed),
        ("/wxaapi/broadcast/goods/deleteInRoom", allowed),
        ("/wxaapi/broadcast/goods/deleteinroom", allowed),
        ("/cgi-bin/menu/get", allowed),
        ("/sns/userinfo", allowed),
        ("/cgi-bin/user/info?path=/cgi-bin/user/tag/x", allowed),
        ("/cgi-bin/user", FORBIDDEN),
        ("/cgi-bin/user/", FORBIDDEN),
        ("/cgi-bin/users/info", FORBIDDEN),
        ("/x/cgi-bin/user/info", FORBIDDEN),
        ("/cgi-bin/menu/get/x", FORBIDDEN),
        ("/", FORBIDDEN),
        ("/@main", FORBIDDEN),
        ("/sns/auth", FORBIDDEN),
        ("/cgi-bin/menu/delete?x=/cgi-bin/user/info", FORBIDDEN),
        ("/cgi-bin/user/tag/get", FORBIDDEN),
        ("/@main/cgi-bin/user/tag/get", FORBIDDEN),
        ("/cgi-bin/user/TAG/get", FORBIDDEN),
        ("/cgi-bin/user/my-secret-thing", FORBIDDEN),
        ("/cgi-bin//user/info", DISGUISED),
        ("/cgi-bin/user//tag/get", DISGUISED),
        ("/cgi-bin/user/x/../tag/get", DISGUISED),
        ("/cgi-bin/menu/../user/info", DISGUISED),
        ("/cgi-bin/user/%74ag/get", DISGUISED),
        ("/cgi-bin/user%2ftag/get", DISGUISED),
        ("/cgi-bin/user/tag%00/get", DISGUISED),
        ("/cgi-bin/user/;/tag/get", DISGUISED),
        ("/cgi-bin/user\\tag\\get", DISGUISED),
        ("/@main/cgi-bin/user/%74ag/get", DISGUISED),
        ("/cgi-bin/menu/../menu/delete", FORBIDDEN),
    ] {
        let before = calls(&wechat).len();
        let reply = with_bearer(&gateway, path, SECRET).await;
        assert_eq!(refused(&reply), expected, "{path}");
        assert_eq!(calls(&wechat).len() - before, usize::from(expected == allowed), "{path}");
        if expected == allowed {
            assert_eq!(last_call(&wechat).path(), path.trim_start_matches("/@main").split('?').next().unwrap());
        }
    }
}

#[tokio::test]
async fn a_caller_has_its_own_accounts_however_they_are_named() {
    let wechat = sandbox_of_two().await;
    let listen = super::listen("['bearer', 'placeholder']");
    let callers = caller("crm", &[SECRET], "accounts = ['shop']") + &caller("all", &["for-every-account"], "");
    let gateway = Gateway::with_accounts(&wechat, &format!("{listen}{callers}{}", both())).await;
    let main = wxgate::sandbox::DEFAULT_APPID;
    let token_for = |appid: &str, secret: &str| format!("/cgi-bin/token?appid={appid}&secret={secret}");
    let all = token_in(&gateway.get(&token_for(main, "for-every-account")).await);
    assert_served(&with_token(&gateway, &all).await);
    let sent = calls(&wechat).len();
    for target in [&format!("/@main{INFO}"), &format!("/sns/jscode2session?appid={main}&js_code=c&secret=any")] {
        assert_eq!(refused(&with_bearer(&gateway, target, SECRET).await), FORBIDDEN, "{target}");
    }
    assert_eq!(refused(&gateway.get(&token_for(main, SECRET)).await), FORBIDDEN);
    assert_eq!(calls(&wechat).len(), sent);

    assert_served(&with_bearer(&gateway, &format!("/@shop{INFO}"), SECRET).await);
    let shops = token_in(&gateway.get(&token_for(SHOP, SECRET)).await);
    assert_served(&with_token(&gateway, &shops).await);
    let reply = with_bearer(&gateway, "/sns/userinfo?access_token=81_user_1&openid=o6", SECRET).await;
    assert_eq!((reply.status, reply.error()), (200, None), "a user's own token is no account's");
}

/// The example of docs/operations.md: an allow list that says nothing of the token endpoints.
#[tokio::test]
async fn an_allow_list_does_not_stand_between_an_sdk_and_its_placeholder() {
    let wechat = sandbox().await;
    let callers = crm("allow = ['/cgi-bin/user/*', '/cgi-bin/message/*']");
    let gateway = demanding(&wechat, "['placeholder']", &callers).await;
    for reply in [classic(&gateway, SECRET).await, stable(&gateway, SECRET).await] {
        let placeholder = token_in(&reply);
        assert_served(&with_token(&gateway, &placeholder).await);
        let beyond = gateway.get(&format!("/cgi-bin/menu/delete?access_token={placeholder}")).await;
        assert_eq!(refused(&beyond), FORBIDDEN);
    }
    // The real token opens every path: it is a path of its own.
    let gateway = demanding(&wechat, "['placeholder']\ntoken_endpoint = 'real'", &callers).await;
    for reply in [classic(&gateway, SECRET).await, stable(&gateway, SECRET).await] {
        assert_eq!(refused(&reply), FORBIDDEN);
    }
}

#[tokio::test]
async fn a_rate_is_the_callers_over_all_connections_and_nobody_elses() {
    let wechat = sandbox().await;
    let callers = crm("rate = '3/h'\ndeny = ['/cgi-bin/menu/*']") + &caller("shop", &["another-secret"], "");
    let gateway = demanding(&wechat, "['bearer', 'placeholder']", &callers).await;
    assert_served(&with_bearer(&gateway, INFO, SECRET).await);
    token_in(&classic(&gateway, SECRET).await);
    assert_eq!(refused(&with_bearer(&gateway, "/cgi-bin/menu/get", SECRET).await), FORBIDDEN);
    let sent = calls(&wechat).len();
    for _ in 0..4 {
        assert_eq!(refused(&with_bearer(&gateway, INFO, SECRET).await), (429, Some("rate_limited")));
    }
    for reply in [classic(&gateway, SECRET).await, stable(&gateway, SECRET).await] {
        assert_eq!((refused(&reply), reply.field("retry-after")), ((429, Some("rate_limited")), Some("1")));
    }
    assert_eq!(calls(&wechat).len(), sent);
    for _ in 0..4 {
        assert_served(&with_bearer(&gateway, INFO, "another-secret").await);
    }
}

/// A token request says who it is from in its body, and that may be long in coming.
#[tokio::test]
async fn who_is_not_known_yet_takes_no_place() {
    let wechat = sandbox().await;
    let keys = format!("server.requests = 1\n{}{}", super::listen(BY_BEARER), crm(""));
    let gateway = Gateway::with(&wechat, &keys).await;
    let mut stranger = gateway.connect().await;
    let head = "POST /cgi-bin/stable_token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue";
    stranger.write(format!("{head}\r\n\r\n")).await;
    stranger.until(b"100 Continue\r\n").await.unwrap(); // now its body is waited for
    assert_served(&with_bearer(&gateway, INFO, SECRET).await);
}

/// Whoever is not known uses up nobody's rate.
#[tokio::test]
async fn a_wrong_secret_costs_its_owner_nothing() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, BY_BEARER, &crm("rate = '1/h'")).await;
    for _ in 0..3 {
        assert_eq!(refused(&with_bearer(&gateway, INFO, "wrong").await), (401, Some("caller_unknown")));
    }
    assert_served(&with_bearer(&gateway, INFO, SECRET).await);
}

#[tokio::test]
async fn rules_that_are_tried_out_are_logged_and_let_through() {
    let wechat = sandbox_of_two().await;
    let callers = crm("report_only = true\nallow = ['/cgi-bin/user/*']\naccounts = ['shop']");
    let unlike = caller("near", &[], NEAR);
    let keys = format!("{}{callers}{unlike}{}", super::listen("['bearer', 'network']"), both());
    let mut program = Program::run(&config_text(&wechat.base_url(), &keys));
    let mut calling = Caller::connect(program.address().await).await;
    let mut status = async |target: &str| {
        calling.request("GET", target, &[("Authorization", &format!("Bearer {SECRET}"))], b"").await;
        calling.reply().await.status
    };
    assert_eq!(status("/@shop/cgi-bin/user/info").await, 200);
    assert_eq!(status("/@main/cgi-bin/user/get").await, 200);
    assert_eq!(status("/@shop/cgi-bin/menu/delete").await, 200);
    assert_eq!(status("/@shop/cgi-bin/user//info").await, 400, "a disguise is refused all the same");
    let by_account = program.says("would be refused for its account").await;
    let by_path = program.says("would be refused for its path").await;
    for (line, path) in [(by_account, "/cgi-bin/user/get"), (by_path, "/cgi-bin/menu/delete")] {
        assert!(line.contains("report only") && line.contains("crm") && line.contains(path), "{line}");
    }
    assert_eq!(program.lines.iter().filter(|line| line.contains("report only")).count(), 2, "{:#?}", program.lines);
    assert!(!program.lines.iter().any(|line| line.contains(SECRET)), "{:#?}", program.lines);
}
