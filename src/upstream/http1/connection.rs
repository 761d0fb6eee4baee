//! An open connection, and what an exchange needs on it.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::reader::AnswerReader;
use crate::egress::OpenConnection;
use crate::upstream::alarm::Alarm;
use crate::upstream::stream::Stream;

/// Kept by an idle connection for its next head and its next answer, in bytes each; a buffer that has grown beyond it is
/// given back.
const KEPT_BUFFER: usize = 16 * 1024;

/// An open connection. It is in a box, with its buffers and the state of the exchange on it: each request takes it from
/// the pool and gives it back.
pub(in crate::upstream) struct Connection {
    pub(super) stream: Stream,
    /// The request's head, as it goes out.
    pub(super) head: Vec<u8>,
    pub(super) received: BytesMut,
    pub(super) reader: AnswerReader,
    pub(super) progress: Progress,
    pub(super) alarm: Alarm,
    _open: OpenConnection,
    /// From when on it carries no further request.
    end: Instant,
}

/// How far an exchange has come.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) written: bool,
    pub(super) read: bool,
    /// When bytes were last written; when waiting began, if none were.
    pub(super) last_write: Option<Instant>,
    /// Since when there has been nothing to read.
    pub(super) silent_since: Option<Instant>,
    /// Why the request could not be written to its end.
    pub(super) unsent: Option<io::Error>,
    /// The other side has ended the connection.
    pub(super) closed: bool,
}

impl Connection {
    /// `life` is how long it may be used from now on.
    pub(in crate::upstream) fn new(stream: Stream, life: Duration, open: OpenConnection) -> Box<Self> {
        Box::new(Self {
            stream,
            head: Vec::new(),
            received: BytesMut::new(),
            reader: AnswerReader::new(false),
            progress: Progress::default(),
            alarm: Alarm::default(),
            _open: open,
            end: Instant::now() + life,
        })
    }

    /// Whether its life is over.
    pub(in crate::upstream) fn has_ended(&self, now: Instant) -> bool {
        now >= self.end
    }

    /// Whether a request may be sent on it; see [`Stream::seems_quiet`].
    pub(in crate::upstream) fn seems_usable(&self) -> bool {
        self.received.is_empty() && self.stream.seems_quiet()
    }

    /// The same for certain, for one system call.
    pub(in crate::upstream) fn is_usable(&self) -> bool {
        self.received.is_empty() && self.stream.is_quiet()
    }

    /// Makes it ready to wait for its next exchange.
    pub(super) fn rest(&mut self) {
        self.stream.shrink();
        self.head.clear();
        if self.head.capacity() > KEPT_BUFFER {
            self.head = Vec::new();
        }
        if self.received.capacity() > KEPT_BUFFER {
            self.received = BytesMut::new();
        }
    }
}
