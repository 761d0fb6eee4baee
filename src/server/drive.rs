//! Moves a connection on until it has ended or rests, keeping its deadlines.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::time::{Instant, sleep_until};

use super::protocol::Graceful;
use super::pulse::{Overdue, Pulse};
use super::{FRESH, Timeouts};
use crate::stage::{Follower, Stage};

/// How it came that a connection is no longer driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The connection is over.
    Over,
    /// Nothing is under way, and has not been for a while: it can be taken apart, and made anew for the next byte.
    AtRest,
}

/// When a connection begins to end.
pub(super) struct Farewell<'a, F> {
    /// Nothing is due before this has left [`Stage::Running`].
    pub(super) stage: &'a Follower,
    pub(super) due: F,
}

/// Lets a connection run to its end or its rest; from its `farewell` on, it ends with what it is doing.
///
/// The farewell and the deadline are asked only when something may have happened to them. Each has this task's waker from
/// the first time, and asking again would take two locks a request.
pub(super) async fn drive(
    mut connection: Pin<&mut impl Graceful>,
    pulse: &Pulse,
    mut timeouts: Timeouts,
    farewell: Farewell<'_, impl Future<Output = ()>>,
) -> Ended {
    let Farewell { stage, due: farewell } = farewell;
    let mut farewell = pin!(farewell);
    let mut farewell_wakes = false;
    let mut ending = None;
    let look = pulse.look(&timeouts);
    let mut deadline = pin!(sleep_until(Instant::now() + look));
    let mut deadline_wakes = false;
    let outcome = poll_fn(|cx| {
        loop {
            if let Poll::Ready(outcome) = connection.as_mut().poll(cx) {
                return Poll::Ready(Outcome::Ended(outcome));
            }
            // From the first stage on always: each stage that comes uses a waker up.
            let may_be_due = ending.is_none() && (!farewell_wakes || stage.has_reached(Stage::Leaving));
            farewell_wakes = true;
            if may_be_due && farewell.as_mut().poll(cx).is_ready() {
                // hyper would wait for the first bytes of an HTTP/2 caller to say goodbye to it.
                if pulse.awaits_preface() {
                    return Poll::Ready(Outcome::Ended(Ok(())));
                }
                // hyper would wait for the caller's word on its farewell.
                timeouts.idle = FRESH;
                ending = Some(Instant::now() + FRESH);
                connection.as_mut().graceful_shutdown();
                continue;
            }
            // Set anew only when a deadline comes nearer: most requests leave the timer alone.
            let due = pulse.due(&timeouts).map(|(due, overdue)| match overdue {
                Overdue::Rest | Overdue::Idle => (ending.map_or(due, |ending| due.max(ending)), overdue),
                Overdue::Stuck => (due, overdue),
            });
            if let Some((due, _)) = due.filter(|(due, _)| *due < deadline.deadline()) {
                deadline.as_mut().reset(due);
                deadline_wakes = false;
            }
            if deadline_wakes && !deadline.is_elapsed() {
                return Poll::Pending;
            }
            deadline_wakes = deadline.as_mut().poll(cx).is_pending();
            if deadline_wakes {
                return Poll::Pending;
            }
            match due {
                Some((due, overdue)) if due <= Instant::now() => {
                    if overdue == Overdue::Stuck || ending.is_some() {
                        return Poll::Ready(Outcome::GivenUp);
                    }
                    if overdue == Overdue::Rest {
                        match connection.as_mut().poll_rest(cx) {
                            Poll::Ready(Ok(())) => return Poll::Ready(Outcome::AtRest),
                            Poll::Ready(Err(error)) => return Poll::Ready(Outcome::Ended(Err(error))),
                            Poll::Pending => ending = Some(Instant::now() + FRESH),
                        }
                        continue;
                    }
                    ending = Some(due);
                    connection.as_mut().graceful_shutdown();
                }
                Some((due, _)) => deadline.as_mut().reset(due),
                None => deadline.as_mut().reset(Instant::now() + look),
            }
        }
    })
    .await;
    match outcome {
        Outcome::AtRest => return Ended::AtRest,
        Outcome::Ended(Ok(())) => {}
        Outcome::Ended(Err(error)) => {
            // Our answer broke off, not the caller.
            if error.is_user() {
                pulse.broke_off();
            }
            tracing::trace!(%error, "a caller's connection ended");
        }
        Outcome::GivenUp => {
            tracing::debug!("a caller's connection was given up: it did not move on within its deadline");
        }
    }
    Ended::Over
}

enum Outcome {
    Ended(hyper::Result<()>),
    GivenUp,
    AtRest,
}
