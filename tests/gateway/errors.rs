//! What the gateway says itself: every kind of it, seen over a socket (architecture.md §5).

use hyper::header::HeaderValue;
use wxgate::gateway::Kind;
use wxgate::sandbox::{DEFAULT_APPID, Fault, Gate, HangUp};

use crate::support::{Gateway, Reply, account, nobody, sandbox, within};

const PATH: &str = "/cgi-bin/user/info?openid=o6";

/// One test a kind: its status, its errcode, and the function below that brings it about.
macro_rules! kinds {
    ($($kind:ident $status:literal $errcode:literal $name:ident;)*) => {
        /// Does not compile while a kind is missing here.
        const _: fn(Kind) = |kind| match kind { $(Kind::$kind => {})* };
        mod seen {
            $(#[tokio::test] async fn $name() {
                super::assert_own(&super::$name().await, $status, $errcode, stringify!($name));
            })*
        }
    };
}

kinds! {
    BadRequest           400 -910_001 bad_request;
    DisguisedPath        400 -910_002 disguised_path;
    SelectorsDisagree    400 -910_003 selectors_disagree;
    MethodNotAllowed     405 -910_004 method_not_allowed;
    NoAccount            404 -910_005 no_account;
    Browser              403 -910_006 browser;
    Misdirected          421 -910_007 misdirected;
    TokenEndpointRefused 403 -910_008 token_endpoint_refused;
    InvalidPlaceholder   200   40_001 invalid_placeholder;
    HeadTooLarge         413 -910_009 head_too_large;
    BodyTooLarge         413 -910_010 body_too_large;
    BodyTimeout          408 -910_011 body_timeout;
    BodyBroken           400 -910_012 body_broken;
    BodyNotKept          503 -910_013 body_not_kept;
    TooBusy              503 -910_014 too_busy;
    NoToken              503 -910_015 no_token;
    UpstreamUnreachable  502 -910_016 upstream_unreachable;
    UpstreamTimeout      504 -910_017 upstream_timeout;
    UpstreamBrokeOff     502 -910_018 upstream_broke_off;
    UpstreamInvalid      502 -910_019 upstream_invalid;
    CallerUnknown        401 -910_020 caller_unknown;
    CallerForbidden      403 -910_021 caller_forbidden;
    RateLimited          429 -910_022 rate_limited;
}

#[track_caller]
fn assert_own(reply: &Reply, status: u16, errcode: i64, name: &str) {
    assert_eq!((reply.status, reply.error()), (status, Some(name)), "{}", reply.text());
    assert_eq!(reply.field("content-type"), Some("application/json"));
    let (date, server) = (reply.field("date"), reply.field("server"));
    assert_eq!((date, server), (None, None), "only WeChat's answers have these");
    let body = reply.json();
    assert_eq!(body["errcode"], errcode, "{body}");
    let message = body["errmsg"].as_str().unwrap().strip_prefix("wxgate: ").unwrap().to_owned();
    let (what, to_do) = message.split_once("; ").unwrap_or_else(|| panic!("what to do? {message}"));
    assert!(!what.is_empty() && !to_do.is_empty(), "{message}");
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
}

#[tokio::test]
async fn a_refusal_that_time_heals_says_when_to_come_again() {
    for reply in [too_busy().await, body_not_kept().await, rate_limited().await] {
        assert_eq!(reply.field("retry-after"), Some("1"), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_refused_method_comes_with_those_that_are_served() {
    assert!(method_not_allowed().await.field("allow").unwrap().contains("GET, HEAD, POST"));
}

#[tokio::test]
async fn without_a_token_the_caller_reads_wechats_own_reason_and_the_advice() {
    let message = no_token().await.json()["errmsg"].to_string();
    assert!(message.contains("errcode 40125") && message.contains("secret"), "{message}");
}

/// One request to a gateway with `keys`, in front of a sandbox with its default settings.
async fn refused(keys: &str, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Reply {
    Gateway::with(&sandbox().await, keys).await.request(method, target, fields, body).await
}

/// One request whose path in the sandbox has a fault.
async fn struck(keys: &str, fault: Fault, method: &str) -> Reply {
    let wechat = sandbox().await;
    wechat.world().faults().add(fault);
    Gateway::with(&wechat, keys).await.request(method, "/wxa/any", &[], b"").await
}

/// The answer to these very bytes.
async fn answer_to(keys: &str, bytes: &str) -> Reply {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, keys).await;
    let mut caller = gateway.connect().await;
    caller.write(bytes).await;
    caller.reply().await
}

async fn bad_request() -> Reply {
    answer_to("", "GET /cgi-bin/user/info HTTP/1.1\r\n\r\n").await
}

async fn disguised_path() -> Reply {
    refused("", "GET", "/cgi-bin//token", &[], b"").await
}

async fn selectors_disagree() -> Reply {
    refused("", "GET", &format!("/sns/jscode2session?appid={DEFAULT_APPID}&appid=wx2"), &[], b"").await
}

async fn method_not_allowed() -> Reply {
    refused("", "TRACE", PATH, &[], b"").await
}

async fn no_account() -> Reply {
    refused("", "GET", &format!("/@nobody{PATH}"), &[], b"").await
}

async fn browser() -> Reply {
    refused("", "GET", PATH, &[("Origin", "https://evil.example")], b"").await
}

async fn misdirected() -> Reply {
    refused("", "GET", PATH, &[("Host", "evil.example")], b"").await
}

async fn token_endpoint_refused() -> Reply {
    let keys = "[listen]\naddress = '127.0.0.1:0'\ntoken_endpoint = 'refuse'";
    refused(keys, "GET", "/cgi-bin/token?grant_type=client_credential", &[], b"").await
}

async fn invalid_placeholder() -> Reply {
    refused("", "GET", &format!("{PATH}&access_token=wxgate_forged"), &[], b"").await
}

async fn head_too_large() -> Reply {
    refused("server.head_size = '1KiB'", "GET", PATH, &[("X-Large", &"x".repeat(1025))], b"").await
}

async fn body_too_large() -> Reply {
    refused("body.limit = '1KiB'", "POST", PATH, &[], &[b'x'; 1025]).await
}

async fn body_timeout() -> Reply {
    let half = "POST /wxa/any HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf";
    answer_to("body.idle_timeout = '50ms'", half).await
}

async fn body_broken() -> Reply {
    answer_to("", "POST /wxa/any HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n").await
}

async fn body_not_kept() -> Reply {
    let directory = tempfile::tempdir().unwrap();
    let keys = format!("body.memory = '0B'\nbody.directory = '{}'", directory.path().display());
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, &keys).await;
    drop(directory);
    gateway.request("POST", "/wxa/any", &[], b"{}").await
}

async fn too_busy() -> Reply {
    let (wechat, gate) = (sandbox().await, Gate::new());
    wechat.world().faults().add(Fault::at("/wxa/any").hold(&gate));
    let gateway = Gateway::with(&wechat, "server.requests = 1").await;
    let mut first = gateway.connect().await;
    first.request("GET", "/wxa/any", &[], b"").await;
    gate.held(1).await;
    gateway.get(PATH).await
}

async fn no_token() -> Reply {
    let wechat = sandbox().await;
    wechat.world().reset_secret(DEFAULT_APPID, "another");
    Gateway::with(&wechat, "").await.get(PATH).await
}

async fn upstream_unreachable() -> Reply {
    let (_kept, address) = nobody();
    // A call that needs no token: only the way to WeChat can fail.
    Gateway::at(&format!("http://{address}"), &account()).await.get("/sns/userinfo?access_token=81_user").await
}

async fn upstream_timeout() -> Reply {
    struck("upstream.first_byte_timeout = '50ms'", Fault::at("/wxa/any").hold(&Gate::new()), "GET").await
}

async fn upstream_broke_off() -> Reply {
    struck("", Fault::at("/wxa/any").hang_up(HangUp::Before), "POST").await
}

async fn upstream_invalid() -> Reply {
    struck("", Fault::at("/wxa/any").raw("SSH-2.0-OpenSSH\r\n"), "GET").await
}

async fn caller_unknown() -> Reply {
    refused(&known_by_network("networks = ['192.0.2.0/24']"), "GET", PATH, &[], b"").await
}

async fn caller_forbidden() -> Reply {
    refused(&known_by_network("networks = ['127.0.0.0/8']\ndeny = ['/cgi-bin/*']"), "GET", PATH, &[], b"").await
}

async fn rate_limited() -> Reply {
    let keys = known_by_network("networks = ['127.0.0.0/8']\nrate = '1/m'");
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, &keys).await;
    within(async {
        loop {
            let reply = gateway.get(PATH).await;
            if reply.status != 200 {
                break reply;
            }
        }
    })
    .await
}

/// A listener that knows its callers by their addresses, and one caller.
fn known_by_network(caller: &str) -> String {
    format!("[listen]\naddress = '127.0.0.1:0'\nadmit = ['network']\n[[caller]]\nname = 'crm'\n{caller}")
}

/// An error of WeChat's is none of ours, whatever its status.
#[tokio::test]
async fn wechats_own_errors_are_not_marked_as_the_gateways() {
    let html = HeaderValue::from_static("text/html");
    let busy = Fault::at("/wxa/any").status(hyper::StatusCode::BAD_GATEWAY, html, "<h1>Bad Gateway</h1>");
    let reply = struck("", busy, "GET").await;
    assert_eq!((reply.status, reply.error(), reply.text().as_str()), (502, None, "<h1>Bad Gateway</h1>"));
}
