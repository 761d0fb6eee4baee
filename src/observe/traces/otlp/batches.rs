//! Spans on their way to the collector, many at once.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::time::{Instant, sleep, timeout_at};

use super::collector::{Collector, Refusal};
use super::queue::Waiting;
use super::tally::Tally;

/// Spans that make a batch full, as in the SDKs …
const FULL: usize = 512;
/// … and how long its first one waits for others.
const OLD: Duration = Duration::from_secs(1);

/// The pause before a batch is sent again: doubled from the first to the longest …
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// … and the shortest that a collector may ask for: `Retry-After: 0` again and again must not keep us busy.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// What takes spans from the queue.
#[derive(Debug)]
pub(super) struct Batches {
    waiting: Waiting,
    tally: Arc<Tally>,
    /// Whether the collector did not take the last batch, as the log knows.
    refused: bool,
}

impl Batches {
    pub(super) fn new(waiting: Waiting, tally: Arc<Tally>) -> Self {
        Self { waiting, tally, refused: false }
    }

    /// Takes spans to the collector until the queue is gone and empty.
    pub(super) async fn run(mut self, collector: Collector) {
        while let Some(batch) = self.next().await {
            let count = batch.len();
            let request = collector.request(batch);
            let mut pause = FIRST_PAUSE;
            loop {
                let ending = self.waiting.open.has_changed().is_err();
                match collector.send(&request).await {
                    Ok(rejected) => break self.taken(count, rejected),
                    Err(Refusal::Final(reason)) => break self.lost(count, &reason),
                    Err(Refusal::Passing(reason, _)) if ending => break self.lost(count, &reason),
                    Err(Refusal::Passing(reason, asked)) => {
                        self.say_refused(&reason);
                        let jitter = 0.8 + 0.4 * fastrand::f64(); // gateways that lost their collector together
                        self.rest(within_reason(asked.unwrap_or(pause.mul_f64(jitter)))).await;
                        pause = (2 * pause).min(LONGEST_PAUSE);
                    }
                }
            }
        }
    }

    /// The next batch, when it is full or old; `None` when there is nothing and nothing will come.
    async fn next(&mut self) -> Option<Vec<Span>> {
        let mut batch = Vec::new();
        self.waiting.spans.recv_many(&mut batch, FULL).await;
        let old = Instant::now() + OLD;
        while (1..FULL).contains(&batch.len()) {
            let room = FULL - batch.len();
            match timeout_at(old, self.waiting.spans.recv_many(&mut batch, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        Some(batch).filter(|batch| !batch.is_empty())
    }

    /// Waits, but not when it is time to end.
    async fn rest(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            _ = self.waiting.open.changed() => {}
        }
    }

    fn taken(&mut self, count: usize, rejected: usize) {
        let rejected = rejected.min(count);
        self.tally.exported(count - rejected);
        self.tally.lost(rejected);
        if std::mem::take(&mut self.refused) {
            tracing::info!("the collector takes traces again");
        }
    }

    fn lost(&mut self, count: usize, reason: &str) {
        self.tally.lost(count);
        self.say_refused(reason);
    }

    /// Once, until it takes some again.
    fn say_refused(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.refused, true) {
            tracing::warn!("the collector takes no traces, and requests go on without: {reason}");
        }
    }
}

/// A pause of any length, made one that neither keeps us busy nor keeps spans for long.
fn within_reason(pause: Duration) -> Duration {
    pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_asks_for_no_pause_gets_a_short_one_and_one_that_asks_for_a_day_is_asked_before() {
        for (asked, pause) in [
            (Duration::ZERO, Duration::from_millis(100)),
            (Duration::from_secs(7), Duration::from_secs(7)),
            (Duration::from_secs(86_400), Duration::from_secs(30)),
        ] {
            assert_eq!(within_reason(asked), pause);
        }
    }
}
