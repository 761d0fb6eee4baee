//! A running gateway, and what it sees to until it is told to stop.

use std::pin::pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch::Sender;
use tokio::task::JoinSet;

use super::StopTimes;
use super::error::AppError;
use super::prepared::{Counters, Origin};
use super::reloads::{Fixed, Reloads};
use super::tokens::Tokens;
use crate::gateway::Setup;
use crate::reload::{Cause, Request};
use crate::server::Server;
use crate::stage::{Control, Stage};
use crate::supervisor;

/// A running gateway.
pub(super) struct Running {
    pub(super) server: Server,
    pub(super) tokens: Tokens,
    pub(super) counters: Counters,
    pub(super) in_force: Arc<ArcSwap<Setup>>,
    pub(super) origin: Origin,
    /// As it was at the start.
    pub(super) fixed: Fixed,
    pub(super) stop_times: Sender<StopTimes>,
    pub(super) reloads: Reloads,
    /// The admin listener, the watchdog: nothing here ends by itself.
    pub(super) tasks: JoinSet<()>,
}

enum Event {
    /// A task has ended that must not.
    Fault,
    Reload(Request),
}

impl Running {
    /// Reloads as it is asked to, until the drain; then waits for the last answer to be out. Nothing is fetched ahead of
    /// time meanwhile.
    ///
    /// # Errors
    /// [`AppError::Fault`], after a drain: without its tokens or its admin listener it had better be replaced than go on.
    pub(super) async fn run(mut self, control: &Control) -> Result<(), AppError> {
        supervisor::ready();
        let outcome = self.until_drain(control).await;
        control.advance(Stage::Draining);
        self.tokens.rest();
        self.server.finished().await;
        outcome
    }

    async fn until_drain(&mut self, control: &Control) -> Result<(), AppError> {
        let mut leaving = pin!(async {
            control.reached(Stage::Leaving).await;
            supervisor::stopping();
            control.reached(Stage::Draining).await;
        });
        loop {
            let event = tokio::select! {
                () = &mut leaving => return Ok(()),
                event = self.event() => event,
            };
            match event {
                Event::Fault => return Err(AppError::Fault),
                Event::Reload(request) => self.reload(request, control).await,
            }
        }
    }

    async fn event(&mut self) -> Event {
        tokio::select! {
            () = self.tokens.fault() => Event::Fault,
            Some(_) = self.tasks.join_next() => Event::Fault,
            request = self.reloads.requests.next() => Event::Reload(request),
            () = self.reloads.watch.changed() => Event::Reload(Request::of_nobody(Cause::File)),
        }
    }
}
