//! Traces over OTLP/HTTP: requests' spans, made when a request has ended, and taken to a collector by a task of their own.
//!
//! The messages are those of `opentelemetry-proto`; the SDK above them is not used. Its spans cost their making on the way
//! of a request, where one note in the end does. Its batch processor has a thread of its own that blocks on the exporter,
//! and what it drops is in its log and in no metric. Its exporter adds fields from the environment to those of the
//! configuration, and tells a collector that is away from one that refuses by a text alone.

mod attributes;
mod batches;
mod collector;
mod notes;
mod parent;
mod queue;
mod spans;
mod tally;
mod trace;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use hyper::header::HeaderMap;
use reqwest::Url;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{PATIENCE, Spans};
use crate::config;
use crate::egress::{EgressError, OwnListeners};
use batches::Batches;
use collector::Collector;
use parent::parent;
use queue::{Queue, queue};
use tally::Tally;
pub use trace::{Step, Trace};

/// Spans that are under way to the collector, if there is one.
#[derive(Debug, Default)]
pub struct Traces {
    in_force: ArcSwapOption<InForce>,
    tally: Arc<Tally>,
    /// That of the exporter in force, and those of its predecessors which have not ended yet.
    tasks: Mutex<JoinSet<()>>,
}

/// What requests ask.
#[derive(Debug)]
struct InForce {
    sample: f64,
    queue: Arc<Queue>,
}

/// A collector that is to be put into force.
#[derive(Debug)]
pub struct Exporter {
    sample: f64,
    collector: Collector,
}

impl Exporter {
    /// Prepares what `config` asks for; `None` where it asks for nothing. The gateway itself listens on `own`.
    ///
    /// # Errors
    /// There is nothing to hold the collector's certificate against, or it is the gateway.
    pub fn prepare(config: &config::Traces, own: &[SocketAddr]) -> Result<Option<Self>, EgressError> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        if let Some(address) = address(endpoint).filter(|&address| OwnListeners::new(own.to_vec()).contains(address)) {
            return Err(EgressError::OwnCollector(address));
        }
        Ok(Some(Self { sample: config.sample, collector: Collector::new(config, endpoint.clone())? }))
    }
}

/// Where it is, if that takes no asking.
fn address(endpoint: &Url) -> Option<SocketAddr> {
    let host = endpoint.host_str()?.trim_start_matches('[').trim_end_matches(']');
    let ip = if host == "localhost" { Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { host.parse() };
    Some(SocketAddr::new(ip.ok()?, endpoint.port_or_known_default()?))
}

impl Traces {
    /// Hands spans to this exporter from now on. What the one before still has goes where it was to go. On the runtime that
    /// is to carry the work.
    pub fn put_into_force(&self, exporter: Option<Exporter>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        let in_force = exporter.map(|Exporter { sample, collector }| {
            let (queue, waiting) = queue(&self.tally);
            tasks.spawn(Batches::new(waiting, Arc::clone(&self.tally)).run(collector));
            Arc::new(InForce { sample, queue: Arc::new(queue) })
        });
        self.in_force.store(in_force);
    }

    /// Waits until the collector has what requests have left, but no longer than [`PATIENCE`].
    pub async fn finish(&self) {
        self.in_force.store(None);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = timeout(PATIENCE, tasks.join_all()).await;
    }

    /// What became of spans.
    pub fn spans(&self) -> Option<Spans> {
        Some(self.tally.read())
    }

    /// A request begins: whether it is traced, its caller says, else the draw.
    pub(in crate::observe) fn begin(&self, headers: &HeaderMap) -> Trace {
        let in_force = self.in_force.load();
        let Some(InForce { sample, queue }) = in_force.as_deref() else { return Trace::none() };
        let parent = parent(headers);
        let sampled = parent.as_ref().map_or_else(|| fastrand::f64() < *sample, |parent| parent.sampled);
        if sampled { Trace::begin(queue, parent, headers) } else { Trace::none() }
    }
}
