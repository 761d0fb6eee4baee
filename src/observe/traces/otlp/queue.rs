//! Spans that wait to be exported: so many, and no more.

use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::{mpsc, watch};

use super::tally::Tally;

/// Spans that wait, of some 2 KiB each and 6 KiB at most, so 24 MiB in all; what comes then is lost.
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

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use opentelemetry_proto::tonic::common::v1::KeyValue;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use tokio::time::Instant;

    use super::*;
    use crate::observe::seen::test_seen;
    use crate::observe::traces::otlp::notes::{Notes, Sending, What};
    use crate::observe::traces::otlp::parent::Parent;
    use crate::observe::traces::otlp::spans::spans;
    use crate::observe::{OwnAnswer, RequestId, Seen};

    /// Bytes: three texts of 1 KiB at most, the state of 512, 18 attributes.
    const LARGEST: usize = 6 * 1024;

    /// The bytes of a span and of all that it points to.
    fn memory(span: &Span) -> usize {
        let attribute = |attribute: &KeyValue| {
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            attribute.key.capacity() + if let Some(Value::StringValue(text)) = value { text.capacity() } else { 0 }
        };
        let ids = [&span.trace_id, &span.span_id, &span.parent_span_id];
        size_of::<Span>()
            + ids.into_iter().map(Vec::capacity).sum::<usize>()
            + span.trace_state.capacity()
            + span.name.capacity()
            + span.attributes.capacity() * size_of::<KeyValue>()
            + span.attributes.iter().map(attribute).sum::<usize>()
    }

    /// The longest of everything that callers and WeChat may send.
    #[test]
    fn a_span_takes_no_more_memory_than_is_said_however_long_a_request_is() {
        let long = "x".repeat(64 * 1024);
        let (id, name) = (RequestId::Given("i".repeat(64).into()), "n".repeat(64));
        let parent = Parent { trace: [1; 16], span: [1; 8], sampled: true };
        let notes = Notes::new(Some(parent), "s".repeat(512));
        let rid: Option<Box<str>> = Some(long[..4096].into());
        let sending = Sending { host: Some("a.example:443".parse().unwrap()), rid, ..Sending::default() };
        notes.begin_step(What::Sending(Sending { status: Some(200), errcode: Some(i64::MIN), ..sending }));
        let error = Some(OwnAnswer { number: 0, name: "upstream_unreachable" });
        let (account, peer) = (name.as_str(), "2001:db8:1111:2222:3333:4444:5555:6666".parse().ok());
        let seen = Seen { account, caller: Some(account), peer, method: &long, path: &long, error, ..test_seen() };
        let seen = Seen { rid: Some(&long[..4096]), errcode: Some(i64::MIN), retry: Some("healed"), id: &id, ..seen };
        let sizes: Vec<usize> = spans(&notes, &seen, Instant::now()).iter().map(memory).collect();
        assert!(sizes.len() == 2 && sizes.iter().all(|&size| size <= LARGEST), "{sizes:?}");
    }
}
