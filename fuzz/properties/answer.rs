//! An answer of WeChat's: what our reader makes of bytes, hyper's client makes of them too, however they are cut.
//!
//! The first line of the input says how the rest arrives: `HEAD` if it answers a HEAD request, `open` if the connection
//! stays open behind it, and numbers for the lengths of the pieces in which it comes, over and over.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::{Request, Response, StatusCode, Version};
use wxgate::upstream::http1::{AnswerReader, BodyStep};

/// What comes on a connection.
#[derive(Debug, Clone)]
pub struct Wire {
    pub to_head: bool,
    pub open: bool,
    pub pieces: VecDeque<Bytes>,
}

/// What is made of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// No answer: the bytes are none, or they end in the middle of its head.
    Refused,
    /// No answer yet.
    Waiting,
    Answer(Seen),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: End,
}

#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// All of it, and whether another request may be sent on the connection.
    Whole(Vec<u8>, bool),
    Broken,
    Waiting,
}

pub fn holds(data: &[u8]) {
    let mut wire = Wire::parse(data);
    let (ours, mut seen_by_hyper) = (ours(wire.clone()), hypers(wire.clone()));
    if (&ours, &seen_by_hyper) == (&Outcome::Refused, &Outcome::Waiting) {
        // Ours gives up at the first byte that can be none of an answer's, hyper's perhaps only at the end of the head.
        wire.pieces.push_back(Bytes::from_static(b"\r\n\r\n"));
        seen_by_hyper = hypers(wire);
    }
    let hypers = seen_by_hyper;
    assert!(ours == hypers || is_intended(&ours, &hypers), "\nours:   {ours:?}\nhyper's: {hypers:?}");
}

/// Where we refuse what hyper takes; never the other way round.
pub fn is_intended(ours: &Outcome, hypers: &Outcome) -> bool {
    let Outcome::Answer(hypers) = hypers else { return false };
    let headers = &hypers.headers;
    match ours {
        // Another protocol, or a coding that hyper leaves to its user.
        Outcome::Refused => hypers.status == StatusCode::SWITCHING_PROTOCOLS || has_other_coding(headers),
        // The same answer, but the connection is not kept.
        Outcome::Answer(ours) => {
            let doubtful = headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING)
                || headers.get_all(CONNECTION).iter().any(|value| value.to_str().is_err());
            match (&ours.body, &hypers.body) {
                (End::Whole(ours, false), End::Whole(hypers, true)) => doubtful && ours == hypers,
                _ => false,
            }
        }
        Outcome::Waiting => false,
    }
}

/// Whether something else was done to the body than to cut it into chunks, once.
fn has_other_coding(headers: &HeaderMap) -> bool {
    let lines: Vec<&[u8]> = headers.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    lines.first().is_some_and(|line| lines.len() > 1 || !line.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

impl Wire {
    pub fn parse(data: &[u8]) -> Self {
        let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
        let (line, bytes) = (String::from_utf8_lossy(&data[..end]), data.get(end + 1..).unwrap_or_default());
        let lengths: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).filter(|&n| n > 0).collect();
        Self { to_head: line.contains("HEAD"), open: line.contains("open"), pieces: cut(bytes, &lengths) }
    }
}

/// `bytes` in pieces of these lengths, over and over; in one where there are none.
pub fn cut(bytes: &[u8], lengths: &[usize]) -> VecDeque<Bytes> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut lengths = lengths.iter().cycle();
    let mut pieces = VecDeque::new();
    while !rest.is_empty() {
        let length = lengths.next().map_or(rest.len(), |&length| length.min(rest.len()));
        pieces.push_back(rest.split_to(length));
    }
    pieces
}

/// What the gateway makes of it.
pub fn ours(mut wire: Wire) -> Outcome {
    let (mut reader, mut received) = (AnswerReader::new(wire.to_head), BytesMut::new());
    let head = loop {
        match reader.head(&mut received) {
            Ok(Some(head)) => break head,
            Err(_) => return Outcome::Refused,
            Ok(None) => match wire.pieces.pop_front() {
                Some(piece) => received.extend_from_slice(&piece),
                None if wire.open => return Outcome::Waiting,
                None => return Outcome::Refused,
            },
        }
    };
    let mut data = Vec::new();
    let mut closed = false;
    let body = loop {
        match reader.body(&mut received, closed) {
            Ok(BodyStep::Data(piece)) => data.extend_from_slice(&piece),
            Ok(BodyStep::End) => {
                let kept = wire.open && reader.keeps_alive() && received.is_empty() && wire.pieces.is_empty();
                break End::Whole(data, kept);
            }
            Err(_) => break End::Broken,
            Ok(BodyStep::Wait) => match wire.pieces.pop_front() {
                Some(piece) => received.extend_from_slice(&piece),
                None if wire.open => break End::Waiting,
                None => closed = true,
            },
        }
    };
    seen(head, body)
}

fn seen<T>(head: Response<T>, body: End) -> Outcome {
    let (head, _) = head.into_parts();
    Outcome::Answer(Seen { status: head.status, version: head.version, headers: head.headers, body })
}

/// What hyper's client makes of it.
pub fn hypers(wire: Wire) -> Outcome {
    let method = if wire.to_head { "HEAD" } else { "GET" };
    let open = wire.open;
    let request = Request::builder().method(method).uri("/").header("host", "x").body(Nothing).unwrap();
    let connecting = pin!(http1::handshake(Socket { wire, asked: false }));
    let Some(Ok((mut sender, connection))) = until_stalled(connecting) else { panic!("hyper shakes no hands") };
    let mut connection = pin!(connection);
    let outcome = {
        let mut answering = pin!(sender.send_request(request));
        until_stalled(std::future::poll_fn(|cx| {
            let _ = connection.as_mut().poll(cx);
            answering.as_mut().poll(cx)
        }))
    };
    let mut answer = match outcome {
        None => return Outcome::Waiting,
        Some(Err(_)) => return Outcome::Refused,
        Some(Ok(answer)) => answer,
    };
    let mut data = Vec::new();
    let end = until_stalled(std::future::poll_fn(|cx| {
        let _ = connection.as_mut().poll(cx);
        poll_body(answer.body_mut(), cx, &mut data)
    }));
    let body = match end {
        None => End::Waiting,
        Some(false) => End::Broken,
        Some(true) => {
            let _ = until_stalled(connection.as_mut());
            End::Whole(data, open && sender.is_ready())
        }
    };
    seen(answer, body)
}

/// Whether the body came to a good end.
fn poll_body(body: &mut Incoming, cx: &mut Context<'_>, data: &mut Vec<u8>) -> Poll<bool> {
    loop {
        match std::task::ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => return Poll::Ready(true),
            Some(Err(_)) => return Poll::Ready(false),
            Some(Ok(frame)) => data.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
        }
    }
}

/// Runs a future to its end, or until nothing wakes it any more.
fn until_stalled<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
    }
    None
}

/// The request has no body.
struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// Answers when it has been asked.
struct Socket {
    wire: Wire,
    asked: bool,
}

impl Read for Socket {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut space: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.asked {
            return Poll::Pending; // the write wakes
        }
        match self.wire.pieces.pop_front() {
            Some(mut piece) => {
                space.put_slice(&piece.split_to(piece.len().min(space.remaining())));
                if !piece.is_empty() {
                    self.wire.pieces.push_front(piece);
                }
                Poll::Ready(Ok(()))
            }
            None if self.wire.open => Poll::Pending,
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.asked = true;
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
