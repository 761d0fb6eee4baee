//! One `ArcSwap` of one snapshot: an account's token and how its fetching goes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::failure::Failure;
use super::issuer::Fetch;
use super::record::{FetchCounts, Fetched, Unhealed};
use super::spent::{DAY, FORCED_A_DAY};
use crate::secret::{self, SecretString};

/// Early deaths are counted over this time …
const EARLY_WINDOW: Duration = Duration::from_secs(3_600);
/// … and up to this many: far beyond the point where the number means more.
pub const EARLY_DEATHS: usize = 100;

/// An account's access token.
pub struct Token {
    value: SecretString,
    in_query: SecretString,
    generation: u64,
    minted_by: Fetch,
    fetched_at: Instant,
    expires_at: Instant,
    accepted: AtomicBool,
}

impl Token {
    /// A token that was fetched at `fetched_at` and lives until `expires_at`.
    pub(crate) fn new(
        value: SecretString,
        generation: u64,
        minted_by: Fetch,
        fetched_at: Instant,
        expires_at: Instant,
    ) -> Self {
        let in_query = secret::in_query(&value);
        Self { value, in_query, generation, minted_by, fetched_at, expires_at, accepted: AtomicBool::new(false) }
    }

    /// The same token with another end of life, as the stable endpoint tells it anew at each call.
    pub(crate) fn prolonged(&self, expires_at: Instant) -> Self {
        Self {
            value: self.value.clone(),
            in_query: self.in_query.clone(),
            generation: self.generation,
            minted_by: self.minted_by,
            fetched_at: self.fetched_at,
            expires_at,
            accepted: AtomicBool::new(self.was_accepted()),
        }
    }

    /// The token as WeChat wrote it.
    pub fn value(&self) -> &SecretString {
        &self.value
    }

    /// The token as it stands in a query.
    pub fn in_query(&self) -> &SecretString {
        &self.in_query
    }

    /// The count of tokens that the account has had; it names the token that a request used.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The call that brought it.
    pub fn minted_by(&self) -> Fetch {
        self.minted_by
    }

    /// When it was fetched; for a token out of a store, when that was.
    pub fn fetched_at(&self) -> Instant {
        self.fetched_at
    }

    /// When it ends.
    pub fn expires_at(&self) -> Instant {
        self.expires_at
    }

    /// What is left of its life at `now`.
    pub fn remaining(&self, now: Instant) -> Duration {
        self.expires_at.saturating_duration_since(now)
    }

    /// Whether WeChat has accepted it at least once.
    pub fn was_accepted(&self) -> bool {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Notes that WeChat accepted it.
    pub fn accept(&self) {
        // Read first: every request comes here, and an unconditional store would pass the cache line around.
        if !self.was_accepted() {
            self.accepted.store(true, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// An account's token and how its fetching goes, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The latest token, also when it has expired.
    pub token: Option<Arc<Token>>,
    /// Whether a fetch is under way.
    pub fetching: bool,
    /// Whether the first fetch has ended, either way (or a store made it unnecessary).
    pub started: bool,
    /// The last fetch's failure; gone with the next success.
    pub failure: Option<Arc<Failure>>,
    /// When tokens died long before their expiry: the latest, oldest first.
    pub(super) early_deaths: Vec<Instant>,
    /// The last fetch that has ended.
    pub last: Option<Fetched>,
    /// When the timer fetches next.
    pub next: Option<Instant>,
    /// The last time that WeChat's refusal of a token was not healed, and why.
    pub unhealed: Option<(Instant, Unhealed)>,
    /// When refreshes were forced within the last day.
    pub(super) forced: Vec<Instant>,
}

impl Snapshot {
    /// The token, if it has life left at `now`.
    pub fn usable(&self, now: Instant) -> Option<&Arc<Token>> {
        self.token.as_ref().filter(|token| token.expires_at > now)
    }

    /// How many tokens died long before their expiry within the hour before `now`; counted up to [`EARLY_DEATHS`].
    /// Several mean that another system refreshes the same account.
    pub fn died_early(&self, now: Instant) -> usize {
        self.early_deaths.iter().filter(|&&at| now.duration_since(at) < EARLY_WINDOW).count()
    }

    /// How many refreshes may still be forced today.
    pub fn forced_left(&self, now: Instant) -> usize {
        FORCED_A_DAY - self.forced.iter().filter(|&&at| now.duration_since(at) < DAY).count().min(FORCED_A_DAY)
    }

    /// Notes one more.
    pub(super) fn count_early_death(&mut self, now: Instant) {
        if self.early_deaths.len() >= EARLY_DEATHS {
            self.early_deaths.remove(0);
        }
        self.early_deaths.push(now);
    }
}

/// Why a request gets no token.
#[derive(Debug, Clone)]
pub enum Unavailable {
    /// The last fetch failed so, and the next one is not due yet.
    Failed(Arc<Failure>),
    /// The fetch under way took longer than the request may wait; with what went wrong before it, if anything did.
    TimedOut(Option<Arc<Failure>>),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => write!(f, "{failure}"),
            Self::TimedOut(Some(failure)) => write!(f, "WeChat is being asked; before that, {failure}"),
            Self::TimedOut(None) => f.write_str("WeChat is being asked for one; send the request again in a moment"),
        }
    }
}

/// Where an account's [`Snapshot`] lives.
#[derive(Debug, Default)]
pub struct Slot {
    snapshot: ArcSwap<Snapshot>,
    changed: Notify,
    fetches: FetchCounts,
}

impl Slot {
    /// The snapshot of this moment.
    pub fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What became of the account's fetches.
    pub fn fetches(&self) -> &FetchCounts {
        &self.fetches
    }

    /// Puts a new snapshot in place and wakes who waits. Only the account's refresher calls this.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.changed.notify_waiters();
    }

    /// A usable token newer than `generation`.
    pub(crate) fn newer_than(&self, generation: u64) -> Option<Arc<Token>> {
        let snapshot = self.snapshot.load();
        snapshot.usable(Instant::now()).filter(|token| token.generation > generation).cloned()
    }

    /// See [`super::TokenHandle::usable`].
    pub(crate) async fn usable(&self, wait: Duration) -> Result<Arc<Token>, Unavailable> {
        if let Some(token) = self.snapshot.load().usable(Instant::now()) {
            return Ok(Arc::clone(token));
        }
        match tokio::time::timeout(wait, self.wait_for_token()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Unavailable::TimedOut(self.load().failure.clone())),
        }
    }

    async fn wait_for_token(&self) -> Result<Arc<Token>, Unavailable> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable(); // before the look, so that no change falls between the two
            let snapshot = self.load();
            if let Some(token) = snapshot.usable(Instant::now()) {
                return Ok(Arc::clone(token));
            }
            if let Some(failure) = snapshot.failure.as_ref().filter(|_| !snapshot.fetching) {
                return Err(Unavailable::Failed(Arc::clone(failure)));
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ExposeSecret;

    fn token(generation: u64, life: Duration) -> Arc<Token> {
        let now = Instant::now();
        Arc::new(Token::new("92_secret/+".into(), generation, Fetch::Stable, now, now + life))
    }

    const WAIT: Duration = Duration::from_secs(8);

    #[tokio::test(start_paused = true)]
    async fn a_live_token_is_there_at_once_and_an_expired_one_is_not() {
        let slot = Slot::default();
        slot.publish(Snapshot { token: Some(token(1, Duration::from_secs(5))), ..Snapshot::default() });
        assert_eq!(slot.usable(WAIT).await.unwrap().generation(), 1);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(matches!(slot.usable(WAIT).await, Err(Unavailable::TimedOut(None))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_gets_the_token_that_the_fetch_under_way_brings() {
        let slot = Arc::new(Slot::default());
        slot.publish(Snapshot { fetching: true, ..Snapshot::default() });
        let waiter = tokio::spawn({
            let slot = Arc::clone(&slot);
            async move { slot.usable(WAIT).await }
        });
        tokio::task::yield_now().await;
        slot.publish(Snapshot { token: Some(token(1, WAIT)), ..Snapshot::default() });
        assert_eq!(waiter.await.unwrap().unwrap().generation(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_remembered_failure_is_told_at_once() {
        let slot = Slot::default();
        let failure = Arc::new(Failure::unreachable("refused"));
        slot.publish(Snapshot { failure: Some(failure), ..Snapshot::default() });
        let before = Instant::now();
        assert!(matches!(slot.usable(WAIT).await, Err(Unavailable::Failed(_))));
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[test]
    fn the_token_is_percent_encoded_for_the_query_and_absent_from_debug_output() {
        let now = Instant::now();
        let token = Token::new("92_secret/+".into(), 1, Fetch::Stable, now, now);
        assert_eq!(token.in_query().expose_secret(), "92_secret%2F%2B");
        assert!(!format!("{token:?}").contains("secret"));
    }
}
