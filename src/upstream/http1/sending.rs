//! A request on its way out: a head that is bytes already, and a body of known length.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use crate::upstream::RequestBody;
use crate::upstream::stream::Stream;

/// What of a request has not been written yet.
pub(super) struct Sending<B> {
    /// How much of the head is out.
    head_written: usize,
    /// The piece of the body that is being written.
    piece: Bytes,
    body: B,
}

/// Why a request could not be written.
pub(super) enum Unsent {
    /// The connection does not take it.
    Io(io::Error),
    /// Our own body cannot be read back.
    Body(String),
}

impl<B: RequestBody> Sending<B> {
    pub(super) fn new(body: B) -> Self {
        Self { head_written: 0, piece: Bytes::new(), body }
    }

    /// Writes on, of `head` and then of the body, and calls `wrote` each time that the connection has taken something. Ready when all has gone out.
    ///
    /// The head and a body that is in memory go out in one write, and over TLS in one record.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        head: &[u8],
        mut wrote: impl FnMut(),
    ) -> Poll<Result<(), Unsent>> {
        loop {
            let more = if self.piece.is_empty() { self.poll_piece(cx)? } else { Poll::Ready(true) };
            let head = &head[self.head_written..];
            if head.is_empty() && self.piece.is_empty() {
                ready!(stream.poll_flush(cx)).map_err(Unsent::Io)?;
                match more {
                    Poll::Ready(true) => continue,
                    Poll::Ready(false) => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                }
            }
            let written = ready!(stream.poll_write(cx, head, &self.piece)).map_err(Unsent::Io)?;
            if written == 0 {
                return Poll::Ready(Err(Unsent::Io(io::ErrorKind::WriteZero.into())));
            }
            wrote();
            let of_head = written.min(head.len());
            self.head_written += of_head;
            self.piece.advance(written - of_head);
        }
    }

    /// The next piece of the body; false at its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Result<Poll<bool>, Unsent> {
        if self.body.is_end_stream() {
            return Ok(Poll::Ready(false));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(None) => Ok(Poll::Ready(false)),
            Poll::Ready(Some(Err(error))) => Err(Unsent::Body(error.into().to_string())),
            Poll::Ready(Some(Ok(frame))) => {
                self.piece = frame.into_data().unwrap_or_default(); // trailers have no place behind a length
                Ok(Poll::Ready(true))
            }
        }
    }
}
