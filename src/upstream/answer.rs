//! WeChat's answer while it comes in.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
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
    /// The connection goes to `pool` when the answer has been read; one whose bytes are all here sets it free at once.
    pub(super) fn new(head: Response<()>, mut exchange: Exchange<B>, pool: &Rc<Pool>, idle: Duration) -> Self {
        let state = match exchange.take_whole() {
            Some(data) => {
                exchange.finish().into_iter().for_each(|connection| pool.put(connection));
                State::Whole(data)
            }
            None => State::Open(Box::new(Open { exchange, pool: Rc::downgrade(pool), idle })),
        };
        Self { head: head.into_parts().0, body: AnswerBody(state) }
    }
}

/// The bytes of an answer as they come. Ends in an error, never cleanly, when the upstream breaks off or falls silent.
pub struct AnswerBody<B>(State<B>);

enum State<B> {
    /// All that is left of it, perhaps nothing.
    Whole(Bytes),
    /// Boxed, since an answer is moved about, and most are whole from the start.
    Open(Box<Open<B>>),
}

/// What of an answer is still on its way.
struct Open<B> {
    exchange: Exchange<B>,
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
    /// Nothing more will come.
    fn close(&mut self) -> Option<Box<Open<B>>> {
        match std::mem::replace(&mut self.0, State::Whole(Bytes::new())) {
            State::Open(open) => Some(open),
            State::Whole(_) => None,
        }
    }

    /// The last byte is here: the connection may serve others.
    fn finish(&mut self) {
        if let Some(open) = self.close()
            && let Some(pool) = open.pool.upgrade()
        {
            open.exchange.finish().into_iter().for_each(|connection| pool.put(connection));
        }
    }
}

impl<B: RequestBody> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let outcome = match &mut self.0 {
            State::Whole(data) if data.is_empty() => return Poll::Ready(None),
            State::Whole(data) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(data))))),
            State::Open(open) => {
                let outcome = ready!(open.exchange.poll_data(cx, open.idle));
                outcome.map(|data| (data, open.exchange.at_end()))
            }
        };
        match outcome {
            Ok((data, at_end)) => {
                if data.is_none() || at_end {
                    self.finish();
                }
                Poll::Ready(data.map(|data| Ok(Frame::data(data))))
            }
            Err(error) => {
                self.close();
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, State::Whole(data) if data.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.0 {
            State::Whole(data) => Some(data.len() as u64),
            State::Open(open) => open.exchange.left(),
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
