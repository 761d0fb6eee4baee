//! How spans get to the collector, and what becomes of them when they do not.

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use tokio::net::TcpListener;

use crate::collector::{Answer, Collector, spans_of};
use crate::support::{Caller, Gateway, account, nobody, sandbox, within};

const ADMIN: &str = "admin.address = '127.0.0.1:0'";
/// Without a token, so that a request is two spans: its own and that of the one sending.
const CALL: &str = "/sns/userinfo?access_token=of-a-user";

/// The value of a sample in the gateway's metrics.
pub async fn value(gateway: &Gateway, sample: &str) -> f64 {
    let mut operator = Caller::connect(gateway.admin.unwrap()).await;
    operator.request("GET", "/metrics", &[], b"").await;
    let text = operator.reply().await.text();
    let shown = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    shown.unwrap_or_else(|| panic!("{sample} is missing in {text}")).parse().unwrap()
}

async fn exported(gateway: &Gateway) -> f64 {
    value(gateway, "wxgate_spans_total{outcome=\"exported\"}").await
}

async fn lost(gateway: &Gateway) -> f64 {
    value(gateway, "wxgate_spans_total{outcome=\"lost\"}").await
}

fn status(status: StatusCode) -> Answer {
    hyper::Response::builder().status(status).body(Full::default()).unwrap()
}

#[tokio::test]
async fn spans_that_a_collector_takes_or_refuses_are_counted_and_what_it_refuses_is_not_sent_again() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let gateway = Gateway::with(&wechat, &format!("{ADMIN}\n{}", collector.traces(""))).await;
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans: 1, error_message: String::new() });
    let partial = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    for (answer, expected) in [
        (status(StatusCode::OK), (2.0, 0.0)),
        (hyper::Response::new(Full::new(Bytes::from(partial))), (3.0, 1.0)),
        (status(StatusCode::BAD_REQUEST), (3.0, 3.0)),
        (status(StatusCode::UNAUTHORIZED), (3.0, 5.0)),
    ] {
        collector.answer([answer]);
        assert_eq!(gateway.get(CALL).await.status, 200);
        assert_eq!(spans_of(collector.export().await.message).len(), 2);
        within(async { while exported(&gateway).await + lost(&gateway).await < expected.0 + expected.1 {} }).await;
        assert_eq!((exported(&gateway).await, lost(&gateway).await), expected);
    }
    assert!(collector.unasked().is_empty());
}

#[tokio::test]
async fn a_batch_that_a_collector_cannot_take_now_comes_again_as_it_was() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let gateway = Gateway::with(&wechat, &format!("{ADMIN}\n{}", collector.traces(""))).await;
    let mut busy = status(StatusCode::SERVICE_UNAVAILABLE);
    busy.headers_mut().insert("retry-after", 0.into());
    collector.answer([busy, status(StatusCode::TOO_MANY_REQUESTS)]);
    gateway.get(CALL).await;
    let [first, second, third] =
        [collector.export().await, collector.export().await, collector.export().await].map(|export| export.bytes);
    assert!(!first.is_empty() && first == second && second == third);
    within(async { while exported(&gateway).await < 2.0 {} }).await;
    assert_eq!(lost(&gateway).await, 0.0);
}

#[tokio::test]
async fn while_the_collector_is_away_requests_go_on_and_what_there_is_no_room_for_is_counted() {
    const REQUESTS: usize = 2_800;
    let (wechat, (socket, address)) = (sandbox().await, nobody());
    let keys = format!("{ADMIN}\ntraces.endpoint = 'http://{address}/v1/traces'\n{}", account());
    let gateway = Gateway::with_accounts(&wechat, &keys).await;
    let mut caller = gateway.connect().await;
    for _ in 0..REQUESTS {
        caller.request("GET", CALL, &[], b"").await;
        assert_eq!(caller.reply().await.status, 200);
    }
    let lost_meanwhile = lost(&gateway).await;
    let made = 2.0 * REQUESTS as f64;
    // What waits, and a batch that is under way.
    assert!(lost_meanwhile >= made - (4_096.0 + 512.0) && lost_meanwhile < made, "{lost_meanwhile}");
    assert_eq!(exported(&gateway).await, 0.0);

    socket.listen(128).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut collector = Collector::on(TcpListener::from_std(socket.into()).unwrap(), None);
    let mut came = 0.0;
    while came < made - lost_meanwhile {
        let spans = spans_of(collector.export().await.message).len();
        assert!(spans <= 512, "a batch of {spans}");
        came += spans as f64;
    }
    within(async { while exported(&gateway).await < came {} }).await;
    assert_eq!(
        (came, lost(&gateway).await),
        (made - lost_meanwhile, lost_meanwhile),
        "every span is in one of the two"
    );
}

#[tokio::test]
async fn the_metric_is_documented() {
    let (wechat, collector) = (sandbox().await, Collector::start().await);
    let gateway = Gateway::with(&wechat, &format!("{ADMIN}\n{}", collector.traces(""))).await;
    assert_eq!(exported(&gateway).await, 0.0);
    for guide in [include_str!("../../docs/operations.md"), include_str!("../../docs/operations.zh-CN.md")] {
        assert!(guide.contains("`wxgate_spans_total`"));
    }
}
