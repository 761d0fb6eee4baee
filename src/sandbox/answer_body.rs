//! The body of an answer on its way out.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

use super::faults::Pace;

/// A body that may come slowly, without a known length, or with word of its end.
#[derive(Debug)]
pub(super) struct AnswerBody {
    rest: Bytes,
    pace: Option<Pace>,
    gap: Option<Pin<Box<Sleep>>>,
    length_is_known: bool,
    _at_end: Option<AtEnd>,
}

/// Gives word when hyper has taken over the last byte.
#[derive(Debug)]
struct AtEnd(Arc<Notify>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl AnswerBody {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { rest: bytes, pace: None, gap: None, length_is_known: true, _at_end: None }
    }

    pub(super) fn pace(self, pace: Option<Pace>) -> Self {
        Self { pace, ..self }
    }

    /// Hides the length, so that hyper sends it chunked.
    pub(super) fn hide_length(self) -> Self {
        Self { length_is_known: false, ..self }
    }

    pub(super) fn notify_at_end(self, notify: Arc<Notify>) -> Self {
        Self { _at_end: Some(AtEnd(notify)), ..self }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(gap) = &mut self.gap {
            ready!(gap.as_mut().poll(cx));
            self.gap = None;
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let mut length = self.rest.len();
        if let Some(pace) = self.pace {
            length = length.min(pace.bytes.max(1));
            self.gap = Some(Box::pin(sleep(pace.gap)));
        }
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.length_is_known {
            true => SizeHint::with_exact(self.rest.len() as u64),
            false => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_paced_body_comes_in_pieces_with_gaps() {
        let pace = Pace { bytes: 4, gap: Duration::from_secs(1) };
        let mut body = AnswerBody::new(Bytes::from_static(b"0123456789")).pace(Some(pace));
        let start = Instant::now();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.push((start.elapsed().as_secs(), frame.unwrap().into_data().unwrap().len()));
        }
        assert_eq!(pieces, [(0, 4), (1, 4), (2, 2)]);
    }

    #[tokio::test]
    async fn word_comes_when_the_body_is_gone() {
        let notify = Arc::new(Notify::new());
        drop(AnswerBody::new(Bytes::new()).notify_at_end(notify.clone()));
        notify.notified().await;
    }
}
