//! One request, and its steps, as spans: names and attributes after OpenTelemetry's semantic conventions for HTTP, and our own
//! under `wxgate.` and `wechat.`.
//!
//! No query is in any of them, for it holds the token; and every text has a bound.

use std::time::{Duration, UNIX_EPOCH};

use hyper::http::uri::Authority;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use tokio::time::Instant;

use super::attributes::{count, number, text};
use super::notes::{Noted, Notes, Sending, What};
use super::parent::{SpanId, TraceId};
use crate::observe::traces::Wait;
use crate::observe::{End, Seen};
use crate::wechat::endpoint;

/// The flags of `Span.flags`: sampled; whether the parent is in another process is known; it is.
const SAMPLED: u32 = 0x1;
const IS_REMOTE_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The methods that are called by their names (semantic conventions: `http.request.method`).
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
const OTHER_METHOD: &str = "_OTHER";

/// What makes a wait one: to find that there is a token takes less.
const SHORTEST_WAIT: Duration = Duration::from_micros(100);

/// The request, first, and the steps that it consists of.
pub(super) fn spans(notes: &Notes, seen: &Seen<'_>, now: Instant) -> Vec<Span> {
    let trace = notes.parent.as_ref().map_or_else(new_trace, |parent| parent.trace);
    let (method, endpoint) = (method(seen.method), endpoint(seen.path));
    let whole = Whole { notes, seen, trace, span: new_span(), now, method, endpoint };
    let steps = notes.steps();
    let mut spans = Vec::with_capacity(1 + steps.len());
    spans.push(whole.server());
    let mut sendings = 0;
    for step in steps.iter() {
        match &step.what {
            What::Wait(wait) if whole.is_one(*wait, step) => spans.push(whole.waiting(*wait, step)),
            What::Wait(_) => {}
            What::Sending(sending) => {
                spans.push(whole.sending(sending, sendings, step));
                sendings += 1;
            }
        }
    }
    spans
}

fn new_trace() -> TraceId {
    fastrand::u128(1..).to_be_bytes()
}

fn new_span() -> SpanId {
    fastrand::u64(1..).to_be_bytes()
}

/// A request that has ended, with its place in its trace.
struct Whole<'a> {
    notes: &'a Notes,
    seen: &'a Seen<'a>,
    trace: TraceId,
    span: SpanId,
    now: Instant,
    method: &'static str,
    endpoint: Option<&'static str>,
}

impl Whole<'_> {
    fn server(&self) -> Span {
        let seen = self.seen;
        let failure = failure(seen);
        let parent = self.notes.parent.as_ref();
        let mut attributes = self.request("http.route");
        attributes.extend(seen.peer.map(|peer| text("network.peer.address", peer.to_string())));
        attributes.extend(seen.status.map(|status| number("http.response.status_code", status)));
        attributes.push(count("http.request.body.size", seen.received));
        attributes.push(count("http.response.body.size", seen.sent));
        attributes.push(text("wxgate.request_id", seen.id.to_string()));
        attributes.extend(Some(seen.account).filter(|name| !name.is_empty()).map(|name| text("wxgate.account", name)));
        attributes.extend(seen.caller.map(|caller| text("wxgate.caller", caller)));
        attributes.extend(seen.generation.map(|generation| count("wxgate.generation", generation)));
        attributes.extend(seen.retry.map(|retry| text("wxgate.retry", retry)));
        attributes.extend(seen.error.map(|own| text("wxgate.error", own.name)));
        attributes.extend((seen.end == End::CallerLeft).then(|| text("wxgate.end", "caller_left")));
        attributes.extend(seen.errcode.map(|errcode| number("wechat.errcode", errcode)));
        attributes.extend(seen.rid.map(|rid| text("wechat.rid", rid)));
        attributes.extend(failure.clone().map(|failure| text("error.type", failure)));
        Span {
            span_id: self.span.to_vec(),
            parent_span_id: parent.map(|parent| parent.span.to_vec()).unwrap_or_default(),
            flags: SAMPLED | IS_REMOTE_KNOWN | if parent.is_some() { IS_REMOTE } else { 0 },
            kind: SpanKind::Server.into(),
            attributes,
            status: failure.is_some().then(failed),
            ..self.span(self.name(), self.notes.begun.0, self.now)
        }
    }

    fn sending(&self, sending: &Sending, before: i64, step: &Noted) -> Span {
        let host = sending.host.as_ref().and_then(|host| Authority::try_from(host.as_bytes()).ok());
        let failure = unanswered_or_refused(sending);
        let mut attributes = self.request("url.template");
        if let Some(host) = &host {
            attributes.push(text("server.address", host.host()));
            attributes.extend(host.port_u16().map(|port| number("server.port", port)));
        }
        attributes.extend(sending.status.map(|status| number("http.response.status_code", status)));
        attributes.extend((before > 0).then(|| number("http.request.resend_count", before)));
        attributes.extend(sending.generation.map(|generation| count("wxgate.generation", generation)));
        attributes.extend(sending.errcode.map(|errcode| number("wechat.errcode", errcode)));
        attributes.extend(sending.rid.as_deref().map(|rid| text("wechat.rid", rid)));
        attributes.extend(failure.clone().map(|failure| text("error.type", failure)));
        Span {
            kind: SpanKind::Client.into(),
            attributes,
            status: failure.is_some().then(failed),
            ..self.step(self.name(), step)
        }
    }

    fn waiting(&self, wait: Wait, step: &Noted) -> Span {
        let name = match wait {
            Wait::Token => "wait for a token",
            Wait::FreshToken => "wait for a fresh token",
        };
        Span { kind: SpanKind::Internal.into(), ..self.step(name.to_owned(), step) }
    }

    /// Whether it took any time. That for a fresh token tells what there was between two sendings, and always stands there.
    fn is_one(&self, wait: Wait, step: &Noted) -> bool {
        wait == Wait::FreshToken || self.end_of(step).duration_since(step.begun) >= SHORTEST_WAIT
    }

    fn end_of(&self, step: &Noted) -> Instant {
        step.ended.unwrap_or(self.now)
    }

    fn step(&self, name: String, step: &Noted) -> Span {
        Span {
            span_id: new_span().to_vec(),
            parent_span_id: self.span.to_vec(),
            flags: SAMPLED | IS_REMOTE_KNOWN,
            ..self.span(name, step.begun, self.end_of(step))
        }
    }

    fn span(&self, name: String, begun: Instant, ended: Instant) -> Span {
        Span {
            trace_id: self.trace.to_vec(),
            trace_state: self.notes.state.clone(),
            name,
            start_time_unix_nano: self.nanoseconds(begun),
            end_time_unix_nano: self.nanoseconds(ended),
            ..Span::default()
        }
    }

    fn nanoseconds(&self, at: Instant) -> u64 {
        let (begun, by_the_clock) = self.notes.begun;
        let since = by_the_clock.duration_since(UNIX_EPOCH).unwrap_or_default() + at.saturating_duration_since(begun);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The method, and the endpoint where it is one of WeChat's: whatever else callers write would make a name for each.
    fn name(&self) -> String {
        let method = if self.method == OTHER_METHOD { "HTTP" } else { self.method };
        self.endpoint.map_or_else(|| method.to_owned(), |endpoint| format!("{method} {endpoint}"))
    }

    /// What is asked for; `known` is what the conventions call a path with few values.
    fn request(&self, known: &str) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(16);
        attributes.push(text("http.request.method", self.method));
        if self.method == OTHER_METHOD {
            attributes.push(text("http.request.method_original", self.seen.method));
        }
        attributes.push(text("url.path", self.seen.path));
        attributes.extend(self.endpoint.map(|endpoint| text(known, endpoint)));
        attributes
    }
}

fn method(written: &str) -> &'static str {
    METHODS.into_iter().find(|method| *method == written).unwrap_or(OTHER_METHOD)
}

/// What went wrong, in few words. A mistake of the caller's that the gateway refuses is no failure of a server (semantic
/// conventions: 4xx); WeChat does not say whose mistake it refuses.
fn failure(seen: &Seen<'_>) -> Option<String> {
    let errcode = seen.errcode.filter(|&errcode| errcode != 0);
    match (seen.end, seen.error, seen.status) {
        (End::BrokeOff, ..) => Some("broke_off".to_owned()),
        (_, Some(own), Some(500..)) => Some(own.name.to_owned()),
        (_, None, Some(status @ 500..)) => Some(status.to_string()),
        _ => errcode.map(|errcode| errcode.to_string()),
    }
}

/// What went wrong with one sending (semantic conventions: 4xx is a failure for who asked).
fn unanswered_or_refused(sending: &Sending) -> Option<String> {
    match (sending.error, sending.status, sending.errcode) {
        (Some(error), ..) => Some(error.to_owned()),
        (None, None, _) => Some("caller_left".to_owned()),
        (None, Some(status), _) if status >= 400 => Some(status.to_string()),
        (None, _, errcode) => errcode.filter(|&errcode| errcode != 0).map(|errcode| errcode.to_string()),
    }
}

fn failed() -> Status {
    Status { code: StatusCode::Error.into(), message: String::new() }
}
