//! Paths and queries that are meant to bring a caller to WeChat's token endpoints, or to the real token or secret.

use wxgate::sandbox::{CLASSIC, DEFAULT_APPID, DEFAULT_SECRET, Kind, STABLE, Sandbox, Seen};

use super::heard;
use crate::support::{Gateway, Reply, calls, sandbox};

/// Every way in which some web server might read a path as another: what is left once all of them have been undone.
fn read_as_badly_as_can_be(path: &str) -> String {
    let mut path = path.to_ascii_lowercase();
    for _ in 0..2 {
        path = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
        path = path.split(['?', '#', '\0']).next().unwrap().replace('\\', "/");
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').map(|segment| segment.split(';').next().unwrap()) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

/// Whether WeChat might hand a token out for this.
fn may_bring_a_token(seen: &Seen) -> bool {
    let reading = read_as_badly_as_can_be(seen.path());
    let carries_the_secret = seen.target.contains(DEFAULT_SECRET);
    [CLASSIC, STABLE].contains(&&*reading) && carries_the_secret
}

const DISGUISES: [&str; 34] = [
    "/cgi-bin/ENDPOINT",
    "//cgi-bin//ENDPOINT",
    "/cgi-bin/ENDPOINT/",
    "/cgi-bin/ENDPOINT//",
    "/cgi-bin/./ENDPOINT",
    "/cgi-bin/ENDPOINT/.",
    "/cgi-bin/x/../ENDPOINT",
    "/./cgi-bin/ENDPOINT",
    "/../cgi-bin/ENDPOINT",
    "/cgi-bin/%2e/ENDPOINT",
    "/cgi-bin/x/%2e%2e/ENDPOINT",
    "/cgi-bin/x/%2E./ENDPOINT",
    "/cgi-bin/x%2f..%2fENDPOINT",
    "/cgi-bin%2fENDPOINT",
    "/cgi-bin%5cENDPOINT",
    "/cgi-bin\\ENDPOINT",
    "\\cgi-bin\\ENDPOINT",
    "/%5ccgi-bin/ENDPOINT",
    "/cgi-bin/ENDPOINT%00",
    "/cgi-bin/ENDPOINT%00.html",
    "/cgi-bin/x%00/../ENDPOINT",
    "/cgi-bin/ENDPOINT;a=b",
    "/cgi-bin;a=b/ENDPOINT",
    "/;/cgi-bin/ENDPOINT",
    "/cgi-bin/x/..;/ENDPOINT",
    "/cgi-bin/%3b/ENDPOINT",
    "/cgi-bin/ENDPOINT%3ba",
    "/CGI-BIN/ENDPOINT",
    "/cgi-bin/ENDPOINT%3f",
    "/cgi-bin/ENDPOINT%23",
    "/cgi-bin/x%3f/../ENDPOINT",
    "/@main//cgi-bin/ENDPOINT",
    "/@main/cgi-bin/%2e/ENDPOINT",
    "/@main/@main/../cgi-bin/ENDPOINT",
];

/// With the one thing that WeChat asks for: even a caller that has stolen the secret makes no token by this gateway.
#[tokio::test]
async fn no_way_of_writing_it_brings_a_caller_to_wechats_token_endpoints() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    let query = format!("grant_type=client_credential&appid={DEFAULT_APPID}&secret={DEFAULT_SECRET}");
    let body = format!(r#"{{"grant_type":"client_credential","appid":"{DEFAULT_APPID}","secret":"{DEFAULT_SECRET}"}}"#);
    for disguise in DISGUISES {
        for endpoint in ["token", "stable_token"] {
            let path = disguise.replace("ENDPOINT", endpoint);
            for method in ["GET", "POST"] {
                let reply = gateway.request(method, &format!("{path}?{query}"), &[], body.as_bytes()).await;
                let refused = (400..500).contains(&reply.status);
                assert!(refused || reply.text().contains("wxgate_"), "{method} {path}: {reply:?}");
            }
        }
    }
    let arrived: Vec<_> = calls(&wechat).into_iter().filter(|seen| may_bring_a_token(seen)).collect();
    assert!(arrived.is_empty(), "{arrived:?}");
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).stable, 1, "the gateway's own");
}

#[tokio::test]
async fn what_is_cut_off_behind_the_path_does_not_change_it() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    for target in ["/cgi-bin/token#fragment", "/cgi-bin/token?#", "/cgi-bin/token?", "/cgi-bin/token?/../user/info"] {
        let reply = gateway.get(target).await;
        assert!(reply.text().contains("wxgate_"), "{target}: {reply:?}");
    }
    assert!(calls(&wechat).is_empty());
}

/// The real token, which no caller may see.
fn token(wechat: &Sandbox) -> String {
    wechat.world().with_ledger(|ledger, _| ledger.newest(DEFAULT_APPID, Kind::Stable).unwrap().to_owned())
}

#[track_caller]
fn assert_tells_nothing(wechat: &Sandbox, what: &str, reply: &Reply) {
    let all = format!("{:?} {}", reply.fields, String::from_utf8_lossy(&reply.body));
    assert!(!all.contains(&token(wechat)) && !all.contains(DEFAULT_SECRET), "{what}: {all}");
}

#[tokio::test]
async fn nothing_makes_the_gateway_tell_what_it_put_in() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await;
    assert_eq!(gateway.get("/wxa/any").await.status, 200);
    for (method, target) in [
        ("TRACE", "/wxa/any"),
        ("trace", "/wxa/any"),
        ("OPTIONS", "/wxa/any"),
        ("DEBUG", "/wxa/any"),
        ("GET", "/wxa/any?access_token"),
        ("GET", "/wxa/any?access_token[]=x&ACCESS_TOKEN=y&access_token%00=z"),
        ("GET", "/wxa/any?a=1;access_token=evil"),
        ("GET", "/wxa/any?a=%26access_token=evil"),
        ("GET", "/wxa/any?%"),
        ("GET", "/wxa/any?\u{7f}"),
        ("GET", "/sns/jscode2session?js_code=bad&secret[]=x"),
        ("GET", "/sns/jscode2session?appid[]=x&js_code=c"),
        ("GET", "/sns/jscode2session?appid=wx9&appid="),
        ("GET", "/sns/jscode2session/../jscode2session?js_code=c"),
        ("GET", "/sns/jscode2session%3fjs_code=c"),
        ("GET", "/metrics"),
        ("GET", "/livez"),
        ("GET", "/_sandbox"),
    ] {
        assert_tells_nothing(&wechat, target, &gateway.request(method, target, &[], b"").await);
    }
    let tokens =
        |seen: &Seen| seen.parameters("access_token").into_iter().filter(|value| *value == token(&wechat)).count();
    for seen in calls(&wechat).iter().filter(|seen| seen.path().starts_with("/wxa/")) {
        assert_eq!(tokens(seen), 1, "exactly one true token");
    }
}

/// What stands in a query as raw bytes reaches WeChat as it is or not at all, and never as a second line.
#[tokio::test]
async fn raw_bytes_in_a_target_make_no_lines() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "server.idle_timeout = '500ms'\n").await;
    for bytes in
        ["\0", "\u{1}", "\t", "\u{b}", "\r", "\n", "\r\n", "\u{7f}", "\u{80}", "\u{e9}", "\u{2028}", "\u{ff0f}"]
    {
        for place in ["/wxa/any?a=XX-Injected:1", "/wxa/XX-Injected:1", "/@mainX/wxa/any"] {
            let mut caller = gateway.connect().await;
            let target = place.replacen('X', bytes, 1);
            caller.write(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
            let heard = heard(caller).await;
            assert!(!heard.to_ascii_lowercase().contains("x-injected"), "{target:?}: {heard:?}");
        }
    }
    assert!(calls(&wechat).iter().all(|seen| !seen.headers.contains_key("x-injected")));
}
