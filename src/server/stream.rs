//! One HTTP/2 stream, given up when its caller does not take its answer.
//!
//! A caller may keep a stream's window shut (RFC 9113 §5.2) while the connection itself moves on, so the socket says
//! nothing about it. But hyper asks an answer's body for the next piece only when the caller has made room for the one
//! before.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::task_local;
use tokio::time::{Instant, sleep};

/// Bytes of an answer that go out in one piece. A caller that is slow, and takes so much within its deadline, is not given up.
pub(super) const PIECE: usize = 16 * 1024;

task_local! {
    static TAKING: Rc<Taking>;
}

/// How a caller takes one answer.
#[derive(Debug, Default)]
pub(super) struct Taking(Cell<Option<Instant>>);

impl Taking {
    /// That of the stream whose task this is; `None` outside of HTTP/2.
    pub(super) fn current() -> Option<Rc<Self>> {
        TAKING.try_with(Rc::clone).ok()
    }

    /// The caller has room, or needs none yet.
    pub(super) fn asks(&self) {
        self.0.set(None);
    }

    /// It must make room for a piece.
    pub(super) fn gets_piece(&self) {
        self.0.set(Some(Instant::now()));
    }
}

/// Runs `stream` to its end, or until one piece has waited for `patience`. A stream that is dropped is reset.
pub(super) async fn run(stream: impl Future, patience: Duration) {
    let taking = Rc::new(Taking::default());
    let mut stream = pin!(TAKING.scope(Rc::clone(&taking), stream));
    let mut deadline = pin!(sleep(patience));
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = taking.0.get() else { return Poll::Pending };
        let due = since + patience;
        if deadline.deadline() != due {
            deadline.as_mut().reset(due);
        }
        deadline
            .as_mut()
            .poll(cx)
            .map(|()| tracing::debug!("a stream was given up: its caller does not take its answer"))
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_stream_lives_while_each_piece_is_taken_in_time_however_long_the_next_one_takes_to_come() {
        let start = Instant::now();
        let slow = async {
            let taking = Taking::current().unwrap();
            for _ in 0..3 {
                taking.gets_piece();
                sleep(PATIENCE - Duration::from_secs(1)).await;
                taking.asks();
                sleep(2 * PATIENCE).await;
            }
        };
        run(slow, PATIENCE).await;
        assert_eq!(start.elapsed(), 9 * PATIENCE - Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_a_piece_is_left() {
        let start = Instant::now();
        let left = async {
            sleep(PATIENCE).await;
            Taking::current().unwrap().gets_piece();
            pending::<()>().await;
        };
        run(left, PATIENCE).await;
        assert_eq!(start.elapsed(), 2 * PATIENCE);
    }
}
