//! Spans that wait to be exported: so many, and no more.

use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::{mpsc, watch};

use super::tally::Tally;

/// Requests whose spans wait, some 2 KiB each; what comes then is lost.
const REQUESTS: usize = 2_048;

/// Where workers put spans.
#[derive(Debug)]
pub(super) struct Queue {
    places: mpsc::Sender<Vec<Span>>,
    tally: Arc<Tally>,
    /// Tells whoever waits for something else than spans that no more will come.
    _open: watch::Sender<()>,
}

/// The other end of a queue.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The spans of one request after the other; none when the queue is gone.
    pub(super) spans: mpsc::Receiver<Vec<Span>>,
    /// Fails when the queue is gone.
    pub(super) open: watch::Receiver<()>,
}

/// A queue, whose losses are added to `tally`.
pub(super) fn queue(tally: &Arc<Tally>) -> (Queue, Waiting) {
    let ((places, spans), (_open, open)) = (mpsc::channel(REQUESTS), watch::channel(()));
    (Queue { places, tally: Arc::clone(tally), _open }, Waiting { spans, open })
}

impl Queue {
    /// Puts a request's spans there, if there is room: no request waits for a collector.
    pub(super) fn put(&self, spans: Vec<Span>) {
        if let Err(refused) = self.places.try_send(spans) {
            self.tally.lost(refused.into_inner().len());
        }
    }
}
