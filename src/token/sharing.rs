//! One token for all who share a store: taking up what others publish, publishing what is ours, and noticing that the
//! store is away (architecture.md §4).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::issuer::Issuer;
use super::refresher::Refresher;
use super::schedule::LONGEST_LIFE;
use super::slot::Token;
use super::store::{Claim, Published, StoreError, Stored};
use crate::secret::ExposeSecret;

/// A store that is away, or to which our token is still to be brought, is looked at again after this long.
const LOOK_SOON: Duration = Duration::from_secs(1);

impl<I: Issuer> Refresher<I> {
    /// Takes up the token that an earlier process, or another one, has stored, if it has life left.
    pub(super) async fn load(&mut self) {
        match self.store.read().await {
            Ok(Some(stored)) => {
                let Some(token) = self.take_up(stored) else { return };
                token.accept(); // it served before the restart
                let seconds_left = token.remaining(Instant::now()).as_secs();
                tracing::info!(account = self.settings.account, seconds_left, "the stored token is used");
            }
            Ok(None) => {}
            Err(error) if self.standing.next_look.is_some() => self.is_away(&error),
            Err(error) => {
                let account = &self.settings.account;
                tracing::warn!(account, %error, "the stored token cannot be used; a new one is fetched");
            }
        }
    }

    /// Looks for a token that another has published, and sees to it that ours is there.
    pub(super) async fn look(&mut self) {
        match self.store.read().await {
            Ok(stored) => {
                self.is_back();
                let theirs = stored.as_ref().map_or(0, |stored| stored.fence);
                // A store that has lost what it knew, or was set back, gets it from us.
                self.standing.unpublished |= theirs < self.standing.fence;
                if let Some(stored) = stored.filter(|stored| stored.fence > self.standing.fence) {
                    self.take_up(stored);
                }
                self.publish_what_is_not_there().await;
            }
            Err(error) => self.is_away(&error),
        }
        let hurry = self.standing.away_since.is_some() || self.standing.unpublished;
        self.standing.next_look =
            self.store.look_every().map(|every| Instant::now() + if hurry { LOOK_SOON.min(every) } else { every });
    }

    /// Whether another has a newer token than the rejected one; it costs no fetch.
    pub(super) async fn look_for_remedy(&mut self) -> Option<Arc<Token>> {
        self.standing.next_look?;
        self.standing.unpublished = false; // what was refused is no longer worth it
        match self.store.read().await {
            Ok(stored) => {
                self.is_back();
                let before = self.generation();
                let token = self.take_up(stored.filter(|stored| stored.fence > self.standing.fence)?)?;
                (token.generation() > before).then_some(token)
            }
            Err(error) => {
                self.is_away(&error);
                None
            }
        }
    }

    async fn publish_what_is_not_there(&mut self) {
        let Some(token) = self.snapshot.usable(Instant::now()).filter(|_| self.standing.unpublished).cloned() else {
            return;
        };
        match self.claim().await {
            Ok(Claim::Granted(fence)) => {
                self.hand_over(token, Some(fence)).await;
            }
            Ok(Claim::Newer(stored)) => {
                self.take_up(stored);
            }
            Ok(Claim::Held | Claim::Failed(..)) | Err(()) => {} // at the next look
        }
    }

    /// Makes the stored token ours. `None` where it has no life left, or where ours was fetched alone and later: then
    /// ours is to take its place.
    pub(super) fn take_up(&mut self, stored: Stored) -> Option<Arc<Token>> {
        let now = Instant::now();
        self.standing.fence = self.standing.fence.max(stored.fence);
        let left = stored.left.min(LONGEST_LIFE); // a clock that was wrong must not make a token immortal
        let current = self.snapshot.token.clone();
        let same = current.as_ref().filter(|token| token.value().expose_secret() == stored.token.expose_secret());
        let ours = self.snapshot.usable(now).filter(|_| self.standing.unpublished && same.is_none());
        if left.is_zero() || ours.is_some_and(|ours| ours.fetched_at().elapsed() < stored.age) {
            return None;
        }
        let token = Arc::new(match same {
            Some(token) => token.prolonged(now + left),
            None => {
                let fetched_at = now.checked_sub(stored.age).unwrap_or(now);
                Token::new(stored.token, self.generation() + 1, stored.minted_by, fetched_at, now + left)
            }
        });
        self.standing.unpublished = false;
        self.put_in_force(Arc::clone(&token), stored.age + left);
        Some(token)
    }

    /// Stores what was fetched, and says what is to be used: another's, where a newer one is there already.
    pub(super) async fn hand_over(&mut self, token: Arc<Token>, fence: Option<u64>) -> Arc<Token> {
        let Some(fence) = fence else {
            self.standing.unpublished = true;
            return token;
        };
        self.standing.fence = fence;
        self.standing.unpublished = false;
        let stored = Stored {
            fence,
            token: token.value().clone(),
            minted_by: token.minted_by(),
            age: token.fetched_at().elapsed(),
            left: token.remaining(Instant::now()),
        };
        match self.store.publish(&stored).await {
            Ok(Published::InForce) => self.is_back(),
            Ok(Published::Superseded(newer)) => return self.take_up(newer).unwrap_or(token),
            Err(error) if self.standing.next_look.is_some() => {
                self.standing.unpublished = true;
                self.is_away(&error);
            }
            Err(error) => {
                tracing::warn!(account = self.settings.account, %error, "the token was not stored; a restart will fetch");
            }
        }
        token
    }

    /// That of the latest token; 0 before the first.
    pub(super) fn generation(&self) -> u64 {
        self.snapshot.token.as_ref().map_or(0, |token| token.generation())
    }

    pub(super) async fn give_up_claim(&mut self, fence: Option<u64>, failed: Option<(&Failure, Duration)>) {
        let Some(fence) = fence else { return };
        if let Err(error) = self.store.release(fence, failed).await {
            self.is_away(&error);
        }
    }

    pub(super) fn is_away(&mut self, error: &StoreError) {
        if self.standing.away_since.is_none() {
            self.standing.away_since = Some(Instant::now());
            tracing::warn!(
                account = self.settings.account,
                %error,
                "the shared store cannot be used; the token in memory serves on, and replicas no longer wait for each other"
            );
        }
    }

    pub(super) fn is_back(&mut self) {
        if let Some(since) = self.standing.away_since.take() {
            let seconds_away = since.elapsed().as_secs();
            tracing::info!(account = self.settings.account, seconds_away, "the shared store can be used again");
        }
    }
}
