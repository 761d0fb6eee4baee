//! A store that replicas share, on tokio's clock, with troubles on demand.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wxgate::token::{Answer, Claim, Failure, LEASE, Published, Store, StoreError, Stored};

/// The store; clones are the same one.
#[derive(Debug, Clone)]
pub struct Shared {
    began: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<(Stored, Instant)>,
    claim: Option<(u64, Instant)>,
    failed: Option<(Failure, Instant)>,
    /// The greatest so far: the store's clock, which it does not forget, sees to that.
    fence: u64,
    away_since: Option<Duration>,
    /// The fences of the tokens that came into force.
    published: Vec<u64>,
    /// When the store did not do its work: it was away, or forgot who had the claim.
    troubles: Vec<(Duration, Duration)>,
}

impl Shared {
    pub fn new() -> Self {
        Self { began: Instant::now(), state: Arc::default() }
    }

    /// From now on it cannot be reached, or can again.
    pub fn set_away(&self, away: bool) {
        let now = self.began.elapsed();
        let mut state = self.lock();
        match (away, state.away_since) {
            (true, None) => state.away_since = Some(now),
            (false, Some(since)) => {
                state.away_since = None;
                state.troubles.push((since, now));
            }
            _ => {}
        }
    }

    /// The lease of the present claim ends.
    pub fn lose_claim(&self) {
        let now = self.began.elapsed();
        let mut state = self.lock();
        if state.claim.take().is_some() {
            state.troubles.push((now, now));
        }
    }

    /// It has lost everything.
    pub fn forget(&self) {
        self.lose_claim();
        let mut state = self.lock();
        (state.token, state.failed) = (None, None);
        state.published.clear();
    }

    /// The fences of the tokens that came into force since it last forgot everything, in their order.
    pub fn published(&self) -> Vec<u64> {
        self.lock().published.clone()
    }

    /// Whether it did its work all the time between the two.
    pub fn was_well(&self, from: Duration, to: Duration) -> bool {
        let state = self.lock();
        let mut troubles = state.troubles.clone();
        troubles.extend(state.away_since.map(|since| (since, Duration::MAX)));
        !troubles.iter().any(|(began, ended)| *began <= to && *ended >= from)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What `work` does, unless the store is away.
    fn answer<'a, T: Send + 'a>(&'a self, work: impl FnOnce(&mut State) -> T + Send + 'a) -> Answer<'a, T> {
        Box::pin(async move {
            sleep(Duration::from_millis(1)).await;
            if self.lock().away_since.is_some() {
                sleep(Duration::from_millis(100)).await;
                return Err(StoreError::Unreachable { place: "the store".to_owned(), cause: "away".to_owned() });
            }
            Ok(work(&mut self.lock()))
        })
    }
}

impl State {
    /// As it ages; `None` once it has ended.
    fn token(&self) -> Option<Stored> {
        let (stored, at) = self.token.clone()?;
        let left = stored.left.saturating_sub(at.elapsed());
        (!left.is_zero()).then(|| Stored { age: stored.age + at.elapsed(), left, ..stored })
    }

    fn claim(&mut self, known: u64) -> Claim {
        let now = Instant::now();
        if let Some(newer) = self.token().filter(|stored| stored.fence > known) {
            return Claim::Newer(newer);
        }
        if let Some((failure, until)) = self.failed.clone().filter(|(_, until)| *until > now) {
            return Claim::Failed(failure, until - now);
        }
        if self.claim.is_some_and(|(_, until)| until > now) {
            return Claim::Held;
        }
        self.fence = self.fence.max(known).max(self.token().map_or(0, |stored| stored.fence)) + 1;
        self.claim = Some((self.fence, now + LEASE));
        Claim::Granted(self.fence)
    }

    fn end_claim(&mut self, fence: u64) -> bool {
        let ours = self.claim.is_some_and(|(held, until)| held == fence && until > Instant::now());
        self.claim = self.claim.filter(|_| !ours);
        ours
    }

    fn publish(&mut self, token: Stored) -> Published {
        self.end_claim(token.fence);
        if let Some(newer) = self.token().filter(|stored| stored.fence > token.fence) {
            return Published::Superseded(newer);
        }
        self.published.push(token.fence);
        self.token = Some((token, Instant::now()));
        Published::InForce
    }
}

impl Store for Shared {
    fn read(&self) -> Answer<'_, Option<Stored>> {
        self.answer(|state| state.token())
    }

    fn publish<'a>(&'a self, token: &'a Stored) -> Answer<'a, Published> {
        self.answer(|state| state.publish(token.clone()))
    }

    fn claim(&self, known: u64) -> Answer<'_, Claim> {
        self.answer(move |state| state.claim(known))
    }

    fn renew(&self, fence: u64) -> Answer<'_, ()> {
        self.answer(move |state| {
            if let Some((held, until)) = &mut state.claim
                && *held == fence
                && *until > Instant::now()
            {
                *until = Instant::now() + LEASE;
            }
        })
    }

    fn release<'a>(&'a self, fence: u64, failed: Option<(&'a Failure, Duration)>) -> Answer<'a, ()> {
        self.answer(move |state| {
            if state.end_claim(fence) {
                state.failed = failed.map(|(failure, pause)| (failure.clone(), Instant::now() + pause));
            }
        })
    }

    fn look_every(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }
}
