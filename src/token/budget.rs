//! How many fetches rejections may ask for: pure rules of architecture.md §4.
//!
//! A fight with another system, or an upstream that refuses everything, must not burn the
//! account's quota. Fetches by the timer are not counted here.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::issuer::Fetch;
use super::slot::Token;
use super::spent::{DAY, FORCED_A_DAY, Spent};

/// How long a token that WeChat never accepted is kept before a rejection replaces it; doubling from one such token to the next.
const FIRST_TRIAL: Duration = Duration::from_secs(10);
/// Where the doubling ends: a token lives two hours, and an operator who has mended something should not wait long.
const LONGEST_TRIAL: Duration = Duration::from_secs(640);
/// Refreshes by force come at least this far apart (wechat.md §1).
const FORCED_APART: Duration = Duration::from_secs(30);

/// What rejections may still fetch.
#[derive(Debug)]
pub(crate) struct Budget {
    classic: Bucket,
    stable: Bucket,
    forced: VecDeque<Instant>,
    trial: Duration,
}

impl Budget {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            classic: Bucket::new(20, Duration::from_secs(60), now),
            stable: Bucket::new(60, Duration::from_secs(1), now),
            forced: VecDeque::with_capacity(FORCED_A_DAY),
            trial: FIRST_TRIAL,
        }
    }

    /// Whether `token`, which was just rejected, may be replaced at `now`.
    pub(crate) fn may_replace(&mut self, token: &Token, now: Instant) -> Result<(), Spent> {
        if token.was_accepted() {
            self.trial = FIRST_TRIAL;
            return Ok(());
        }
        if now < token.fetched_at() + self.trial {
            return Err(Spent::Trial);
        }
        Ok(())
    }

    /// A token that WeChat never accepted was replaced: the next such one is kept for longer.
    pub(crate) fn replaced_on_trial(&mut self) {
        self.trial = (self.trial * 2).min(LONGEST_TRIAL);
    }

    /// Takes one fetch of this kind out of the budget.
    pub(crate) fn spend(&mut self, fetch: Fetch, now: Instant) -> Result<(), Spent> {
        match fetch {
            Fetch::Classic => self.classic.take(now).then_some(()).ok_or(Spent::Rate(fetch)),
            Fetch::Stable => self.stable.take(now).then_some(()).ok_or(Spent::Rate(fetch)),
            Fetch::Forced => self.spend_forced(now),
        }
    }

    /// When refreshes were forced, of the last day or a little longer.
    pub(crate) fn forced(&self) -> Vec<Instant> {
        self.forced.iter().copied().collect()
    }

    fn spend_forced(&mut self, now: Instant) -> Result<(), Spent> {
        while self.forced.front().is_some_and(|&first| now.duration_since(first) >= DAY) {
            self.forced.pop_front();
        }
        if self.forced.len() >= FORCED_A_DAY {
            return Err(Spent::ForcedToday);
        }
        if self.forced.back().is_some_and(|&last| now.duration_since(last) < FORCED_APART) {
            return Err(Spent::ForcedTooSoon);
        }
        self.forced.push_back(now);
        Ok(())
    }
}

/// A token bucket that fills by one each `period`.
#[derive(Debug)]
struct Bucket {
    capacity: u32,
    period: Duration,
    left: u32,
    filled_at: Instant,
}

impl Bucket {
    fn new(capacity: u32, period: Duration, now: Instant) -> Self {
        Self { capacity, period, left: capacity, filled_at: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let periods = now.duration_since(self.filled_at).as_nanos() / self.period.as_nanos();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(periods).min(self.capacity);
        // Whole periods only, so that the rest of one is not lost; a full bucket starts anew.
        self.filled_at = if self.left == self.capacity { now } else { self.filled_at + self.period * periods };
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn spent(budget: &mut Budget, fetch: Fetch, now: Instant) -> usize {
        (0..1000).take_while(|_| budget.spend(fetch, now).is_ok()).count()
    }

    #[test]
    fn classic_fetches_twenty_at_once_then_one_a_minute() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(spent(&mut budget, Fetch::Classic, start), 20);
        assert_eq!(spent(&mut budget, Fetch::Classic, start + s(59)), 0);
        assert_eq!(spent(&mut budget, Fetch::Classic, start + s(60)), 1);
        assert_eq!(spent(&mut budget, Fetch::Classic, start + s(60 + 90)), 1);
        assert_eq!(spent(&mut budget, Fetch::Classic, start + s(60 + 120)), 1, "half a period was kept");
        assert_eq!(spent(&mut budget, Fetch::Classic, start + s(100_000)), 20);
    }

    #[test]
    fn stable_fetches_sixty_a_minute() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(spent(&mut budget, Fetch::Stable, start), 60);
        assert_eq!(spent(&mut budget, Fetch::Stable, start + s(30)), 30);
    }

    #[test]
    fn forced_refreshes_keep_wechats_own_distance_and_number() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(budget.spend(Fetch::Forced, start), Ok(()));
        assert_eq!(budget.spend(Fetch::Forced, start + s(29)), Err(Spent::ForcedTooSoon));
        for n in 1..20 {
            assert_eq!(budget.spend(Fetch::Forced, start + s(30 * n)), Ok(()), "{n}");
        }
        assert_eq!(budget.spend(Fetch::Forced, start + s(86_399)), Err(Spent::ForcedToday));
        assert_eq!(budget.spend(Fetch::Forced, start + s(86_400)), Ok(()));
    }

    #[test]
    fn a_token_never_accepted_stays_ten_seconds_then_twenty_and_an_accepted_one_resets_that() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let token = |at| Token::new("t".into(), 1, Fetch::Stable, at, at + s(7200));
        let first = token(start);
        assert_eq!(budget.may_replace(&first, start + s(9)), Err(Spent::Trial));
        assert_eq!(budget.may_replace(&first, start + s(10)), Ok(()));
        budget.replaced_on_trial();
        let second = token(start + s(10));
        assert_eq!(budget.may_replace(&second, start + s(29)), Err(Spent::Trial));
        second.accept();
        assert_eq!(budget.may_replace(&second, start + s(11)), Ok(()));
        assert_eq!(budget.may_replace(&token(start), start + s(10)), Ok(()), "back to ten seconds");
    }
}
