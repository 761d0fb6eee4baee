//! Whose turn it is to fetch, where several processes share a store (architecture.md §4).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::failure::Failure;
use super::issuer::{Fetch, Issuer};
use super::record::Reason;
use super::refresher::{NotFetched, Refresher};
use super::slot::Token;
use super::store::{Claim, LEASE};
use crate::config::TokenKind;

/// From one question for the right to fetch to the next, while another has it.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long who needs a token waits for another's: longer than any request does.
const TURN: Duration = Duration::from_secs(10);

/// Whose turn it is.
pub(super) enum Turn {
    /// This process's, under the claim with this fence; `None` for one that goes alone while the store is away.
    Ours(Option<u64>),
    /// Another's, and here is what it brought.
    Theirs(Arc<Token>),
}

impl<I: Issuer> Refresher<I> {
    /// Waits for the right to fetch, or for the token of who has it.
    pub(super) async fn turn(&mut self, fetch: Fetch, reason: Reason) -> Result<Turn, NotFetched> {
        let began = Instant::now();
        loop {
            match self.claim().await {
                Ok(Claim::Granted(fence)) => return Ok(Turn::Ours(Some(fence))),
                Ok(Claim::Newer(stored)) => {
                    let before = self.generation();
                    match self.take_up(stored) {
                        // Another's normal fetch brought the same again; that is no answer to who forces.
                        Some(token) if fetch != Fetch::Forced || token.generation() > before => {
                            return Ok(Turn::Theirs(token));
                        }
                        _ => continue, // its fence is known now, and does not stand in the way again
                    }
                }
                Ok(Claim::Failed(failure, pause)) => {
                    self.log_failure(fetch, &failure, pause);
                    return Err(NotFetched::Failed(self.remember(failure, pause)));
                }
                Ok(Claim::Held) => {}
                Err(()) if self.may_go_alone(fetch, reason) => return Ok(Turn::Ours(None)),
                Err(()) => {}
            }
            if reason == Reason::Timer && self.snapshot.usable(Instant::now()).is_some() {
                return Err(NotFetched::NotNow);
            }
            if began.elapsed() >= TURN {
                return Err(NotFetched::Failed(self.remember(Failure::elsewhere(), Duration::ZERO)));
            }
            sleep(ASK_AGAIN).await;
        }
    }

    pub(super) async fn claim(&mut self) -> Result<Claim, ()> {
        match self.store.claim(self.standing.fence).await {
            Ok(claim) => {
                self.is_back();
                Ok(claim)
            }
            Err(error) => {
                self.is_away(&error);
                Err(())
            }
        }
    }

    /// Whether to fetch without the store's word. The stable endpoint gives everybody the same token, so nothing is lost
    /// by it. The others end each other's tokens: there it is the last resort, when there is nothing to lose, and when
    /// whoever was fetching as the store went away has had its [`LEASE`].
    fn may_go_alone(&self, fetch: Fetch, reason: Reason) -> bool {
        let now = Instant::now();
        let mints = match self.settings.kind {
            TokenKind::Classic => true,
            TokenKind::Stable => false,
            TokenKind::Auto => self.snapshot.token.as_ref().is_some_and(|token| token.minted_by() == Fetch::Classic),
        };
        let away = self.standing.away_since.map_or(Duration::ZERO, |since| now.duration_since(since));
        let in_need = reason == Reason::Rejection || self.snapshot.usable(now).is_none();
        (!mints && fetch != Fetch::Classic) || (in_need && away >= LEASE)
    }
}
