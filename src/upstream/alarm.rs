//! A timer for deadlines that are almost never met.
//!
//! Setting a timer of tokio's for each request costs a lock and a place in the wheel. This one is set when its deadline
//! comes nearer, and else left to go off too early once in a while; a connection keeps it from request to request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Wakes whoever polled it last.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `due` has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    /// How long `due`, from now on, makes one wait, in seconds.
    async fn wait(alarm: &mut Alarm, due: u64) -> u64 {
        let start = Instant::now();
        poll_fn(|cx| alarm.poll(cx, start + Duration::from_secs(due))).await;
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_when_it_is_due_whatever_it_was_set_for_before() {
        let mut alarm = Alarm::default();
        let far = Instant::now() + Duration::from_secs(55);
        assert!(poll_fn(|cx| Poll::Ready(alarm.poll(cx, far).is_pending())).await);
        assert_eq!(wait(&mut alarm, 30).await, 30, "a nearer deadline");
        assert_eq!(wait(&mut alarm, 55).await, 55, "a later one, after it has gone off");
        let near = Instant::now() + Duration::from_secs(1);
        assert!(poll_fn(|cx| Poll::Ready(alarm.poll(cx, near).is_pending())).await);
        assert_eq!(wait(&mut alarm, 20).await, 20, "a later one, while it is set");
    }
}
