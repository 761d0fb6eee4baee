//! One fetch: wait for the turn, ask the issuer, and put what it brings into the slot and the store.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::failure::Failure;
use super::issuer::{Fetch, Issued, Issuer};
use super::record::{Brought, Reason};
use super::refresher::{NotFetched, Refresher};
use super::slot::Token;
use super::store::LEASE;
use super::turn::Turn;
use crate::config::TokenKind;
use crate::secret::ExposeSecret;
use crate::wechat::Fault;

impl<I: Issuer> Refresher<I> {
    /// One fetch, by whoever's turn it is. The token is in the slot when this returns, and so is the failure.
    pub(super) async fn fetch(&mut self, fetch: Fetch, reason: Reason) -> Result<Arc<Token>, NotFetched> {
        self.snapshot.fetching = true;
        self.publish();
        let fetched = match self.turn(fetch, reason).await {
            Ok(Turn::Theirs(token)) => Ok(token),
            Ok(Turn::Ours(fence)) => self.fetch_ourselves(fetch, reason, fence).await,
            Err(not_fetched) => Err(not_fetched),
        };
        if matches!(fetched, Err(NotFetched::NotNow)) {
            self.put_off();
        }
        if self.snapshot.fetching {
            self.snapshot.fetching = false;
            self.publish();
        }
        fetched
    }

    async fn fetch_ourselves(
        &mut self,
        fetch: Fetch,
        reason: Reason,
        fence: Option<u64>,
    ) -> Result<Arc<Token>, NotFetched> {
        match self.ask_issuer(fetch, reason, fence).await {
            Ok((fetch, Ok(issued))) => Ok(self.adopt(fetch, reason, issued, fence).await),
            Ok((fetch, Err(failure))) => {
                self.record(fetch, reason, Brought::Nothing(failure.clone()));
                let pause = self.pause_after(fetch, &failure);
                self.give_up_claim(fence, Some((&failure, pause))).await;
                Err(NotFetched::Failed(self.remember(failure, pause)))
            }
            Err(spent) => {
                self.give_up_claim(fence, None).await;
                Err(spent)
            }
        }
    }

    /// Asks the endpoint, and where `auto` finds no stable one, the classic one in its place.
    async fn ask_issuer(
        &mut self,
        fetch: Fetch,
        reason: Reason,
        fence: Option<u64>,
    ) -> Result<(Fetch, Result<Issued, Failure>), NotFetched> {
        self.spend(fetch, reason, fence).await?;
        let issued = self.ask_under_claim(fetch, fence).await;
        let is_missing = issued.as_ref().is_err_and(|failure| failure.fault == Fault::NoSuchEndpoint);
        if self.settings.kind != TokenKind::Auto || fetch != Fetch::Stable || !is_missing {
            return Ok((fetch, issued));
        }
        tracing::warn!(account = self.settings.account, "the issuer has no stable endpoint; asking the classic one");
        self.spend(Fetch::Classic, reason, fence).await?;
        Ok((Fetch::Classic, self.ask_under_claim(Fetch::Classic, fence).await))
    }

    /// One call to the issuer, during which the claim is kept.
    async fn ask_under_claim(&self, fetch: Fetch, fence: Option<u64>) -> Result<Issued, Failure> {
        let mut answer = pin!(self.issuer.fetch(fetch));
        loop {
            tokio::select! {
                issued = &mut answer => return issued,
                () = sleep(LEASE / 5) => {
                    if let Some(fence) = fence {
                        // A lost claim cannot call back the question to WeChat; publishing will tell.
                        let _ = self.store.renew(fence).await;
                    }
                }
            }
        }
    }

    async fn spend(&mut self, fetch: Fetch, reason: Reason, fence: Option<u64>) -> Result<(), NotFetched> {
        if reason == Reason::Timer {
            return Ok(()); // the schedule bounds these
        }
        self.budget.spend(fetch, Instant::now()).map_err(NotFetched::Spent)?;
        if fence.is_none() {
            return Ok(());
        }
        match self.store.spend(fetch).await {
            Ok(shared) => shared.map_err(NotFetched::Spent),
            Err(error) => {
                self.is_away(&error);
                Ok(())
            }
        }
    }

    /// Puts what was issued into the slot and the store.
    async fn adopt(&mut self, fetch: Fetch, reason: Reason, issued: Issued, fence: Option<u64>) -> Arc<Token> {
        let now = Instant::now();
        let expires_at = now + issued.expires_in;
        let current = self.snapshot.token.as_ref();
        let same = current.filter(|token| token.value().expose_secret() == issued.token.expose_secret());
        let generation = current.map_or(0, |token| token.generation());
        let token = Arc::new(match same {
            Some(token) => token.prolonged(expires_at),
            None => Token::new(issued.token, generation + 1, fetch, now, expires_at),
        });
        tracing::info!(
            account = self.settings.account,
            generation = token.generation(),
            new = token.generation() != generation,
            endpoint = fetch.name(),
            reason = reason.name(),
            expires_in = issued.expires_in.as_secs(),
            "token fetched"
        );
        self.record(fetch, reason, if token.generation() == generation { Brought::Same } else { Brought::New });
        self.put_in_force(Arc::clone(&token), issued.expires_in);
        self.hand_over(token, fence).await
    }
}
