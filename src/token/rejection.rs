//! What a rejection of the current token leads to: a new token, the news that the old one is alive, or a no (architecture.md §4).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::issuer::{Fetch, Issuer, Liveness};
use super::record::{Reason, Unhealed};
use super::refresher::{Episode, NotFetched, Refresher};
use super::slot::Token;
use super::spent::Spent;
use super::{Rejection, Remedy};
use crate::config::TokenKind;

/// How long "WeChat says that it is alive" stands. A path that refuses a living token would otherwise use up the
/// 60 fetches a minute that a token which really dies needs; at 2 s it takes half of them at most.
const ALIVE_STANDS: Duration = Duration::from_secs(2);
/// A classic token younger than this is asked about before it is superseded: the platform's back ends may lag behind.
const YOUNG: Duration = Duration::from_secs(60);
/// A token that dies with more than this left did not end by itself: WeChat lets an old one live 5 minutes beside its
/// successor (wechat.md §1).
const EARLY: Duration = Duration::from_secs(300);
/// This many early deaths within an hour mean that somebody else refreshes the account.
const EARLY_SEVERAL: usize = 3;

impl<I: Issuer> Refresher<I> {
    /// Answers one report. All reports go through one task, which makes the fetch a single flight.
    pub(super) async fn answer(&mut self, rejection: Rejection) {
        let remedy = self.remedy(&rejection).await;
        // A request that no longer waits has no use for it.
        let _ = rejection.reply.send(remedy);
    }

    async fn remedy(&mut self, rejection: &Rejection) -> Remedy {
        if let Some(token) = self.slot.newer_than(rejection.generation) {
            return Remedy::Newer(token);
        }
        let known = self.episode.as_ref().filter(|episode| {
            episode.generation == rejection.generation && rejection.reported_at <= episode.covers_until
        });
        if let Some(episode) = known {
            return episode.remedy.clone();
        }
        let Some(token) = self.snapshot.token.clone() else { return Remedy::TimedOut };
        if let Some(newer) = self.look_for_remedy().await {
            return self.found(&token, newer);
        }
        let remedy = self.replace(&token).await;
        let ended = Instant::now();
        let stands = if matches!(remedy, Remedy::Alive(_)) { ALIVE_STANDS } else { Duration::ZERO };
        self.log(&token, &remedy);
        self.note_unhealed(ended, &remedy);
        self.episode =
            Some(Episode { generation: rejection.generation, covers_until: ended + stands, remedy: remedy.clone() });
        remedy
    }

    async fn replace(&mut self, token: &Arc<Token>) -> Remedy {
        let now = Instant::now();
        if let Some(failure) = self.snapshot.failure.as_ref().filter(|_| now < self.next) {
            return Remedy::Failed(Arc::clone(failure));
        }
        if let Err(spent) = self.budget.may_replace(token, now) {
            return Remedy::Withheld(spent);
        }
        match self.try_replace(token).await {
            Ok(remedy) => remedy,
            Err(NotFetched::Failed(failure)) => Remedy::Failed(failure),
            Err(NotFetched::Spent(spent)) => Remedy::Withheld(spent),
            Err(NotFetched::NotNow) => Remedy::TimedOut, // it is the timer's, which answers nobody
        }
    }

    async fn try_replace(&mut self, token: &Arc<Token>) -> Result<Remedy, NotFetched> {
        let asking_mints = token.minted_by() == Fetch::Classic && self.settings.kind != TokenKind::Stable;
        let young = token.fetched_at().elapsed() < YOUNG;
        if asking_mints && young && !self.is_dead(token).await {
            return Ok(Remedy::Alive(Arc::clone(token)));
        }
        let fetched = self.fetch(self.first_choice(), Reason::Rejection).await?;
        if fetched.generation() != token.generation() {
            return Ok(self.replaced(token, fetched));
        }
        // The same token again: a kill by force would hit it also where only one back end lags behind.
        if !self.is_dead(token).await {
            return Ok(Remedy::Alive(fetched));
        }
        if fetched.minted_by() == Fetch::Classic {
            return Err(NotFetched::Spent(Spent::SameToken));
        }
        let fetched = self.fetch(Fetch::Forced, Reason::Rejection).await?;
        if fetched.generation() == token.generation() {
            return Err(NotFetched::Spent(Spent::SameToken));
        }
        Ok(self.replaced(token, fetched))
    }

    async fn is_dead(&self, token: &Token) -> bool {
        self.issuer.ask(token.value()).await == Liveness::Dead
    }

    fn replaced(&mut self, old: &Token, new: Arc<Token>) -> Remedy {
        if !old.was_accepted() {
            self.budget.replaced_on_trial();
        }
        self.found(old, new)
    }

    fn found(&mut self, old: &Token, new: Arc<Token>) -> Remedy {
        let now = Instant::now();
        if old.remaining(now) > EARLY {
            self.count_early_death(now);
        }
        Remedy::Newer(new)
    }

    fn count_early_death(&mut self, now: Instant) {
        self.snapshot.count_early_death(now);
        self.publish();
        let died_early = self.snapshot.died_early(now);
        if died_early >= EARLY_SEVERAL {
            tracing::warn!(
                account = self.settings.account,
                died_early,
                "another system is refreshing this account's token: {died_early} tokens died early within the last hour; \
                 find who else calls /cgi-bin/token or stable_token with this appid, and point it at wxgate"
            );
        }
    }

    /// For the operator, who may look at the status before the log.
    fn note_unhealed(&mut self, now: Instant, remedy: &Remedy) {
        let why = match remedy {
            Remedy::Withheld(spent) => Unhealed::Spent(*spent),
            Remedy::Alive(_) => Unhealed::Alive,
            Remedy::Newer(_) | Remedy::Failed(_) | Remedy::TimedOut => return,
        };
        self.snapshot.unhealed = Some((now, why));
        self.publish();
    }

    /// Says why a refusal went to the caller, once a generation and cause.
    fn log(&self, token: &Token, remedy: &Remedy) {
        let (account, generation) = (&self.settings.account, token.generation());
        let before = self.episode.as_ref().filter(|episode| episode.generation == generation);
        match remedy {
            Remedy::Withheld(spent) => {
                let said = before.is_some_and(|episode| matches!(&episode.remedy, Remedy::Withheld(s) if s == spent));
                if !said {
                    tracing::warn!(account, generation, "WeChat refused the token and it is not replaced: {spent}");
                }
            }
            Remedy::Alive(_) => {
                let said = before.is_some_and(|episode| matches!(episode.remedy, Remedy::Alive(_)));
                if !said {
                    tracing::warn!(
                        account,
                        generation,
                        "WeChat refused the token on one path and takes it on another; nothing was forced"
                    );
                }
            }
            Remedy::Newer(_) | Remedy::Failed(_) | Remedy::TimedOut => {} // logged where they arose
        }
    }
}
