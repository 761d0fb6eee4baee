//! What becomes of a request: which spans there are, whose children they are, and what they say.

use data_encoding::HEXLOWER;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use wxgate::sandbox::{DEFAULT_APPID, Fault, Gate, HangUp, STABLE, Sandbox};

use crate::collector::{Collector, assert_attributes, attribute, has_failed, of_kind, text};
use crate::delivery::value;
use crate::support::{Gateway, account, config, last_call, nobody, sandbox, within};

const INFO: &str = "/cgi-bin/user/info";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A gateway in front of `wechat` whose traces go to `collector`.
async fn traced(wechat: &Sandbox, collector: &Collector, keys: &str) -> Gateway {
    Gateway::start(wechat, &collector.traces(keys)).await
}

/// A GET of this name, with a parent that says so.
async fn get(gateway: &Gateway, target: &str, id: &str, parent: Option<&str>) -> u16 {
    let parent = parent.map(|flags| format!("00-{TRACE}-{SPAN}-{flags}"));
    let mut fields = vec![("X-Request-Id", id)];
    fields.extend(parent.as_deref().map(|parent| ("traceparent", parent)));
    gateway.request("GET", target, &fields, b"").await.status
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// That every step lies within its request, and belongs to it.
fn assert_within(spans: &[Span]) {
    let (server, steps) = spans.split_first().unwrap();
    for step in steps {
        assert_eq!((&step.trace_id, &step.parent_span_id), (&server.trace_id, &server.span_id));
        assert!(server.start_time_unix_nano <= step.start_time_unix_nano);
        assert!(step.start_time_unix_nano <= step.end_time_unix_nano);
        assert!(step.end_time_unix_nano <= server.end_time_unix_nano);
    }
}

#[tokio::test]
async fn a_request_whose_caller_is_traced_is_a_part_of_that_trace() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    // Whoever is traced decides, not the draw.
    let gateway = traced(&wechat, &collector, "sample = 0\nservice_name = 'gateway-of-the-shop'").await;
    let parent = format!("00-{TRACE}-{SPAN}-03");
    let fields = [("traceparent", &*parent), ("tracestate", "a=1"), ("tracestate", "b=2"), ("X-Request-Id", "one")];
    gateway.request("GET", &format!("{INFO}?openid=o6"), &fields, b"").await;
    let seen = last_call(&wechat);
    assert_eq!(seen.header(&"traceparent".parse().unwrap()), [parent.as_bytes()], "and goes on as it came");
    assert_eq!(seen.header(&"tracestate".parse().unwrap()), [b"a=1", b"b=2"]);
    let export = collector.export().await;
    assert_eq!(
        (export.path.as_str(), &export.headers["content-type"]),
        ("/v1/traces", &"application/x-protobuf".parse().unwrap())
    );
    let resource = export.message.resource_spans[0].resource.as_ref().unwrap();
    for (key, value) in [("service.name", "gateway-of-the-shop"), ("service.version", env!("CARGO_PKG_VERSION"))] {
        assert_eq!(attribute(&resource.attributes, key).as_deref(), Some(value));
    }
    let spans = crate::collector::spans_of(export.message);
    assert_within(&spans);
    // The first token may not have been there yet, which is another step.
    let (server, clients) = (&spans[0], of_kind(&spans, SpanKind::Client));
    let [client] = clients.as_slice() else { panic!("{spans:#?}") };
    assert_eq!((hex(&server.trace_id), hex(&server.parent_span_id)), (TRACE.to_owned(), SPAN.to_owned()));
    assert_eq!((server.trace_state.as_str(), server.flags), ("a=1,b=2", 0x301), "sampled, of a remote parent");
    assert_eq!(server.kind, SpanKind::Server as i32);
    assert_eq!((server.name.as_str(), client.name.as_str()), ("GET /cgi-bin/user/info", "GET /cgi-bin/user/info"));
    assert!(!has_failed(server) && !has_failed(client));
    assert_attributes(
        server,
        &[
            ("http.request.method", Some("GET")),
            ("http.route", Some(INFO)),
            ("http.response.status_code", Some("200")),
            ("url.path", Some(INFO)),
            ("network.peer.address", Some("127.0.0.1")),
            ("wxgate.account", Some("main")),
            ("wxgate.generation", Some("1")),
            ("wxgate.request_id", Some("one")),
            ("wxgate.retry", None),
            ("error.type", None),
        ],
    );
    let port = wechat.address().port().to_string();
    assert_attributes(
        client,
        &[
            ("url.template", Some(INFO)),
            ("server.address", Some("127.0.0.1")),
            ("server.port", Some(&port)),
            ("http.response.status_code", Some("200")),
            ("http.request.resend_count", None),
            ("wxgate.generation", Some("1")),
        ],
    );
}

#[tokio::test]
async fn a_request_whose_caller_is_not_traced_begins_a_trace_if_it_is_drawn() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let gateway = traced(&wechat, &collector, "").await;
    let malformed = format!("00-{}-{SPAN}-01", TRACE.to_uppercase());
    let mut traces = Vec::new();
    for (id, fields) in [("one", vec![]), ("two", vec![("traceparent", &*malformed), ("tracestate", "a=1")])] {
        let fields: Vec<_> = [("X-Request-Id", id)].into_iter().chain(fields).collect();
        gateway.request("GET", INFO, &fields, b"").await;
    }
    for id in ["one", "two"] {
        let spans = collector.request(id).await;
        assert_within(&spans);
        assert!(spans[0].parent_span_id.is_empty() && spans[0].trace_state.is_empty());
        assert_eq!(spans[0].flags, 0x101, "sampled, and no parent elsewhere");
        traces.push(spans[0].trace_id.clone());
    }
    assert!(traces[0] != traces[1] && traces.iter().all(|trace| trace.len() == 16 && hex(trace) != TRACE));
}

#[tokio::test]
async fn what_the_caller_or_the_draw_leaves_out_is_not_traced() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let gateway = traced(&wechat, &collector, "sample = 0").await;
    for (id, parent) in [("left-out-by-the-caller", Some("00")), ("not-drawn", None), ("traced", Some("01"))] {
        get(&gateway, INFO, id, parent).await;
    }
    // They would have come with it or before it.
    let spans = crate::collector::spans_of(collector.export().await.message);
    let ids: Vec<_> = spans.iter().filter_map(|span| text(span, "wxgate.request_id")).collect();
    assert_eq!(ids, ["traced"]);
}

#[tokio::test]
async fn a_heal_is_two_sendings_and_the_wait_between_them() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let gateway = traced(&wechat, &collector, "").await;
    get(&gateway, INFO, "before", None).await;
    wechat.world().another_system_refreshes(DEFAULT_APPID);
    get(&gateway, &format!("{INFO}?openid=o6"), "healed", None).await;
    let spans = collector.request("healed").await;
    assert_within(&spans);
    assert_attributes(
        &spans[0],
        &[("wxgate.retry", Some("healed")), ("wxgate.generation", Some("2")), ("wechat.errcode", None)],
    );
    assert!(!has_failed(&spans[0]));
    let [refused, wait, taken] = &spans[1..] else { panic!("{spans:#?}") };
    assert_attributes(
        refused,
        &[
            ("wechat.errcode", Some("40001")),
            ("error.type", Some("40001")),
            ("wxgate.generation", Some("1")),
            ("http.response.status_code", Some("200")),
        ],
    );
    assert!(has_failed(refused) && text(refused, "wechat.rid").is_some_and(|rid| !rid.is_empty()));
    assert_eq!((wait.kind, wait.name.as_str()), (SpanKind::Internal as i32, "wait for a fresh token"));
    assert_attributes(
        taken,
        &[("wxgate.generation", Some("2")), ("http.request.resend_count", Some("1")), ("error.type", None)],
    );
    assert!(!has_failed(taken));
    assert!(refused.end_time_unix_nano <= wait.start_time_unix_nano);
    assert!(wait.end_time_unix_nano <= taken.start_time_unix_nano);
}

#[tokio::test]
async fn a_wait_for_the_first_token_is_a_step_of_its_own() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at(STABLE).hold(&gate).times(1));
    let gateway = Gateway::with(&wechat, &format!("admin.address = '127.0.0.1:0'\n{}", collector.traces(""))).await;
    within(gate.held(1)).await;
    let mut caller = gateway.connect().await;
    caller.request("GET", INFO, &[("X-Request-Id", "early")], b"").await;
    within(async { while value(&gateway, "wxgate_in_flight_requests").await < 1.0 {} }).await;
    value(&gateway, "wxgate_in_flight_requests").await; // and some time more
    gate.open();
    caller.reply().await;
    let spans = collector.request("early").await;
    assert_within(&spans);
    let waits = of_kind(&spans, SpanKind::Internal);
    assert!(waits.len() == 1 && waits[0].name == "wait for a token", "{spans:#?}");
}

#[tokio::test]
async fn what_goes_wrong_is_marked_and_named_in_few_words() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let gateway = traced(&wechat, &collector, "").await;
    let faults = wechat.world().faults();
    faults.add(Fault::at("/cgi-bin/menu/get").errcode(45009));
    faults.add(Fault::at("/wxa/hung-up").hang_up(HangUp::Before));
    faults.add(Fault::at("/wxa/broken").body(vec![b'x'; 100_000]).hang_up(HangUp::AmidBody));
    for (path, id) in [("/cgi-bin/menu/get", "refused"), ("/wxa/hung-up", "hung-up"), ("/@nobody/a", "nobody")] {
        // What was written of a POST is not sent again.
        gateway.request("POST", path, &[("X-Request-Id", id)], b"{}").await;
    }
    let mut caller = gateway.connect().await;
    caller.request("GET", "/wxa/broken", &[("X-Request-Id", "broken")], b"").await;
    assert!(caller.try_reply_to("GET").await.is_none());
    for (id, failed, error, own, status, sendings) in [
        ("refused", true, Some("45009"), None, "200", 1),
        ("hung-up", true, Some("upstream_broke_off"), Some("upstream_broke_off"), "502", 1),
        ("nobody", false, None, Some("no_account"), "404", 0),
        ("broken", true, Some("broke_off"), None, "200", 1),
    ] {
        let spans = collector.request(id).await;
        assert_within(&spans);
        assert_eq!(has_failed(&spans[0]), failed, "{id}");
        let expected = [("error.type", error), ("wxgate.error", own), ("http.response.status_code", Some(status))];
        assert_attributes(&spans[0], &expected);
        assert_eq!(of_kind(&spans, SpanKind::Client).len(), sendings, "{id}");
    }
}

#[tokio::test]
async fn a_sending_that_nobody_answered_and_the_one_after_it_are_both_there() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let gateway = traced(&wechat, &collector, "").await;
    let mut caller = gateway.connect().await;
    for id in ["before", "twice"] {
        caller.request("GET", "/wxa/any", &[("X-Request-Id", id)], b"").await;
        assert_eq!(caller.reply().await.status, 200);
        wechat.world().faults().add(Fault::at("/wxa/any").hang_up(HangUp::Before).times(1));
    }
    let spans = collector.request("twice").await;
    assert_within(&spans);
    let [_, first, second] = spans.as_slice() else { panic!("{spans:#?}") };
    assert_attributes(first, &[("error.type", Some("unanswered")), ("http.response.status_code", None)]);
    assert_attributes(second, &[("error.type", None), ("http.request.resend_count", Some("1"))]);
}

#[tokio::test]
async fn what_cannot_be_reached_is_a_sending_too() {
    let (mut collector, (_kept, gone)) = (Collector::start().await, nobody());
    let keys = format!("{}{}", account(), collector.traces(""));
    let gateway = Gateway::from_config(config(&format!("http://{gone}"), &keys)).await.unwrap();
    get(&gateway, "/sns/userinfo?access_token=of-a-user", "unreachable", None).await;
    let spans = collector.request("unreachable").await;
    let [server, client] = spans.as_slice() else { panic!("{spans:#?}") };
    for span in [server, client] {
        assert!(has_failed(span));
        assert_attributes(span, &[("error.type", Some("upstream_unreachable"))]);
    }
}

#[tokio::test]
async fn a_request_whose_caller_left_ends_where_it_was() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let gateway = traced(&wechat, &collector, "").await;
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at(INFO).hold(&gate));
    let mut caller = gateway.connect().await;
    caller.request("GET", INFO, &[("X-Request-Id", "left")], b"").await;
    within(gate.held(1)).await;
    drop(caller);
    let spans = collector.request("left").await;
    assert_within(&spans);
    assert_attributes(&spans[0], &[("wxgate.end", Some("caller_left")), ("http.response.status_code", None)]);
    assert_attributes(of_kind(&spans, SpanKind::Client)[0], &[("error.type", Some("caller_left"))]);
    gate.open();
}

#[tokio::test]
async fn names_are_few_whatever_callers_write() {
    let (wechat, mut collector) = (sandbox().await, Collector::start().await);
    let gateway = traced(&wechat, &collector, "").await;
    let long = format!("/wxa/{}", "x".repeat(5_000));
    let requests = [
        ("POST", "/cgi-bin/message/custom/send", "POST /cgi-bin/message/custom/send"),
        ("GET", "/@main/cgi-bin/user/info", "GET /cgi-bin/user/info"),
        ("GET", "/cgi-bin/user/info/and-more", "GET"),
        ("BREW", INFO, "HTTP /cgi-bin/user/info"),
        ("BREW", &*long, "HTTP"),
    ];
    for (number, (method, path, _)) in requests.iter().enumerate() {
        gateway.request(method, path, &[("X-Request-Id", &*number.to_string())], b"{}").await;
    }
    for (number, (method, _, name)) in requests.into_iter().enumerate() {
        let spans = collector.request(&number.to_string()).await;
        for kind in [SpanKind::Server, SpanKind::Client] {
            let [span] = of_kind(&spans, kind)[..] else { panic!("{spans:#?}") };
            assert_eq!(span.name, name);
            let (known, original) = if method == "BREW" { ("_OTHER", Some("BREW")) } else { (method, None) };
            let expected = [("http.request.method", Some(known)), ("http.request.method_original", original)];
            assert_attributes(span, &expected);
            assert!(text(span, "url.path").unwrap().len() <= 1_024);
        }
    }
}
