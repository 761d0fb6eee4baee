//! Which of the upstream's origins are down, as requests and token fetches find out, and where the next one goes.
//!
//! Nothing is probed: what fails to connect, or falls silent, takes its origin down for a cool-down. Then a single request
//! tries it again, and the others follow when that one was answered.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

/// An origin that takes requests and does not answer them is tried again by one that may be repeated. Where none comes,
/// any other does after this many cool-downs: it may be lost, and one in that time is less than none coming back.
const LOSABLE_AFTER: u32 = 10;

/// The state of all origins, shared by all workers and the refreshers.
pub struct Health {
    origins: Box<[Origin]>,
    /// One bit for each origin that is down. While it is 0, nothing else is looked at.
    down: AtomicU32,
    cool_down: Duration,
    begun: Instant,
}

/// What is known of one origin.
struct Origin {
    host: String,
    /// In milliseconds after [`Health::begun`]: when a request that may be repeated tries it again, …
    due: AtomicU64,
    /// … and when any other may.
    due_for_any: AtomicU64,
    /// What went here because of the origins before it.
    took_over: Counter,
    /// Touched when it goes down or comes back, and when somebody looks.
    last: Mutex<Last>,
}

/// The last that happened to an origin.
#[derive(Default)]
struct Last {
    change: Option<SystemTime>,
    reason: Option<String>,
}

/// One origin, for those who only look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// As it stands in `Host`.
    pub host: String,
    /// Whether requests go there when its turn comes.
    pub up: bool,
    /// Since when; `None` where it has never been down.
    pub since: Option<SystemTime>,
    /// What brought it down; `None` where it is up.
    pub reason: Option<String>,
}

/// How an origin failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection: nothing can be lost by trying again.
    Unreached,
    /// It took a request and gave no answer.
    Silent,
}

/// The origins that one request may go to, one after the other.
pub struct Tries<'h> {
    health: &'h Health,
    /// One bit for each that it has been to.
    tried: u32,
    repeatable: bool,
}

/// One origin that a request goes to.
#[must_use]
pub struct Try<'h> {
    health: &'h Health,
    index: usize,
    /// It is down, so that an answer is news.
    is_trial: bool,
}

impl Health {
    /// Of origins of these hosts, 1 … 32, each with the counter of what it takes over from those before it.
    pub fn new(origins: impl IntoIterator<Item = (String, Counter)>, cool_down: Duration) -> Arc<Self> {
        let origins = origins.into_iter().map(|(host, took_over)| Origin {
            host,
            due: AtomicU64::default(),
            due_for_any: AtomicU64::default(),
            took_over,
            last: Mutex::default(),
        });
        Arc::new(Self { origins: origins.collect(), down: AtomicU32::new(0), cool_down, begun: Instant::now() })
    }

    /// Where one request goes, and then where else. `repeatable`: sending it twice does no harm.
    pub fn tries(&self, repeatable: bool) -> Tries<'_> {
        Tries { health: self, tried: 0, repeatable }
    }

    /// How each stands, in their order.
    pub fn standings(&self) -> Vec<Standing> {
        let down = self.down.load(Ordering::Relaxed);
        let standing = |(index, origin): (usize, &Origin)| {
            let last = origin.last.lock().unwrap_or_else(PoisonError::into_inner);
            let up = down & (1 << index) == 0;
            Standing { host: origin.host.clone(), up, since: last.change, reason: last.reason.clone().filter(|_| !up) }
        };
        self.origins.iter().enumerate().map(standing).collect()
    }

    /// Out of `candidates`, one bit each, the one whose turn it is.
    fn choose(&self, candidates: u32, down: u32, repeatable: bool) -> Option<usize> {
        let first = |candidates: u32| (candidates != 0).then(|| candidates.trailing_zeros() as usize);
        if down == 0 {
            return first(candidates);
        }
        // When all are down, none is passed over: a request is never refused without a try.
        let Some(up) = first(candidates & !down) else { return first(candidates) };
        let before = (0..up).filter(|index| candidates & (1 << index) != 0);
        before.into_iter().find(|&index| self.claim_trial(index, repeatable)).or(Some(up))
    }

    /// Whether this request is the one that tries the origin again. Only one is, until the next cool-down has passed.
    fn claim_trial(&self, index: usize, repeatable: bool) -> bool {
        let Some(origin) = self.origins.get(index) else { return false };
        let now = self.now();
        let due = origin.due.load(Ordering::Relaxed);
        if now < due || (!repeatable && now < origin.due_for_any.load(Ordering::Relaxed)) {
            return false;
        }
        let next = self.after(now, 1);
        origin.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn goes_down(&self, index: usize, fault: Fault, reason: &dyn fmt::Display) {
        let Some(origin) = self.origins.get(index) else { return };
        let now = self.now();
        let losable = if fault == Fault::Silent { LOSABLE_AFTER } else { 1 };
        origin.due.store(self.after(now, 1), Ordering::Relaxed);
        origin.due_for_any.store(self.after(now, losable), Ordering::Relaxed);
        let mut last = origin.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.reason = Some(reason.to_string());
        if self.down.fetch_or(1 << index, Ordering::Relaxed) & (1 << index) != 0 {
            return;
        }
        last.change = Some(SystemTime::now());
        let (host, cool_down) = (&origin.host, humantime::format_duration(self.cool_down));
        match self.origins.len() {
            1 => tracing::warn!(upstream = host, "WeChat cannot be reached: {reason}"),
            _ => {
                tracing::warn!(upstream = host, %cool_down, "an upstream is down, and others take its place: {reason}")
            }
        }
    }

    fn comes_back(&self, index: usize) {
        let Some(origin) = self.origins.get(index) else { return };
        let mut last = origin.last.lock().unwrap_or_else(PoisonError::into_inner);
        if self.down.fetch_and(!(1 << index), Ordering::Relaxed) & (1 << index) != 0 {
            last.change = Some(SystemTime::now());
            tracing::info!(upstream = origin.host, "an upstream that was down answers again");
        }
    }

    fn now(&self) -> u64 {
        milliseconds(self.begun.elapsed())
    }

    fn after(&self, now: u64, cool_downs: u32) -> u64 {
        now.saturating_add(milliseconds(self.cool_down * cool_downs))
    }
}

impl<'h> Tries<'h> {
    /// The origin to begin with.
    pub fn first(&mut self) -> Try<'h> {
        self.next().unwrap_or(Try { health: self.health, index: 0, is_trial: false })
    }

    /// The next one, if there is one that has not been tried.
    #[allow(clippy::should_implement_trait, reason = "what comes next depends on the state of the others meanwhile")]
    pub fn next(&mut self) -> Option<Try<'h>> {
        let health = self.health;
        let all = u32::MAX >> (u32::BITS - health.origins.len() as u32);
        let down = health.down.load(Ordering::Relaxed);
        let index = health.choose(all & !self.tried, down, self.repeatable)?;
        self.tried |= 1 << index;
        if index > 0
            && let Some(origin) = health.origins.get(index)
        {
            origin.took_over.inc();
        }
        Some(Try { health, index, is_trial: down & (1 << index) != 0 })
    }
}

impl Try<'_> {
    /// The origin's place in their order.
    pub fn index(&self) -> usize {
        self.index
    }

    /// An answer has come, whatever it says.
    pub fn answered(self) {
        if self.is_trial {
            self.health.comes_back(self.index);
        }
    }

    /// It has failed, for a `reason` without a URL in it.
    pub fn failed(self, fault: Fault, reason: impl fmt::Display) {
        self.health.goes_down(self.index, fault, &reason);
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("down", &self.down).finish_non_exhaustive()
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const COOL_DOWN: Duration = Duration::from_secs(30);

    fn health(origins: usize) -> Arc<Health> {
        Health::new((0..origins).map(|number| (format!("{number}.example"), Counter::default())), COOL_DOWN)
    }

    /// Where requests go that fail everywhere for this reason.
    fn fail_everywhere(health: &Health, fault: Fault) -> Vec<usize> {
        let mut tries = health.tries(true);
        let mut been = Vec::new();
        while let Some(place) = tries.next() {
            been.push(place.index());
            place.failed(fault, "refused");
        }
        been
    }

    fn first(health: &Health, repeatable: bool) -> usize {
        health.tries(repeatable).first().index()
    }

    fn fails(health: &Health, fault: Fault) {
        health.tries(true).first().failed(fault, "refused");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_go_to_the_first_that_is_up() {
        let health = health(3);
        assert_eq!(first(&health, true), 0);
        fails(&health, Fault::Unreached);
        assert_eq!(first(&health, true), 1);
        fails(&health, Fault::Unreached);
        assert_eq!(first(&health, true), 2);
        let [a, b, c] = [0, 1, 2].map(|index| health.standings()[index].clone());
        assert_eq!(([a.up, b.up, c.up], a.reason.as_deref(), c.since), ([false, false, true], Some("refused"), None));
        assert_eq!(health.origins[2].took_over.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_cool_down_one_request_tries_and_the_others_follow_its_answer() {
        let health = health(2);
        fails(&health, Fault::Unreached);
        advance(COOL_DOWN - Duration::from_millis(1)).await;
        assert_eq!(first(&health, true), 1);
        advance(Duration::from_millis(1)).await;
        let trial = health.tries(false).first();
        assert_eq!(trial.index(), 0, "any request: nothing can be lost");
        assert_eq!([first(&health, true), first(&health, true)], [1, 1], "no second one meanwhile");
        trial.answered();
        assert_eq!(first(&health, true), 0);
        let standing = &health.standings()[0];
        assert!(standing.up && standing.reason.is_none() && standing.since.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_fails_or_is_given_up_is_followed_by_another_after_another_cool_down() {
        let health = health(2);
        fails(&health, Fault::Unreached);
        for _ in 0..3 {
            advance(COOL_DOWN).await;
            let trial = health.tries(true).first();
            assert_eq!((trial.index(), first(&health, true)), (0, 1));
        }
        advance(COOL_DOWN).await;
        assert_eq!(fail_everywhere(&health, Fault::Unreached), [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_falls_silent_is_tried_again_by_a_request_that_may_be_repeated() {
        let health = health(2);
        fails(&health, Fault::Silent);
        advance(COOL_DOWN).await;
        assert_eq!(first(&health, false), 1);
        assert_eq!(first(&health, true), 0);
        advance(COOL_DOWN * (LOSABLE_AFTER - 1)).await;
        assert_eq!(first(&health, false), 0, "in the end by any");
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_down_all_are_tried_in_their_order() {
        let health = health(3);
        for _ in 0..2 {
            assert_eq!(fail_everywhere(&health, Fault::Unreached), [0, 1, 2]);
        }
        let mut tries = health.tries(false);
        let (_, second) = (tries.first(), tries.next().unwrap());
        second.answered();
        assert_eq!(first(&health, false), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_under_way_when_its_origin_went_down_does_not_bring_it_back() {
        let health = health(2);
        let earlier = health.tries(true).first();
        fails(&health, Fault::Silent);
        earlier.answered();
        assert_eq!(first(&health, true), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_only_origin_is_always_tried_and_its_state_is_known() {
        let health = health(1);
        for _ in 0..2 {
            assert_eq!(fail_everywhere(&health, Fault::Unreached), [0]);
            assert!(!health.standings()[0].up);
        }
        health.tries(true).first().answered();
        assert!(health.standings()[0].up);
    }
}
