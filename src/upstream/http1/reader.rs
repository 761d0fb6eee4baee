//! An answer out of bytes, wherever they come from and however they are cut.

use bytes::{Bytes, BytesMut};
use hyper::{Response, StatusCode};
use memchr::memmem;

use super::Malformed;
use super::chunked::Chunks;
use super::framing::{Framed, Framing};
use super::head;

/// Bytes of a head that are parsed anew whenever some are added.
const SHORT_HEAD: usize = 4 * 1024;

/// Reads one answer: its head, then its body.
#[derive(Debug)]
pub struct AnswerReader {
    to_head: bool,
    /// How much of what was received is known to hold no whole head.
    searched: usize,
    body: Body,
    keeps_alive: bool,
}

#[derive(Debug)]
enum Body {
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

/// How reading a body goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyStep {
    /// Some of it.
    Data(Bytes),
    /// More bytes must come first.
    Wait,
    /// That was all.
    End,
}

impl AnswerReader {
    /// For the answer to a request; `to_head` if its method was HEAD (RFC 9112 §6.3, rule 1).
    pub fn new(to_head: bool) -> Self {
        Self { to_head, searched: 0, body: Body::Length(0), keeps_alive: false }
    }

    /// Takes the answer's head off the front of `received`; `None` where more bytes must come first. Interim answers
    /// (1xx) are passed over.
    ///
    /// # Errors
    /// [`Malformed`], also for 101: no request of ours asks for it.
    pub fn head(&mut self, received: &mut BytesMut) -> Result<Option<Response<()>>, Malformed> {
        while self.may_hold_head(received) {
            let Some(head) = head::take(received)? else { break };
            self.searched = 0;
            if head.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Err(Malformed::Switching);
            }
            if !head.status().is_informational() {
                self.begin_body(&head)?;
                return Ok(Some(head));
            }
        }
        self.searched = received.len();
        Ok(None)
    }

    /// Bytes that are no HTTP are found out as they come. A head that comes by the byte would cost the square of its length
    /// that way, so a long one is looked at only when a line ends in an empty one.
    fn may_hold_head(&self, received: &[u8]) -> bool {
        if received.len() <= SHORT_HEAD || received.len() >= head::LARGEST_HEAD {
            return !received.is_empty();
        }
        let new = &received[self.searched.saturating_sub(2).min(received.len())..];
        memmem::find(new, b"\n\n").is_some() || memmem::find(new, b"\n\r\n").is_some()
    }

    fn begin_body(&mut self, head: &Response<()>) -> Result<(), Malformed> {
        let framed = Framed::by(head.headers());
        let framing = framed.body(head.version(), head.status(), self.to_head)?;
        self.keeps_alive = framed.keeps_alive(head.version(), framing);
        self.body = match framing {
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunks::new()),
            Framing::UntilClose => Body::UntilClose,
        };
        Ok(())
    }

    /// Takes what there is of the body off the front of `received`. `closed`: nothing will be added to it.
    ///
    /// # Errors
    /// [`Malformed`]. What is left in `received` then has no meaning.
    pub fn body(&mut self, received: &mut BytesMut, closed: bool) -> Result<BodyStep, Malformed> {
        let data = match &mut self.body {
            Body::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(received.len());
                *left -= length as u64;
                (length > 0).then(|| received.split_to(length).freeze())
            }
            Body::Chunked(chunks) => chunks.next(received)?,
            Body::UntilClose => (!received.is_empty()).then(|| received.split().freeze()),
        };
        match data {
            Some(data) => Ok(BodyStep::Data(data)),
            None if self.at_end() => Ok(BodyStep::End),
            None if !closed => Ok(BodyStep::Wait),
            None if matches!(self.body, Body::UntilClose) => Ok(BodyStep::End),
            None => Err(Malformed::Truncated),
        }
    }

    /// Whether the body is known to have come to its end; one that ends with its connection is never known to.
    pub fn at_end(&self) -> bool {
        match &self.body {
            Body::Length(left) => *left == 0,
            Body::Chunked(chunks) => chunks.ended(),
            Body::UntilClose => false,
        }
    }

    /// How many bytes of the body are still to come, where that is known.
    pub fn left(&self) -> Option<u64> {
        match &self.body {
            Body::Length(left) => Some(*left),
            Body::Chunked(_) | Body::UntilClose => None,
        }
    }

    /// Whether the connection may carry another answer behind this one.
    pub fn keeps_alive(&self) -> bool {
        self.keeps_alive && self.at_end()
    }
}
