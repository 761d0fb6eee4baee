//! Moves a connection on until it has ended or rests, keeping its deadlines.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::task::coop::unconstrained;
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
    /// Nothing is due before this has been advanced beyond [`Stage::Running`].
    pub(super) stage: &'a Follower,
    pub(super) due: F,
}

/// Lets a connection run to its end or its rest; from its `farewell` on, it ends with what it is doing.
///
/// The farewell and the deadline are asked only when something may have happened to them. Each has this task's waker from
/// the first time, and asking again would take two locks a request. They are asked outside the task's budget: when a
/// connection has used that up, they would be pending without a waker.
pub(super) async fn drive(
    mut connection: Pin<&mut impl Graceful>,
    pulse: &Pulse,
    mut timeouts: Timeouts,
    farewell: Farewell<'_, impl Future<Output = ()>>,
) -> Ended {
    let Farewell { stage, due: farewell } = farewell;
    let mut farewell = pin!(unconstrained(farewell));
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
            deadline_wakes = pin!(unconstrained(deadline.as_mut())).poll(cx).is_pending();
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

#[cfg(test)]
mod tests {
    use std::task::Context;
    use std::time::Duration;

    use tokio::task::coop::consume_budget;
    use tokio::time::timeout;

    use super::*;
    use crate::server::pulse::Protocol;
    use crate::stage::control;

    const TIMEOUTS: Timeouts =
        Timeouts { head: Duration::from_secs(15), idle: Duration::from_secs(75), send: Duration::from_secs(30) };

    /// A connection that uses up all that its task may do in one turn, and then says nothing more.
    #[derive(Default)]
    struct Greedy {
        has_been_asked: bool,
    }

    impl Future for Greedy {
        type Output = hyper::Result<()>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            if !std::mem::replace(&mut self.has_been_asked, true) {
                while pin!(consume_budget()).poll(cx).is_ready() {}
            }
            Poll::Pending
        }
    }

    impl Graceful for Greedy {
        fn graceful_shutdown(self: Pin<&mut Self>) {}

        fn poll_rest(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_uses_up_its_turn_keeps_its_deadline() {
        let (control, pulse) = (control(), Pulse::new(Protocol::Http2));
        let farewell = Farewell { stage: &control.follow(), due: std::future::pending() };
        let mut connection = pin!(Greedy::default());
        let ended = drive(connection.as_mut(), &pulse, TIMEOUTS, farewell);
        assert_eq!(timeout(2 * TIMEOUTS.idle, ended).await, Ok(Ended::Over));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_uses_up_its_turn_hears_of_a_drain_and_of_every_stage_before() {
        let (control, pulse) = (control(), Pulse::new(Protocol::Http2));
        let farewell = Farewell { stage: &control.follow(), due: control.reached(Stage::Draining) };
        // In a task of its own, since whatever wakes the connection's task would have it look at everything.
        let stages = control.clone();
        tokio::spawn(async move {
            for stage in [Stage::Leaving, Stage::Draining] {
                tokio::time::sleep(Duration::from_secs(1)).await;
                stages.advance(stage);
            }
        });
        let (begun, mut connection) = (Instant::now(), pin!(Greedy::default()));
        let ended = timeout(Duration::from_secs(5), drive(connection.as_mut(), &pulse, TIMEOUTS, farewell)).await;
        assert_eq!((ended, begun.elapsed().as_secs()), (Ok(Ended::Over), 2));
    }
}
