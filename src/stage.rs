//! Running, leaving, draining, ended: how a stop travels through the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::watch;

/// What connections may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// Everything.
    Running,
    /// Everything still; but whoever asks is told that it is not ready any more, and each answer that its connection ends
    /// with it, so that callers go elsewhere by themselves.
    Leaving,
    /// Finish what is in flight; no new connections, no further requests on old ones.
    Draining,
    /// Nothing.
    Ended,
}

/// Moves the stage forward, never back.
#[derive(Debug, Clone)]
pub struct Control {
    stage: watch::Sender<Stage>,
    now: Now,
}

/// Follows the stage.
#[derive(Debug, Clone)]
pub struct Follower {
    stage: watch::Receiver<Stage>,
    now: Now,
}

/// The same, for those who look at every request: a look at the channel takes a lock. The stage of a part, and that of the
/// whole.
#[derive(Debug, Clone, Default)]
struct Now {
    part: Arc<AtomicU8>,
    whole: Arc<AtomicU8>,
}

/// A stage that is [`Stage::Running`].
pub fn control() -> Control {
    Control { stage: watch::channel(Stage::Running).0, now: Now::default() }
}

impl Control {
    /// Goes to `stage`, if it lies ahead.
    pub fn advance(&self, stage: Stage) {
        self.now.part.fetch_max(stage as u8, Ordering::Relaxed);
        self.stage.send_if_modified(|current| {
            let ahead = *current < stage;
            *current = stage.max(*current);
            ahead
        });
    }

    /// The stage of a part, which may be ahead of the whole. It does not go on by itself when the whole does, but
    /// [`Follower::has_reached`] knows.
    pub fn part(&self) -> Self {
        let now = Now { part: Arc::default(), whole: Arc::clone(&self.now.part) };
        Self { stage: watch::channel(Stage::Running).0, now }
    }

    /// Waits until `stage` is reached.
    pub async fn reached(&self, stage: Stage) {
        self.follow().reached(stage).await;
    }

    /// One more who follows.
    pub fn follow(&self) -> Follower {
        Follower { stage: self.stage.subscribe(), now: self.now.clone() }
    }

    /// Whether anybody follows at present.
    pub fn is_followed(&self) -> bool {
        self.stage.receiver_count() > 0
    }
}

impl Follower {
    /// Waits until `stage` is reached; a control that is gone means the end.
    pub async fn reached(&mut self, stage: Stage) {
        let _ = self.stage.wait_for(|current| *current >= stage).await;
    }

    /// Whether `stage` is reached.
    pub fn has_reached(&self, stage: Stage) -> bool {
        let Now { part, whole } = &self.now;
        part.load(Ordering::Relaxed).max(whole.load(Ordering::Relaxed)) >= stage as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stage_never_goes_back() {
        let control = control();
        control.advance(Stage::Ended);
        control.advance(Stage::Draining);
        control.reached(Stage::Ended).await;
        assert!(control.follow().has_reached(Stage::Ended));
    }

    #[test]
    fn what_is_ahead_is_not_reached() {
        let control = control();
        control.advance(Stage::Leaving);
        let reached =
            [Stage::Running, Stage::Leaving, Stage::Draining].map(|stage| control.follow().has_reached(stage));
        assert_eq!(reached, [true, true, false]);
    }

    #[test]
    fn a_part_may_be_ahead_of_the_whole_and_never_behind() {
        let whole = control();
        let part = whole.part();
        part.advance(Stage::Draining);
        assert!(part.follow().has_reached(Stage::Draining) && !whole.follow().has_reached(Stage::Leaving));
        whole.advance(Stage::Ended);
        assert!(part.follow().has_reached(Stage::Ended));
    }
}
