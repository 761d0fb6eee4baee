//! Traces over OTLP/HTTP: requests' spans, made when a request has ended, and taken to a collector by a task of their own.
//!
//! The messages are those of `opentelemetry-proto`; the SDK above them is not used. Its spans cost their making on the way
//! of a request, where one note in the end does. Its batch processor has a thread of its own that blocks on the exporter,
//! and what it drops is in its log and in no metric. Its exporter adds fields from the environment to those of the
//! configuration, and tells a collector that is away from one that refuses by a text alone.

mod attributes;
mod batches;
mod collector;
mod exporter;
mod notes;
mod parent;
mod queue;
mod spans;
mod tally;
mod trace;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use hyper::header::HeaderMap;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{PATIENCE, Spans};
use batches::Batches;
pub use exporter::Exporter;
use exporter::Origin;
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
    origin: Origin,
    queue: Arc<Queue>,
}

impl Traces {
    /// Hands spans to this exporter from now on. What the one before still has goes where it was to go; one that would be
    /// the same again goes on. On the runtime that is to carry the work.
    pub fn put_into_force(&self, exporter: Option<Exporter>) {
        let before = self.in_force.load();
        if before.as_ref().map(|before| &before.origin) == exporter.as_ref().map(|exporter| &exporter.origin) {
            return;
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        let in_force = exporter.map(|Exporter { origin, collector }| {
            let (queue, waiting) = queue(&self.tally);
            tasks.spawn(Batches::new(waiting, Arc::clone(&self.tally)).run(collector));
            Arc::new(InForce { origin, queue: Arc::new(queue) })
        });
        self.in_force.store(in_force);
    }

    /// Waits until the collector has what requests have left, but no longer than [`PATIENCE`].
    pub async fn finish(&self) {
        self.in_force.store(None);
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // Not `join_all`, which panics when a task has.
        let _ = timeout(PATIENCE, async { while tasks.join_next().await.is_some() {} }).await;
    }

    /// What became of spans.
    pub fn spans(&self) -> Option<Spans> {
        Some(self.tally.read())
    }

    /// A request begins: whether it is traced, its caller says, else the draw.
    pub(in crate::observe) fn begin(&self, headers: &HeaderMap) -> Trace {
        let in_force = self.in_force.load();
        let Some(InForce { origin, queue }) = in_force.as_deref() else { return Trace::none() };
        let parent = parent(headers);
        let sampled = parent.as_ref().map_or_else(|| fastrand::f64() < origin.config.sample, |parent| parent.sampled);
        if sampled { Trace::begin(queue, parent, headers) } else { Trace::none() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::exporter::test_config;
    use super::*;

    const ENDPOINT: &str = "http://127.0.0.1:9/v1/traces";

    #[tokio::test]
    async fn an_exporter_that_would_be_the_same_goes_on_and_any_other_takes_its_place() {
        let traces = Traces::default();
        let ca_file = tempfile::NamedTempFile::new().unwrap();
        let mut config = test_config(ENDPOINT);
        config.ca_file = Some(ca_file.path().to_owned());
        let reload = |config: &_| {
            let before = traces.in_force.load_full();
            traces.put_into_force(Exporter::prepare(config, &[]).unwrap());
            let after = traces.in_force.load_full();
            !before.zip(after).is_some_and(|(before, after)| Arc::ptr_eq(&before, &after))
        };
        let expect = |is_another, config: &_, what: &str| assert_eq!(reload(config), is_another, "{what}");
        expect(true, &config, "the first");
        expect(false, &config, "nothing has changed");
        fs::write(ca_file.path(), "another").unwrap();
        expect(true, &config, "the content of the file");
        config.sample = 0.5;
        expect(true, &config, "the sample");
        for value in ["one", "two"] {
            config.headers = vec![("x-api-key".to_owned(), value.into())];
            expect(true, &config, "a secret");
        }
        expect(false, &config, "nothing has changed");
        config.endpoint = Some("http://127.0.0.1:10/v1/traces".parse().unwrap());
        expect(true, &config, "the endpoint");
        config.endpoint = None;
        expect(true, &config, "none any more");
        assert!(traces.in_force.load().is_none());
    }

    #[tokio::test]
    async fn a_stop_goes_on_where_a_task_has_panicked() {
        let traces = Traces::default();
        traces.tasks.lock().unwrap().spawn(async { panic!("as a fault in wxgate would") });
        traces.finish().await;
    }
}
