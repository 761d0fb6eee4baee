//! One task an account, which does all of its fetching: by the timer, or because WeChat refused a token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::budget::Budget;
use super::failure::Failure;
use super::issuer::{Fetch, Issuer};
use super::orders::Inbox;
use super::record::{Brought, Fetched, Reason};
use super::schedule;
use super::settings::Settings;
use super::slot::{Slot, Snapshot, Token};
use super::spent::Spent;
use super::standing::Standing;
use super::store::Store;
use super::{Demand, Rejection, Remedy, TokenHandle};
use crate::config::TokenKind;

/// The least time between two fetches by the timer, however short a life WeChat states.
const TIMER_APART: Duration = Duration::from_secs(1);
/// A failure that stays the same is logged again after this long.
const REPEAT_LOG: Duration = Duration::from_secs(300);

/// The task that owns an account's token. Dropping every [`TokenHandle`] ends it, and so does dropping its
/// [`Orders`](super::Orders).
#[derive(Debug)]
pub struct Refresher<I> {
    pub(super) settings: Settings,
    pub(super) issuer: I,
    pub(super) store: Box<dyn Store>,
    pub(super) standing: Standing,
    pub(super) slot: Arc<Slot>,
    rejections: mpsc::UnboundedReceiver<Rejection>,
    pub(super) inbox: Inbox<I>,
    /// Nothing is fetched ahead of time any more.
    pub(super) resting: bool,
    demands: mpsc::UnboundedReceiver<Demand>,
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

/// Why a fetch brought nothing.
pub(super) enum NotFetched {
    Failed(Arc<Failure>),
    Spent(Spent),
    /// Another is fetching, and there is no hurry.
    NotNow,
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
    pub fn new(settings: Settings, issuer: I, store: Box<dyn Store>) -> (Self, TokenHandle) {
        let slot = Arc::new(Slot::default());
        let (sender, rejections) = mpsc::unbounded_channel();
        let (demanding, demands) = mpsc::unbounded_channel();
        let handle = TokenHandle { slot: Arc::clone(&slot), rejections: sender, demands: demanding };
        let now = Instant::now();
        // From the first moment, so that a request which comes before the first fetch waits for it.
        let snapshot = Snapshot { fetching: true, ..Snapshot::default() };
        slot.publish(snapshot.clone());
        let refresher = Self {
            settings,
            issuer,
            standing: Standing::new(store.look_every(), now),
            store,
            slot,
            rejections,
            inbox: Inbox::of_nobody(),
            resting: false,
            demands,
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

    /// Keeps the token fresh until every handle, or who gives orders, is gone.
    pub async fn run(mut self) {
        self.load().await;
        loop {
            let due = self.due();
            tokio::select! {
                rejection = self.rejections.recv() => match rejection {
                    Some(rejection) => self.answer(rejection).await,
                    None => return,
                },
                order = self.inbox.next() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                Some(demand) = self.demands.recv() => self.meet(demand).await,
                () = sleep_until(due) => {
                    // Its outcome stands in the slot; nobody waits for it here.
                    let _ = self.fetch(self.first_choice(), Reason::Timer).await;
                }
                () = sleep_until_some(self.standing.next_look) => self.look().await,
            }
        }
    }

    /// When the timer fetches. Who rests does so only when requests in flight have nothing left to be sent with.
    fn due(&self) -> Instant {
        match &self.snapshot.token {
            Some(token) if self.resting => self.next.max(token.expires_at()),
            _ => self.next,
        }
    }

    /// The endpoint that is asked before any other.
    pub(super) fn first_choice(&self) -> Fetch {
        match self.settings.kind {
            TokenKind::Classic => Fetch::Classic,
            TokenKind::Stable | TokenKind::Auto => Fetch::Stable,
        }
    }

    /// Puts a token into the slot, and its replacement on the timer. `life` is its whole life, or what is known of it.
    pub(super) fn put_in_force(&mut self, token: Arc<Token>, life: Duration) {
        self.failures = 0;
        self.failure_logged = None;
        let margin = schedule::margin(self.settings.margin, token.minted_by(), life, self.spread);
        let due = token.expires_at().checked_sub(margin).unwrap_or(token.expires_at());
        self.next = due.max(Instant::now() + TIMER_APART);
        self.snapshot =
            Snapshot { token: Some(token), started: true, fetching: false, failure: None, ..self.snapshot.clone() };
        self.publish();
    }

    /// Another is fetching, or may be: the timer tries again, at the latest when the token in use ends.
    pub(super) fn put_off(&mut self) {
        let again = Instant::now() + TIMER_APART;
        self.next = self.snapshot.token.as_ref().map_or(again, |token| token.expires_at().min(again));
    }

    pub(super) fn pause_after(&mut self, fetch: Fetch, failure: &Failure) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let pause = schedule::backoff(failure.fault, fetch, self.failures, fastrand::f64());
        self.log_failure(fetch, failure, pause);
        pause
    }

    pub(super) fn log_failure(&mut self, fetch: Fetch, failure: &Failure, pause: Duration) {
        let now = Instant::now();
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
    }

    /// Keeps a failure for those who wait, until `pause` has passed. The token in use stays.
    pub(super) fn remember(&mut self, failure: Failure, pause: Duration) -> Arc<Failure> {
        self.next = Instant::now() + pause;
        self.snapshot.started = true;
        self.snapshot.fetching = false;
        let failure = Arc::new(failure);
        self.snapshot.failure = Some(Arc::clone(&failure));
        self.publish();
        failure
    }

    /// Keeps what came of a question to the issuer, for those who only look.
    pub(super) fn record(&mut self, endpoint: Fetch, reason: Reason, brought: Brought) {
        let fetched = Fetched { at: SystemTime::now(), reason, endpoint, brought };
        self.slot.fetches().count(&fetched);
        self.snapshot.last = Some(fetched);
    }

    pub(super) fn publish(&self) {
        let (next, forced) = (Some(self.next), self.budget.forced());
        self.slot.publish(Snapshot { next, forced, ..self.snapshot.clone() });
    }
}

/// Waits until then; for ever where there is no such time.
async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
