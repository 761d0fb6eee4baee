//! One task an account, which does all of its fetching: by the timer, or because WeChat refused a token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::budget::{Budget, Spent};
use super::failure::Failure;
use super::issuer::{Fetch, Issued, Issuer};
use super::schedule::{self, lifetime};
use super::slot::{Slot, Snapshot, Token};
use super::store::{Store, Stored};
use super::{Rejection, Remedy, TokenHandle};
use crate::config::TokenKind;
use crate::secret::ExposeSecret;
use crate::wechat::Fault;

/// The least time between two fetches by the timer, however short a life WeChat states.
const TIMER_APART: Duration = Duration::from_secs(1);
/// A failure that stays the same is logged again after this long.
const REPEAT_LOG: Duration = Duration::from_secs(300);

/// What a refresher needs to know of its account.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The account's name, for the log.
    pub account: String,
    /// The account's appid, for the store.
    pub appid: String,
    /// Which endpoint hands the tokens out.
    pub kind: TokenKind,
    /// The configured margin; `None` for the endpoint's own.
    pub margin: Option<Duration>,
}

/// The task that owns an account's token. Dropping every [`TokenHandle`] ends it.
#[derive(Debug)]
pub struct Refresher<I> {
    pub(super) settings: Settings,
    pub(super) issuer: I,
    store: Store,
    pub(super) slot: Arc<Slot>,
    rejections: mpsc::UnboundedReceiver<Rejection>,
    /// What the slot holds, or is about to.
    pub(super) snapshot: Snapshot,
    pub(super) budget: Budget,
    pub(super) episode: Option<Episode>,
    /// When the timer fetches next; after a failure, when the back-off ends.
    pub(super) next: Instant,
    failures: u32,
    failure_logged: Option<(Option<i64>, Instant)>,
    spread: f64,
}

/// On whose account a fetch is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Timer,
    Rejection,
}

/// Why a fetch for a rejection brought nothing.
pub(super) enum NotFetched {
    Failed(Arc<Failure>),
    Spent(Spent),
}

/// How the rejections of one generation were answered, for those that were reported before the answer was known.
#[derive(Debug)]
pub(super) struct Episode {
    pub(super) generation: u64,
    pub(super) covers_until: Instant,
    pub(super) remedy: Remedy,
}

impl<I: Issuer> Refresher<I> {
    /// A refresher that fetches at once when it runs, and the handle that requests use.
    pub fn new(settings: Settings, issuer: I, store: Store) -> (Self, TokenHandle) {
        let slot = Arc::new(Slot::default());
        let (sender, rejections) = mpsc::unbounded_channel();
        let handle = TokenHandle { slot: Arc::clone(&slot), rejections: sender };
        let now = Instant::now();
        // From the first moment, so that a request which comes before the first fetch waits for it.
        let snapshot = Snapshot { fetching: true, ..Snapshot::default() };
        slot.publish(snapshot.clone());
        let refresher = Self {
            settings,
            issuer,
            store,
            slot,
            rejections,
            snapshot,
            budget: Budget::new(now),
            episode: None,
            next: now,
            failures: 0,
            failure_logged: None,
            spread: fastrand::f64(),
        };
        (refresher, handle)
    }

    /// Keeps the token fresh until every handle is gone.
    pub async fn run(mut self) {
        self.load().await;
        loop {
            tokio::select! {
                rejection = self.rejections.recv() => match rejection {
                    Some(rejection) => self.answer(rejection).await,
                    None => return,
                },
                () = sleep_until(self.next) => {
                    // Its outcome stands in the slot; nobody waits for it here.
                    let _ = self.fetch(self.first_choice(), Reason::Timer).await;
                }
            }
        }
    }

    /// The endpoint that is asked before any other.
    pub(super) fn first_choice(&self) -> Fetch {
        match self.settings.kind {
            TokenKind::Classic => Fetch::Classic,
            TokenKind::Stable | TokenKind::Auto => Fetch::Stable,
        }
    }

    /// Takes up the token that an earlier process stored, if it has life left.
    async fn load(&mut self) {
        let account = &self.settings.account;
        let stored = match self.store.load(&self.settings.appid).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(account, %error, "the stored token cannot be used; a new one is fetched");
                return;
            }
        };
        let (now, wall) = (Instant::now(), SystemTime::now());
        let Ok(left) = stored.expires_at.duration_since(wall) else { return };
        let left = left.min(lifetime(Some(f64::MAX))); // a clock that was wrong must not make a token immortal
        let age = wall.duration_since(stored.fetched_at).unwrap_or_default();
        let fetched_at = now.checked_sub(age).unwrap_or(now);
        let token = Token::new(stored.token, 1, stored.minted_by, fetched_at, now + left);
        token.accept(); // it served before the restart
        tracing::info!(account, seconds_left = left.as_secs(), "the stored token is used");
        self.schedule(&token, age + left);
        self.snapshot = Snapshot { token: Some(Arc::new(token)), started: true, ..Snapshot::default() };
        self.publish();
    }

    /// One fetch, and where `auto` finds no stable endpoint, the classic one in its place. The token is in the slot
    /// when this returns, and so is the failure.
    pub(super) async fn fetch(&mut self, fetch: Fetch, reason: Reason) -> Result<Arc<Token>, NotFetched> {
        self.spend(fetch, reason)?;
        self.snapshot.fetching = true;
        self.publish();
        let (mut fetch, mut outcome) = (fetch, self.issuer.fetch(fetch).await);
        if self.settings.kind == TokenKind::Auto
            && fetch == Fetch::Stable
            && outcome.as_ref().is_err_and(|failure| failure.fault == Fault::NoSuchEndpoint)
        {
            tracing::warn!(
                account = self.settings.account,
                "the issuer has no stable endpoint; asking the classic one"
            );
            if let Err(spent) = self.spend(Fetch::Classic, reason) {
                self.snapshot.fetching = false;
                self.publish();
                return Err(spent);
            }
            fetch = Fetch::Classic;
            outcome = self.issuer.fetch(fetch).await;
        }
        self.snapshot.fetching = false;
        self.snapshot.started = true;
        match outcome {
            Ok(issued) => Ok(self.adopt(fetch, reason, issued).await),
            Err(failure) => Err(NotFetched::Failed(self.remember(fetch, failure))),
        }
    }

    fn spend(&mut self, fetch: Fetch, reason: Reason) -> Result<(), NotFetched> {
        match reason {
            Reason::Timer => Ok(()), // the schedule bounds these
            Reason::Rejection => self.budget.spend(fetch, Instant::now()).map_err(NotFetched::Spent),
        }
    }

    /// Puts what was issued into the slot and the store.
    async fn adopt(&mut self, fetch: Fetch, reason: Reason, issued: Issued) -> Arc<Token> {
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
            ?reason,
            expires_in = issued.expires_in.as_secs(),
            "token fetched"
        );
        self.failures = 0;
        self.failure_logged = None;
        self.schedule(&token, issued.expires_in);
        self.snapshot.failure = None;
        self.snapshot.token = Some(Arc::clone(&token));
        self.publish();
        self.save(&token, issued.expires_in).await;
        token
    }

    fn schedule(&mut self, token: &Token, life: Duration) {
        let margin = schedule::margin(self.settings.margin, token.minted_by(), life, self.spread);
        let due = token.expires_at().checked_sub(margin).unwrap_or(token.expires_at());
        self.next = due.max(Instant::now() + TIMER_APART);
    }

    async fn save(&self, token: &Token, expires_in: Duration) {
        let wall = SystemTime::now();
        let age = token.fetched_at().elapsed();
        let stored = Stored {
            token: token.value().clone(),
            minted_by: token.minted_by(),
            fetched_at: wall.checked_sub(age).unwrap_or(wall),
            expires_at: wall + expires_in,
        };
        if let Err(error) = self.store.save(&self.settings.appid, &stored).await {
            tracing::warn!(account = self.settings.account, %error, "the token was not stored; a restart will fetch");
        }
    }

    /// Keeps a failure for those who wait, and starts its back-off. The token in use stays.
    fn remember(&mut self, fetch: Fetch, failure: Failure) -> Arc<Failure> {
        let now = Instant::now();
        self.failures = self.failures.saturating_add(1);
        let pause = schedule::backoff(failure.fault, fetch, self.failures, fastrand::f64());
        self.next = now + pause;
        let repeated = self
            .failure_logged
            .is_some_and(|(errcode, at)| errcode == failure.errcode && now.duration_since(at) < REPEAT_LOG);
        if !repeated {
            self.failure_logged = Some((failure.errcode, now));
            let left = self.snapshot.usable(now).map_or(0, |token| token.remaining(now).as_secs());
            tracing::error!(
                account = self.settings.account,
                endpoint = fetch.name(),
                retry_in = pause.as_secs_f32(),
                token_seconds_left = left,
                "no token: {failure}"
            );
        }
        let failure = Arc::new(failure);
        self.snapshot.failure = Some(Arc::clone(&failure));
        self.publish();
        failure
    }

    pub(super) fn publish(&self) {
        self.slot.publish(self.snapshot.clone());
    }
}
