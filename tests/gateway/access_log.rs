//! The access log of the real program, and the names of requests in it.

use serde_json::Value;
use wxgate::sandbox::{DEFAULT_APPID, Fault, Sandbox};

use crate::process::Program;
use crate::support::{Caller, Gateway, Reply, account, config_text, last_call, sandbox};

/// The program with this `[log]`, and a way to it.
struct Logging {
    program: Program,
    address: std::net::SocketAddr,
}

impl Logging {
    async fn start(wechat: &Sandbox, log: &str) -> Self {
        let keys = format!("log = {{ {log} }}\n{}", account());
        let mut program = Program::run(&config_text(&format!("http://{}", wechat.address()), &keys));
        let address = program.address().await;
        Self { program, address }
    }

    async fn request(&self, target: &str, fields: &[(&str, &str)]) -> Reply {
        let mut caller = Caller::connect(self.address).await;
        caller.request("GET", target, fields, b"").await;
        caller.reply().await
    }

    /// Stops the program, and gives the lines of its access log.
    async fn lines(mut self) -> Vec<String> {
        self.program.signal("TERM");
        assert_eq!(self.program.ended().await.code(), Some(0));
        let is_access = |line: &&String| line.contains(" access: ") || line.contains("\"wxgate::access\"");
        self.program.lines.iter().filter(is_access).cloned().collect()
    }
}

/// One that goes well, one that is healed, one that WeChat refuses, and one that the gateway does.
async fn four_requests(logging: &Logging, wechat: &Sandbox) {
    logging.request("/cgi-bin/user/get?lang=in-the-query", &[("X-Request-Id", "first-1")]).await;
    wechat.world().another_system_refreshes(DEFAULT_APPID);
    logging.request("/cgi-bin/user/get", &[]).await;
    wechat.world().faults().add(Fault::at("/cgi-bin/menu/get").errcode(45009).times(1));
    logging.request("/@main/cgi-bin/menu/get", &[]).await;
    logging.request("/@nobody/cgi-bin/menu/get?access_token=in-the-query", &[]).await;
}

#[tokio::test]
async fn every_request_has_one_line_that_says_how_it_went_and_nothing_of_its_query() {
    let wechat = sandbox().await;
    let logging = Logging::start(&wechat, "access = 'all', format = 'json'").await;
    four_requests(&logging, &wechat).await;
    let lines = logging.lines().await;
    assert!(lines.iter().all(|line| !line.contains("in-the-query")), "{lines:#?}");
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let with = |name: &str| lines.iter().find(|line| line.get(name).is_some()).unwrap();
    let fine = lines.iter().find(|line| line["request_id"] == "first-1").unwrap();
    let (healed, refused, own) = (with("retry"), with("errcode"), with("error"));
    for (line, expected) in [
        (fine, r#"{"path":"/cgi-bin/user/get","status":200,"generation":1,"account":"main","request_id":"first-1"}"#),
        (healed, r#"{"path":"/cgi-bin/user/get","status":200,"generation":2,"retry":"healed"}"#),
        (refused, r#"{"path":"/cgi-bin/menu/get","status":200,"errcode":45009,"account":"main"}"#),
        (own, r#"{"path":"/@nobody/cgi-bin/menu/get","status":404,"error":"no_account","peer":"127.0.0.1"}"#),
    ] {
        let expected: Value = serde_json::from_str(expected).unwrap();
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&line[name], value, "{name} in {line}");
        }
    }
    assert!(refused["rid"].as_str().is_some_and(|rid| !rid.is_empty()));
    assert!(own.get("account").is_none() && own.get("upstream_ms").is_none());
    let (whole, upstream) = (healed["ms"].as_f64().unwrap(), healed["upstream_ms"].as_f64().unwrap());
    assert!(0.0 < upstream && upstream <= whole, "{healed}");
}

#[tokio::test]
async fn errors_and_heals_alone_have_a_line_where_that_is_asked_for_and_by_default() {
    for log in ["access = 'errors'", "level = 'info'"] {
        let wechat = sandbox().await;
        let logging = Logging::start(&wechat, log).await;
        four_requests(&logging, &wechat).await;
        let lines = logging.lines().await;
        assert_eq!(lines.len(), 3, "{lines:#?}");
        // Each worker writes its own, so their order among each other may be any.
        for part in [" retry=healed ", " errcode=45009 ", " error=no_account "] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part} is not in {lines:#?}");
        }
    }
}

#[tokio::test]
async fn no_request_has_a_line_where_it_is_off() {
    let wechat = sandbox().await;
    let logging = Logging::start(&wechat, "access = 'off'").await;
    four_requests(&logging, &wechat).await;
    assert!(logging.lines().await.is_empty());
}

#[tokio::test]
async fn a_line_comes_while_the_program_runs_and_not_only_at_its_end() {
    let wechat = sandbox().await;
    let mut logging = Logging::start(&wechat, "access = 'all'").await;
    logging.request("/cgi-bin/user/get", &[]).await;
    logging.program.says(" access: account=main ").await;
}

#[tokio::test]
async fn no_caller_can_forge_a_line_or_a_field() {
    let wechat = sandbox().await;
    let logging = Logging::start(&wechat, "access = 'all'").await;
    let id = ("X-Request-Id", "1 status=200 forged=yes");
    logging.request("/cgi-bin/a%0a%20access:%20forged=yes\"{}", &[id]).await;
    let lines = logging.lines().await;
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(!line.contains(" forged"), "{line}");
}

#[tokio::test]
async fn a_requests_name_comes_back_where_there_is_something_to_look_up() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let ask = async |target: &str, fields: &[(&str, &str)]| gateway.request("GET", target, fields, b"").await;
    let fine = ask("/cgi-bin/user/get", &[("X-Request-Id", "order-17")]).await;
    assert_eq!(fine.field("x-request-id"), None, "WeChat's answers are as WeChat sent them");
    let own = ask("/@nobody/a", &[("X-Request-Id", "order-17")]).await;
    assert_eq!(own.field("x-request-id"), Some("order-17"));
    let own = ask("/@nobody/a", &[("X-Request-Id", "not sane")]).await;
    let (made, next) = (own.field("x-request-id").unwrap().to_owned(), ask("/@nobody/a", &[]).await);
    assert!(made.len() == 16 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
    assert_ne!(next.field("x-request-id"), Some(&*made));
    wechat.world().another_system_refreshes(DEFAULT_APPID);
    let healed = ask("/cgi-bin/user/get", &[("X-Request-Id", "order-18")]).await;
    assert_eq!((healed.field("x-wxgate-retry"), healed.field("x-request-id")), (Some("healed"), Some("order-18")));
}

#[tokio::test]
async fn wechat_gets_the_callers_own_trace_and_name_and_never_one_made_here() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let trace = [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "a=1,b=2"),
        ("X-Request-Id", "not sane, and not ours to change"),
    ];
    gateway.request("GET", "/cgi-bin/user/get", &trace, b"").await;
    let seen = last_call(&wechat);
    for (name, value) in trace {
        let name = name.to_lowercase().parse().unwrap();
        assert_eq!(seen.header(&name), [value.as_bytes()], "{name}");
    }
    gateway.get("/cgi-bin/user/get").await;
    let seen = last_call(&wechat);
    assert!(["traceparent", "x-request-id"].iter().all(|name| seen.header(&name.parse().unwrap()).is_empty()));
}
