//! One request and its answer on one connection.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use tokio::time::Instant;

use super::Malformed;
use super::connection::{Connection, Progress};
use super::reader::{AnswerReader, BodyStep};
use super::sending::{Sending, Unsent};
use crate::upstream::RequestBody;

/// A request on its way out, and its answer on its way in. Dropping it closes the connection.
pub(in crate::upstream) struct Exchange<B> {
    connection: Box<Connection>,
    /// `None` when all of the request is out, or no more of it can be.
    sending: Option<Sending<B>>,
}

/// Why there is no answer, or no rest of one.
#[derive(Debug)]
pub(in crate::upstream) enum ExchangeError {
    /// Nothing for this long.
    Silent(Duration),
    /// The connection failed or ended.
    Io(io::Error),
    /// What came is no answer.
    Malformed(Malformed),
    /// Our own request body could not be read back.
    Body(String),
}

impl<B: RequestBody> Exchange<B> {
    /// Begins, with the head that `push_head` writes; `to_head` if the request's method is HEAD.
    pub(in crate::upstream) fn new(
        mut connection: Box<Connection>,
        push_head: impl FnOnce(&mut Vec<u8>),
        body: B,
        to_head: bool,
    ) -> Self {
        push_head(&mut connection.head);
        connection.reader = AnswerReader::new(to_head);
        connection.progress = Progress::default();
        Self { connection, sending: Some(Sending::new(body)) }
    }

    /// Whether the connection has taken any byte of the request.
    pub(in crate::upstream) fn has_written(&self) -> bool {
        self.connection.progress.written
    }

    /// Whether any byte of an answer has come.
    pub(in crate::upstream) fn has_read(&self) -> bool {
        self.connection.progress.read
    }

    /// The answer's head, at most `patience` after the last byte of the request that could be written.
    pub(in crate::upstream) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        patience: Duration,
    ) -> Poll<Result<Response<()>, ExchangeError>> {
        self.poll_sending(cx)?;
        loop {
            match self.poll_read(cx) {
                Poll::Pending => {
                    let since = *self.connection.progress.last_write.get_or_insert_with(Instant::now);
                    ready!(self.connection.alarm.poll(cx, since + patience));
                    return Poll::Ready(Err(ExchangeError::Silent(patience)));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.unanswered(error))),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.unanswered(io::ErrorKind::UnexpectedEof.into()))),
                Poll::Ready(Ok(_)) => {}
            }
            let Connection { reader, received, .. } = &mut *self.connection;
            if let Some(head) = reader.head(received).map_err(ExchangeError::Malformed)? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// The next piece of the answer's body, `None` at its end, each at most `patience` after the one before.
    pub(in crate::upstream) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        patience: Duration,
    ) -> Poll<Result<Option<Bytes>, ExchangeError>> {
        loop {
            let Connection { reader, received, progress, .. } = &mut *self.connection;
            match reader.body(received, progress.closed).map_err(ExchangeError::Malformed)? {
                BodyStep::Data(data) => return Poll::Ready(Ok(Some(data))),
                BodyStep::End => return Poll::Ready(Ok(None)),
                BodyStep::Wait => {}
            }
            // Some answer while they are still being asked. That they do not want to hear the rest is their affair.
            self.poll_sending(cx)?;
            match self.poll_read(cx) {
                Poll::Pending => {
                    let since = *self.connection.progress.silent_since.get_or_insert_with(Instant::now);
                    ready!(self.connection.alarm.poll(cx, since + patience));
                    return Poll::Ready(Err(ExchangeError::Silent(patience)));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(ExchangeError::Io(error))),
                Poll::Ready(Ok(0)) => self.connection.progress.closed = true,
                Poll::Ready(Ok(_)) => self.connection.progress.silent_since = None,
            }
        }
    }

    /// The whole body, where all of it has come with the head.
    pub(in crate::upstream) fn take_whole(&mut self) -> Option<Bytes> {
        let Connection { reader, received, .. } = &mut *self.connection;
        reader.left().filter(|&left| left <= received.len() as u64)?;
        match reader.body(received, false) {
            Ok(BodyStep::Data(data)) => Some(data),
            Ok(BodyStep::End) => Some(Bytes::new()),
            Ok(BodyStep::Wait) | Err(_) => None,
        }
    }

    /// Whether all of the answer has been given out, as far as can be known.
    pub(in crate::upstream) fn at_end(&self) -> bool {
        self.connection.reader.at_end()
    }

    /// How many bytes of the answer's body are still to come, where that is known.
    pub(in crate::upstream) fn left(&self) -> Option<u64> {
        self.connection.reader.left()
    }

    /// The connection, if it may carry another exchange: both messages are through, and nothing stands behind the answer.
    pub(in crate::upstream) fn finish(self) -> Option<Box<Connection>> {
        let mut connection = self.connection;
        let through = self.sending.is_none() && connection.progress.unsent.is_none() && connection.reader.keeps_alive();
        if !through || !connection.received.is_empty() {
            return None;
        }
        connection.rest();
        Some(connection)
    }

    /// Writes on, as far as the connection takes it. Where it takes no more, an answer may have come all the same.
    fn poll_sending(&mut self, cx: &mut Context<'_>) -> Result<(), ExchangeError> {
        let Some(sending) = &mut self.sending else { return Ok(()) };
        let Connection { stream, head, progress, .. } = &mut *self.connection;
        let wrote = || {
            progress.written = true;
            progress.last_write = Some(Instant::now());
        };
        let Poll::Ready(outcome) = sending.poll(cx, stream, head, wrote) else {
            return Ok(());
        };
        self.sending = None;
        match outcome {
            Ok(()) => Ok(()),
            Err(Unsent::Io(error)) => {
                self.connection.progress.unsent = Some(error);
                Ok(())
            }
            Err(Unsent::Body(error)) => Err(ExchangeError::Body(error)),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Connection { stream, received, progress, .. } = &mut *self.connection;
        let length = ready!(stream.poll_read(cx, received))?;
        progress.read |= length > 0;
        Poll::Ready(Ok(length))
    }

    /// Why the request could not be written says more than that nothing can be read.
    fn unanswered(&mut self, error: io::Error) -> ExchangeError {
        ExchangeError::Io(self.connection.progress.unsent.take().unwrap_or(error))
    }
}
