//! A collector: takes what comes over OTLP/HTTP, and has its own mind about what to answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::within;

/// What is answered.
pub type Answer = Response<Full<Bytes>>;

type Answers = Arc<Mutex<Vec<Answer>>>;

/// A running collector. Dropping it closes its listener.
pub struct Collector {
    pub address: SocketAddr,
    answers: Answers,
    exports: UnboundedReceiver<Export>,
    /// Spans that came, and that nobody asked for yet.
    spans: Vec<Span>,
    accepting: JoinHandle<()>,
}

/// One request to it.
pub struct Export {
    pub path: String,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    pub message: ExportTraceServiceRequest,
}

impl Collector {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), None)
    }

    /// On a socket that is there already; with TLS where that is given.
    pub fn on(listener: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        let (says, exports) = unbounded_channel();
        let (address, answers) = (listener.local_addr().unwrap(), Answers::default());
        let accepting = tokio::spawn(accept(listener, tls, says, Arc::clone(&answers)));
        Self { address, answers, exports, spans: Vec::new(), accepting }
    }

    /// The configuration that sends traces here, under further `keys`.
    pub fn traces(&self, keys: &str) -> String {
        format!("[traces]\nendpoint = 'http://{}/v1/traces'\n{keys}\n", self.address)
    }

    /// Answers the next requests so, one after the other, and those after them with success.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        *self.answers.lock().unwrap() = answers;
    }

    /// The next request.
    pub async fn export(&mut self) -> Export {
        within(self.exports.recv()).await.unwrap()
    }

    /// What came and was not asked for.
    pub fn unasked(&mut self) -> Vec<Export> {
        std::iter::from_fn(|| self.exports.try_recv().ok()).collect()
    }

    /// The spans of the request of this name, as soon as they have come: its own one first.
    pub async fn request(&mut self, id: &str) -> Vec<Span> {
        loop {
            let of_request = |span: &Span| text(span, "wxgate.request_id").as_deref() == Some(id);
            if let Some(server) = self.spans.iter().find(|span| of_request(span)).cloned() {
                let (mut steps, others) = self.spans.drain(..).partition(|span| span.parent_span_id == server.span_id);
                self.spans = others;
                self.spans.retain(|span| span.span_id != server.span_id);
                Vec::insert(&mut steps, 0, server);
                return steps;
            }
            let export = self.export().await;
            self.spans.extend(spans_of(export.message));
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, says: UnboundedSender<Export>, answers: Answers) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (says, answers, tls) = (says.clone(), Arc::clone(&answers), tls.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => serve(tls.accept(stream).await.unwrap(), says, answers).await,
                None => serve(stream, says, answers).await,
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, says: UnboundedSender<Export>, answers: Answers) {
    let service = service_fn(|request: Request<Incoming>| {
        let (says, answers) = (says.clone(), Arc::clone(&answers));
        async move {
            let (head, body) = request.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let message = ExportTraceServiceRequest::decode(bytes.clone()).unwrap();
            let path = head.uri.path().to_owned();
            let _ = says.send(Export { path, headers: head.headers, bytes, message });
            let answer = answers.lock().unwrap().pop().unwrap_or_default();
            Ok::<_, Infallible>(answer)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// All spans of a message.
pub fn spans_of(message: ExportTraceServiceRequest) -> Vec<Span> {
    let scopes = message.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// An attribute as text.
pub fn text(span: &Span, key: &str) -> Option<String> {
    attribute(&span.attributes, key)
}

/// The same, out of a list.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let mut values = attributes.iter().filter(|attribute| attribute.key == key);
    let value = values.next()?.value.as_ref()?.value.as_ref()?;
    assert!(values.next().is_none(), "{key} stands there twice");
    Some(match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{key}: {other:?}"),
    })
}

/// These attributes are as expected; `None` for one that must not be there.
#[track_caller]
pub fn assert_attributes(span: &Span, expected: &[(&str, Option<&str>)]) {
    for (key, value) in expected {
        assert_eq!(text(span, key).as_deref(), *value, "{key} in {span:#?}");
    }
}

/// Those of this kind, in their order.
pub fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind == kind as i32).collect()
}

/// Whether it is marked as having failed.
pub fn has_failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == 2)
}
