//! WeChat's answer while it comes in.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Weak;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use hyper::http::response::Parts;

use super::RequestBody;
use super::http1::{Exchange, ExchangeError, Malformed};
use super::pool::Pool;

/// A head, and a body that is still on its way.
pub struct Answer<B> {
    /// Status and fields as WeChat sent them.
    pub head: Parts,
    /// The rest.
    pub body: AnswerBody<B>,
}

impl<B: RequestBody> Answer<B> {
    pub(super) fn new(head: Response<()>, exchange: Exchange<B>, pool: Weak<Pool>, idle: Duration) -> Self {
        let mut body = AnswerBody { exchange: Some(exchange), pool, idle };
        body.release_at_end();
        Self { head: head.into_parts().0, body }
    }
}

/// The bytes of an answer as they come. Ends in an error, never cleanly, when the upstream breaks off or falls silent.
pub struct AnswerBody<B> {
    /// `None` when the answer has come to its end, good or bad.
    exchange: Option<Exchange<B>>,
    /// Where the connection goes afterwards.
    pool: Weak<Pool>,
    idle: Duration,
}

/// Why an answer did not reach its end.
#[derive(Debug)]
pub enum BodyError {
    /// Nothing came for this long.
    Silent(Duration),
    /// The connection failed.
    BrokeOff(io::Error),
    /// The framing was wrong, or the connection ended before the answer did.
    Malformed(Malformed),
    /// Our own request body, of which a part was still to be sent, could not be read back.
    Body(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(idle) => write!(f, "silence for {}", humantime::format_duration(*idle)),
            Self::BrokeOff(error) => write!(f, "{error}"),
            Self::Malformed(error) => write!(f, "{error}"),
            Self::Body(error) => write!(f, "the request body could not be read: {error}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<ExchangeError> for BodyError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Silent(idle) => Self::Silent(idle),
            ExchangeError::Io(error) => Self::BrokeOff(error),
            ExchangeError::Malformed(error) => Self::Malformed(error),
            ExchangeError::Body(error) => Self::Body(error),
        }
    }
}

impl<B: RequestBody> AnswerBody<B> {
    /// Gives the connection back as soon as the last byte is known to be here.
    fn release_at_end(&mut self) {
        if self.exchange.as_ref().is_some_and(Exchange::at_end)
            && let Some(connection) = self.exchange.take().and_then(Exchange::finish)
            && let Some(pool) = self.pool.upgrade()
        {
            pool.put(connection);
        }
    }
}

impl<B: RequestBody> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(exchange) = &mut this.exchange else { return Poll::Ready(None) };
        let outcome = ready!(exchange.poll_data(cx, this.idle));
        match outcome {
            Ok(Some(data)) => {
                this.release_at_end();
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Ok(None) => {
                this.release_at_end();
                this.exchange = None; // one that ends with its connection
                Poll::Ready(None)
            }
            Err(error) => {
                this.exchange = None; // closes the connection
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.exchange {
            None => SizeHint::with_exact(0),
            Some(exchange) => exchange.left().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
