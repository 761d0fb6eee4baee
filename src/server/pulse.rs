//! What a connection is doing, and since when: the basis of its deadlines.
//!
//! hyper's own header timer also runs while a kept-alive connection is idle, and there is one timer operation a request
//! in it (3 % of CPU). Here, a request costs two clock readings, and the timer is set once in a while.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::Timeouts;
use super::rest::REST;
use super::stream::{PIECE, Taking};

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Between requests.
    Idle(Instant),
    /// A head has begun.
    Head(Instant),
    /// A request is being answered; its own deadlines hold.
    Busy,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Why a connection is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It is idle for so long that it may rest.
    Rest,
    /// It was idle for too long; it may be closed in order.
    Idle,
    /// The head did not come to its end, or the caller does not take its answer.
    Stuck,
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Pulse {
    phase: Cell<Phase>,
    /// Requests being answered; several at once in HTTP/2 only.
    requests: Cell<usize>,
    /// Whether bytes that come while it is idle are the beginning of a head. In HTTP/2 they may be a ping.
    bytes_begin_heads: bool,
    /// No byte has come yet.
    untouched: Cell<bool>,
    blocked_since: Cell<Option<Instant>>,
    may_end_with_connection: Cell<bool>,
    resets: Cell<bool>,
}

impl Pulse {
    pub(super) fn new(protocol: Protocol) -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Idle(Instant::now())),
            requests: Cell::new(0),
            bytes_begin_heads: protocol == Protocol::Http1,
            untouched: Cell::new(true),
            blocked_since: Cell::new(None),
            may_end_with_connection: Cell::new(false),
            resets: Cell::new(false),
        })
    }

    /// A whole head has come; the request lasts as long as what this returns.
    pub(super) fn request(self: &Rc<Self>) -> Busy {
        self.requests.set(self.requests.get() + 1);
        self.phase.set(Phase::Busy);
        Busy(Rc::clone(self))
    }

    /// Whether an answer may end with its connection, as in HTTP/1.0 (RFC 9112 §6.3).
    pub(super) fn may_end_with_connection(&self, may: bool) {
        self.may_end_with_connection.set(may);
    }

    /// An answer broke off. Where its end is the connection's, only a reset tells the caller.
    pub(super) fn broke_off(&self) {
        self.resets.set(self.may_end_with_connection.get());
    }

    /// Whether the connection must end with a reset.
    pub(super) fn resets(&self) -> bool {
        self.resets.get()
    }

    /// When the connection is overdue if nothing changes, and how; `None` where other deadlines hold.
    pub(super) fn due(&self, timeouts: &Timeouts) -> Option<(Instant, Overdue)> {
        let phase = match self.phase.get() {
            Phase::Idle(since) if self.rests_first(timeouts) => Some((since + REST, Overdue::Rest)),
            Phase::Idle(since) => Some((since + timeouts.idle, Overdue::Idle)),
            Phase::Head(since) => Some((since + timeouts.head, Overdue::Stuck)),
            Phase::Busy => None,
        };
        let blocked = self.blocked_since.get().map(|since| (since + timeouts.send, Overdue::Stuck));
        phase.into_iter().chain(blocked).min_by_key(|(due, _)| *due)
    }

    /// How long to leave a connection unwatched for which [`due`](Self::due) names no time.
    pub(super) fn look(&self, timeouts: &Timeouts) -> Duration {
        if self.rests_first(timeouts) { REST } else { timeouts.idle }
    }

    /// Since when the connection is idle.
    pub(super) fn idle_since(&self) -> Instant {
        match self.phase.get() {
            Phase::Idle(since) => since,
            Phase::Head(_) | Phase::Busy => Instant::now(),
        }
    }

    /// Whether a rest comes before the end of an idle connection. Not while some of an answer is still to be written: it
    /// would be lost with hyper's state.
    fn rests_first(&self, timeouts: &Timeouts) -> bool {
        self.bytes_begin_heads && self.blocked_since.get().is_none() && REST < timeouts.idle
    }

    /// Whether HTTP/2 is agreed on and the caller has not begun to speak it.
    pub(super) fn awaits_preface(&self) -> bool {
        !self.bytes_begin_heads && self.untouched.get()
    }

    /// Bytes have come.
    pub(super) fn received(&self) {
        self.untouched.set(false);
        if let Phase::Idle(_) = self.phase.get()
            && self.bytes_begin_heads
        {
            self.phase.set(Phase::Head(Instant::now()));
        }
    }

    /// The caller took what was written, or did not.
    pub(super) fn sent<T>(&self, outcome: &Poll<io::Result<T>>) {
        match outcome {
            Poll::Ready(_) => self.blocked_since.set(None),
            Poll::Pending if self.blocked_since.get().is_none() => self.blocked_since.set(Some(Instant::now())),
            Poll::Pending => {}
        }
    }
}

/// A request that is being answered.
pub(super) struct Busy(Rc<Pulse>);

impl Drop for Busy {
    fn drop(&mut self) {
        let left = self.0.requests.get() - 1;
        self.0.requests.set(left);
        if left == 0 {
            self.0.phase.set(Phase::Idle(Instant::now()));
        }
    }
}

/// An answer's body; when hyper lets go of it, its request has been answered.
pub(super) struct Tracked<B> {
    body: B,
    _busy: Option<Busy>,
    /// In HTTP/2 alone, where an answer goes out in pieces.
    taking: Option<Rc<Taking>>,
    rest: Bytes,
}

impl<B> Tracked<B> {
    pub(super) fn new(body: B, busy: Option<Busy>) -> Self {
        Self { body, _busy: busy, taking: Taking::current(), rest: Bytes::new() }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Tracked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let Some(taking) = &this.taking else { return Pin::new(&mut this.body).poll_frame(cx) };
        taking.asks();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => this.rest = data,
                Some(Err(other)) => return Poll::Ready(Some(Ok(other))),
                None => return Poll::Ready(None),
            }
        }
        taking.gets_piece();
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(length) => SizeHint::with_exact(length + self.rest.len() as u64),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIMEOUTS: Timeouts =
        Timeouts { head: Duration::from_secs(15), idle: Duration::from_secs(75), send: Duration::from_secs(30) };

    fn due_in(pulse: &Pulse) -> Option<(u64, Overdue)> {
        let now = Instant::now();
        pulse.due(&TIMEOUTS).map(|(due, overdue)| (due.duration_since(now).as_secs(), overdue))
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_deadline() {
        let pulse = Pulse::new(Protocol::Http1);
        assert_eq!(due_in(&pulse), Some((1, Overdue::Rest)));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(pulse.idle_since().elapsed(), Duration::from_secs(5));
        pulse.received();
        tokio::time::advance(Duration::from_secs(5)).await;
        pulse.received();
        assert_eq!(due_in(&pulse), Some((10, Overdue::Stuck)), "more bytes of a head give no more time");
        let busy = pulse.request();
        assert_eq!(due_in(&pulse), None);
        drop(Tracked::new((), Some(busy)));
        assert_eq!(due_in(&pulse), Some((1, Overdue::Rest)));
        let short = Timeouts { idle: Duration::from_millis(500), ..TIMEOUTS };
        assert_eq!(pulse.due(&short), Some((Instant::now() + short.idle, Overdue::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_written_yet_keeps_a_connection_from_its_rest() {
        let pulse = Pulse::new(Protocol::Http1);
        drop(pulse.request());
        pulse.sent::<()>(&Poll::Pending);
        assert_eq!(due_in(&pulse), Some((30, Overdue::Stuck)));
        pulse.sent(&Poll::Ready(Ok(())));
        assert_eq!(due_in(&pulse), Some((1, Overdue::Rest)));
    }

    #[tokio::test(start_paused = true)]
    async fn with_several_requests_at_once_the_last_one_counts_and_pings_are_no_heads() {
        let pulse = Pulse::new(Protocol::Http2);
        let (first, second) = (pulse.request(), pulse.request());
        drop(first);
        assert_eq!(due_in(&pulse), None);
        drop(second);
        tokio::time::advance(Duration::from_secs(5)).await;
        pulse.received();
        assert_eq!(due_in(&pulse), Some((70, Overdue::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_takes_nothing_is_overdue_until_it_takes_something() {
        let pulse = Pulse::new(Protocol::Http1);
        let _busy = pulse.request();
        pulse.sent::<usize>(&Poll::Pending);
        tokio::time::advance(Duration::from_secs(10)).await;
        pulse.sent::<usize>(&Poll::Pending);
        assert_eq!(due_in(&pulse), Some((20, Overdue::Stuck)));
        pulse.sent(&Poll::Ready(Ok(1)));
        assert_eq!(due_in(&pulse), None);
    }
}
