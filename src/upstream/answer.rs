//! WeChat's answer while it comes in.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::http::response::Parts;
use tokio::time::{Instant, Sleep, sleep};

use super::pool::Lease;

/// A head, and a body that is still on its way.
pub struct Answer<B: 'static> {
    /// Status and fields as WeChat sent them.
    pub head: Parts,
    /// The rest.
    pub body: AnswerBody<B>,
}

impl<B> Answer<B> {
    pub(super) fn new(answer: Response<Incoming>, lease: Lease<B>, idle: Duration) -> Self {
        let (head, incoming) = answer.into_parts();
        let mut body = AnswerBody { incoming, lease: Some(lease), idle, silence: None };
        body.release_at_end();
        Self { head, body }
    }
}

/// The bytes of an answer as they come. Ends in an error, never cleanly, when the upstream breaks off or falls silent.
pub struct AnswerBody<B: 'static> {
    incoming: Incoming,
    lease: Option<Lease<B>>,
    idle: Duration,
    /// Made at the first wait: an answer that is there with its head needs no timer.
    silence: Option<Pin<Box<Sleep>>>,
}

/// Why an answer did not reach its end.
#[derive(Debug)]
pub enum BodyError {
    /// Nothing came for this long.
    Silent(Duration),
    /// The connection ended, or the framing was wrong.
    BrokeOff(hyper::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(idle) => write!(f, "silence for {}", humantime::format_duration(*idle)),
            Self::BrokeOff(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl<B: 'static> AnswerBody<B> {
    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.release();
        }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let idle = self.idle;
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(idle)));
        silence.as_mut().poll(cx).map(|()| BodyError::Silent(idle))
    }
}

impl<B: 'static> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) else {
            let error = ready!(this.poll_silence(cx));
            this.lease = None; // closes the connection
            return Poll::Ready(Some(Err(error)));
        };
        if let Some(silence) = &mut this.silence {
            silence.as_mut().reset(Instant::now() + this.idle);
        }
        match frame {
            Some(Ok(frame)) => {
                this.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                this.lease = None;
                Poll::Ready(Some(Err(BodyError::BrokeOff(error))))
            }
            None => {
                if let Some(lease) = this.lease.take() {
                    lease.release();
                }
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
