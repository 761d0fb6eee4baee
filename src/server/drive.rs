//! Moves a connection on until it has ended or rests, keeping its deadlines.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

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
pub(super) async fn drive(
    mut connection: Pin<&mut impl Graceful>,
    pulse: &Pulse,
    timeouts: Timeouts,
    farewell: Farewell<'_, impl Future<Output = ()>>,
) -> Ended {
    let look = pulse.look(&timeouts);
    let mut course = Course {
        pulse,
        timeouts,
        stage: farewell.stage,
        farewell: pin!(unconstrained(farewell.due)),
        farewell_wakes: false,
        deadline: pin!(sleep_until(Instant::now() + look)),
        deadline_wakes: false,
        look,
        ending: None,
    };
    match poll_fn(|cx| course.poll(connection.as_mut(), cx)).await {
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

/// How far a connection has come.
///
/// The farewell and the deadline are asked only when something may have happened to them. Each has this task's waker from
/// the first time, and asking again would take two locks a request. They are asked outside the task's budget: when a
/// connection has used that up, they would be pending without a waker.
struct Course<'a, F> {
    pulse: &'a Pulse,
    timeouts: Timeouts,
    stage: &'a Follower,
    farewell: Pin<&'a mut Unconstrained<F>>,
    farewell_wakes: bool,
    deadline: Pin<&'a mut Sleep>,
    deadline_wakes: bool,
    /// After how long the pulse is looked at again, where it has no deadline.
    look: Duration,
    /// Until when it has time to end, once it has been asked to.
    ending: Option<Instant>,
}

impl<F: Future<Output = ()>> Course<'_, F> {
    fn poll(&mut self, mut connection: Pin<&mut impl Graceful>, cx: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            if let Poll::Ready(outcome) = connection.as_mut().poll(cx) {
                return Poll::Ready(Outcome::Ended(outcome));
            }
            if self.is_farewell_due(cx) {
                // hyper would wait for the first bytes of an HTTP/2 caller to say goodbye to it.
                if self.pulse.awaits_preface() {
                    return Poll::Ready(Outcome::Ended(Ok(())));
                }
                // hyper would wait for the caller's word on its farewell.
                self.timeouts.idle = FRESH;
                self.ending = Some(Instant::now() + FRESH);
                connection.as_mut().graceful_shutdown();
                continue;
            }
            let due = self.due();
            ready!(self.poll_deadline(due, cx));
            if let Some(outcome) = self.end_if_overdue(due, connection.as_mut(), cx) {
                return Poll::Ready(outcome);
            }
        }
    }

    fn is_farewell_due(&mut self, cx: &mut Context<'_>) -> bool {
        // From the first stage on always: each stage that comes uses a waker up.
        let may_be_due = self.ending.is_none() && (!self.farewell_wakes || self.stage.has_reached(Stage::Leaving));
        self.farewell_wakes = true;
        may_be_due && self.farewell.as_mut().poll(cx).is_ready()
    }

    fn due(&self) -> Option<(Instant, Overdue)> {
        self.pulse.due(&self.timeouts).map(|(due, overdue)| match overdue {
            Overdue::Rest | Overdue::Idle => (self.ending.map_or(due, |ending| due.max(ending)), overdue),
            Overdue::Stuck => (due, overdue),
        })
    }

    /// The timer is set anew only when a deadline comes nearer: most requests leave it alone, and it goes off too early.
    fn poll_deadline(&mut self, due: Option<(Instant, Overdue)>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((due, _)) = due.filter(|(due, _)| *due < self.deadline.deadline()) {
            self.deadline.as_mut().reset(due);
            self.deadline_wakes = false;
        }
        if self.deadline_wakes && !self.deadline.is_elapsed() {
            return Poll::Pending;
        }
        let gone_off = pin!(unconstrained(self.deadline.as_mut())).poll(cx);
        self.deadline_wakes = gone_off.is_pending();
        gone_off
    }

    /// Now that the timer has gone off: how the connection ends, if it is time for that.
    fn end_if_overdue(
        &mut self,
        due: Option<(Instant, Overdue)>,
        connection: Pin<&mut impl Graceful>,
        cx: &mut Context<'_>,
    ) -> Option<Outcome> {
        let now = Instant::now();
        let Some((due, overdue)) = due.filter(|(due, _)| *due <= now) else {
            self.deadline.as_mut().reset(due.map_or(now + self.look, |(due, _)| due));
            return None;
        };
        match overdue {
            _ if self.ending.is_some() => Some(Outcome::GivenUp),
            Overdue::Stuck => Some(Outcome::GivenUp),
            Overdue::Idle => {
                self.ending = Some(due);
                connection.graceful_shutdown();
                None
            }
            Overdue::Rest => match connection.poll_rest(cx) {
                Poll::Ready(Ok(())) => Some(Outcome::AtRest),
                Poll::Ready(Err(error)) => Some(Outcome::Ended(Err(error))),
                Poll::Pending => {
                    self.ending = Some(now + FRESH);
                    None
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
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
