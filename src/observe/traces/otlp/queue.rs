//! Spans that wait to be exported: so many, and no more.

use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::{mpsc, watch};

use super::tally::Tally;

/// Spans that wait, of some 2 KiB each, and 5 KiB at most; what comes then is lost.
const SPANS: usize = 4_096;

/// Where workers put spans.
#[derive(Debug)]
pub(super) struct Queue {
    places: mpsc::Sender<Span>,
    tally: Arc<Tally>,
    /// Tells whoever waits for something else than spans that no more will come.
    _open: watch::Sender<()>,
}

/// The other end of a queue.
#[derive(Debug)]
pub(super) struct Waiting {
    /// None when the queue is gone.
    pub(super) spans: mpsc::Receiver<Span>,
    /// Fails when the queue is gone.
    pub(super) open: watch::Receiver<()>,
}

/// A queue, whose losses are added to `tally`.
pub(super) fn queue(tally: &Arc<Tally>) -> (Queue, Waiting) {
    let ((places, spans), (_open, open)) = (mpsc::channel(SPANS), watch::channel(()));
    (Queue { places, tally: Arc::clone(tally), _open }, Waiting { spans, open })
}

impl Queue {
    /// Puts a request's spans there, if there is room for all of them: no request waits for a collector.
    pub(super) fn put(&self, spans: Vec<Span>) {
        match self.places.try_reserve_many(spans.len()) {
            Ok(places) => places.zip(spans).for_each(|(place, span)| place.send(span)),
            Err(_) => self.tally.lost(spans.len()),
        }
    }
}
