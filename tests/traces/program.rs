//! The real program: what its log says of the collector, reloads, its end, TLS and fields.

use std::sync::Arc;

use hyper::StatusCode;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use wxgate::sandbox::Sandbox;

use crate::authority::Authority;
use crate::collector::{Collector, spans_of, text};
use crate::process::Program;
use crate::support::{Caller, account, config_text, nobody, sandbox};

const CALL: &str = "/sns/userinfo?access_token=of-a-user";

fn configured(wechat: &Sandbox, traces: &str) -> String {
    config_text(&wechat.base_url(), &format!("{}{traces}", account()))
}

async fn get(program: &mut Program, id: &str) {
    let mut caller = Caller::connect(program.address().await).await;
    caller.request("GET", CALL, &[("X-Request-Id", id)], b"").await;
    assert_eq!(caller.reply().await.status, 200);
}

#[tokio::test]
async fn the_log_says_once_that_the_collector_is_away_and_once_that_it_is_back() {
    let (wechat, (socket, address)) = (sandbox().await, nobody());
    let traces = format!("[traces]\nendpoint = 'http://{address}/v1/traces'\n");
    let mut program = Program::run(&configured(&wechat, &traces));
    get(&mut program, "one").await;
    program.says("the collector takes no traces, and requests go on without: ").await;
    get(&mut program, "two").await;
    socket.listen(128).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut collector = Collector::on(TcpListener::from_std(socket.into()).unwrap(), None);
    for id in ["one", "two"] {
        collector.request(id).await;
    }
    program.says("the collector takes traces again").await;
    program.signal("TERM");
    program.ended().await;
    let said = program.lines.iter().filter(|line| line.contains("the collector"));
    assert_eq!(said.count(), 2, "{:#?}", program.lines);
}

#[tokio::test]
async fn a_collector_that_knows_no_such_path_or_key_is_said_with_what_to_look_at() {
    for (status, key) in [(StatusCode::NOT_FOUND, "traces.endpoint"), (StatusCode::FORBIDDEN, "traces.headers")] {
        let (wechat, collector) = (sandbox().await, Collector::start().await);
        let refusal = || hyper::Response::builder().status(status).body(Default::default()).unwrap();
        collector.answer([refusal()]);
        let mut program = Program::run(&configured(&wechat, &collector.traces("")));
        get(&mut program, "one").await;
        let line = program.says("the collector takes no traces").await;
        assert!(line.contains(key), "{line}");
    }
}

#[tokio::test]
async fn what_requests_have_left_is_delivered_before_the_program_ends() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let mut program = Program::run(&configured(&wechat, &collector.traces("")));
    get(&mut program, "the-last").await;
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
    let exports = collector.unasked();
    let spans: Vec<_> = exports.into_iter().flat_map(|export| spans_of(export.message)).collect();
    assert!(spans.iter().any(|span| text(span, "wxgate.request_id").as_deref() == Some("the-last")), "{spans:#?}");
}

#[tokio::test]
async fn a_collector_that_is_away_does_not_hold_up_the_end() {
    let (wechat, (_kept, address)) = (sandbox().await, nobody());
    let traces = format!("[traces]\nendpoint = 'http://{address}/v1/traces'\n");
    let mut program = Program::run(&configured(&wechat, &traces));
    get(&mut program, "lost").await;
    program.says("the collector takes no traces").await; // and now it rests
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_reload_leads_spans_elsewhere_and_what_was_under_way_still_arrives() {
    let wechat = sandbox().await;
    let (mut first, mut second) = (Collector::start().await, Collector::start().await);
    let mut program = Program::run(&configured(&wechat, &first.traces("")));
    get(&mut program, "before").await;
    std::fs::write(program.directory().join("config.toml"), configured(&wechat, &second.traces(""))).unwrap();
    program.signal("HUP");
    program.says("was read again and is in force").await;
    get(&mut program, "after").await;
    first.request("before").await;
    second.request("after").await;
    assert!(first.unasked().is_empty());

    std::fs::write(program.directory().join("config.toml"), configured(&wechat, "traces.sample = 0.5\n")).unwrap();
    program.signal("HUP");
    program.signal("TERM");
    program.ended().await;
}

#[tokio::test]
async fn a_reload_that_changes_nothing_of_traces_loses_none_that_wait() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let mut program = Program::run(&configured(&wechat, &collector.traces("")));
    let busy = |seconds: u32| {
        let busy = hyper::Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
        busy.header("retry-after", seconds).body(Default::default()).unwrap()
    };
    collector.answer([busy(1), busy(0)]);
    get(&mut program, "waits").await;
    let first = collector.export().await.bytes;
    let otherwise = format!("{}[heal]\npause = '7ms'\n", collector.traces(""));
    std::fs::write(program.directory().join("config.toml"), configured(&wechat, &otherwise)).unwrap();
    program.signal("HUP");
    program.says("was read again and is in force").await;
    // One that was told to end would have tried once more and given up.
    assert!(first == collector.export().await.bytes && first == collector.export().await.bytes);
}

#[tokio::test]
async fn a_collector_that_is_the_gateway_itself_is_refused() {
    let wechat = sandbox().await;
    let mut program = Program::run(&configured(&wechat, ""));
    let port = program.address().await.port();
    for host in ["127.0.0.1", "localhost"] {
        let traces = format!("[traces]\nendpoint = 'http://{host}:{port}/v1/traces'\n");
        std::fs::write(program.directory().join("config.toml"), configured(&wechat, &traces)).unwrap();
        program.lines.clear();
        program.signal("HUP");
        program.says("the old one stays in force: traces.endpoint: ").await;
    }
}

#[tokio::test]
async fn a_collector_behind_tls_is_trusted_by_ca_file_and_gets_the_fields() {
    let (wechat, authority) = (sandbox().await, Authority::new());
    let (certificate, key) = authority.sign("localhost");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut collector = Collector::on(listener, Some(TlsAcceptor::from(Arc::new(config.unwrap()))));
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "Bearer of-the-collector\n").unwrap();
    let traces = format!(
        "[traces]\nendpoint = 'https://localhost:{}/otlp/v1/traces'\nca_file = '{}'\n\
         headers = [{{ name = 'Authorization', value = {{ file = '{}' }} }}, {{ name = 'x-tenant', value = 'shop' }}]\n",
        collector.address.port(),
        authority.path().display(),
        secret.path().display(),
    );
    let mut program = Program::run(&configured(&wechat, &traces));
    get(&mut program, "one").await;
    let export = collector.export().await;
    assert_eq!(export.path, "/otlp/v1/traces");
    assert_eq!(
        (&export.headers["authorization"], &export.headers["x-tenant"]),
        (&"Bearer of-the-collector".parse().unwrap(), &"shop".parse().unwrap())
    );
}
