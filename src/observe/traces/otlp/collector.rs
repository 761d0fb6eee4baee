//! The collector: one batch there, and its answer (OTLP specification 1.x, OTLP/HTTP).

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use reqwest::{Client, Response, Url};

use super::attributes::text;
use crate::config;
use crate::egress::{EgressError, cause_of, with_roots, without_roots};
use crate::secret::ExposeSecret;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long a connection is kept for the next batch: less than servers and what stands before them do.
const IDLE: Duration = Duration::from_secs(15);
/// Bytes of an answer that are looked at; it has two fields.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Where spans go.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client,
    endpoint: Url,
    resource: Resource,
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It may be later, after the pause that the collector asks for, if it asks.
    Passing(String, Option<Duration>),
    /// It will never be.
    Final(String),
}

impl Collector {
    /// At `endpoint`, straight and never through `upstream.proxy`: that is WeChat's way.
    ///
    /// # Errors
    /// There is nothing to hold its certificate against.
    pub(super) fn new(config: &config::Traces, endpoint: Url) -> Result<Self, EgressError> {
        let failed = |error: reqwest::Error| EgressError::Http(cause_of(error));
        let tls = match endpoint.scheme() {
            "https" => with_roots(config.ca_file.as_deref(), "traces.ca_file")?,
            _ => without_roots(),
        };
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .http1_only()
            .default_headers(fields(config))
            .timeout(config.timeout)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(failed)?;
        let attributes = vec![text("service.name", &*config.service_name), text("service.version", VERSION)];
        Ok(Self { client, endpoint, resource: Resource { attributes, ..Resource::default() } })
    }

    /// A batch as it goes out, once or more often.
    pub(super) fn request(&self, spans: Vec<Span>) -> Bytes {
        let scope = InstrumentationScope {
            name: "wxgate".to_owned(),
            version: VERSION.to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
    }

    /// How many of the spans it rejected, where it took the others.
    pub(super) async fn send(&self, request: &Bytes) -> Result<usize, Refusal> {
        let sending = self.client.post(self.endpoint.clone()).body(request.clone()).send();
        let answer = sending.await.map_err(|error| Refusal::Passing(cause_of(error), None))?;
        let status = answer.status();
        match status.as_u16() {
            200..=299 => Ok(rejected(answer).await),
            429 | 502 | 503 | 504 => {
                Err(Refusal::Passing(format!("it answers with status {status}"), retry_after(answer.headers())))
            }
            401 | 403 => Err(Refusal::Final(format!("it answers with status {status}: see traces.headers"))),
            _ => Err(Refusal::Final(format!("it answers with status {status}: see traces.endpoint"))),
        }
    }
}

fn fields(config: &config::Traces) -> HeaderMap {
    let fields = config.headers.iter().filter_map(|(name, value)| {
        let mut value = HeaderValue::from_str(value.expose_secret()).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::try_from(name.as_str()).ok()?, value))
    });
    fields.chain([(CONTENT_TYPE, PROTOBUF)]).collect()
}

/// Those of a partial success; an answer that cannot be read says that all is well.
async fn rejected(mut answer: Response) -> usize {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return 0;
        }
        body.extend_from_slice(&chunk);
    }
    let partial = ExportTraceServiceResponse::decode(&*body).ok().and_then(|answer| answer.partial_success);
    partial.map_or(0, |partial| usize::try_from(partial.rejected_spans).unwrap_or_default())
}

/// In seconds, the form that OTLP's collectors use.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
