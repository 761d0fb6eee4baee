//! Running, draining, ended: how a stop travels through the gateway.

use tokio::sync::watch;

/// What connections may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Everything.
    Running,
    /// Finish what is in flight; no new connections, no further requests on old ones.
    Draining,
    /// Nothing.
    Ended,
}

/// Moves the stage forward, never back.
#[derive(Debug, Clone)]
pub struct Control(watch::Sender<Stage>);

/// Follows the stage.
#[derive(Debug, Clone)]
pub struct Follower(watch::Receiver<Stage>);

/// A stage that is [`Stage::Running`].
pub fn control() -> Control {
    Control(watch::channel(Stage::Running).0)
}

impl Control {
    /// Goes to `stage`, if it lies ahead.
    pub fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|current| {
            let ahead = *current < stage;
            *current = stage.max(*current);
            ahead
        });
    }

    /// Waits until `stage` is reached.
    pub async fn reached(&self, stage: Stage) {
        self.follow().reached(stage).await;
    }

    /// One more who follows.
    pub fn follow(&self) -> Follower {
        Follower(self.0.subscribe())
    }

    /// Whether anybody follows at present.
    pub fn is_followed(&self) -> bool {
        self.0.receiver_count() > 0
    }
}

impl Follower {
    /// Waits until `stage` is reached; a control that is gone means the end.
    pub async fn reached(&mut self, stage: Stage) {
        let _ = self.0.wait_for(|current| *current >= stage).await;
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
    }
}
