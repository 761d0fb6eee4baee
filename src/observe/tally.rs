//! What one account's requests came to, counted by each worker in a place of its own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::{Histogram, Latencies};
use super::outcome::Outcome;
use super::seen::{End, Seen};

/// How many different outcomes have a place of their own. An account sees about ten; the rest is counted together.
const PLACES: usize = 48;

/// What is seen of an account.
#[derive(Debug)]
pub struct AccountSeen {
    name: String,
    /// Made when a worker sees the account first: many accounts on many workers would take much memory for nothing.
    tallies: Box<[OnceLock<Box<Tally>>]>,
}

/// One worker's share of it, on cache lines that no other worker writes.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Tally {
    /// Filled from the front and never emptied, so the most frequent outcomes are found first.
    outcomes: [Place; PLACES],
    /// What found no place.
    others: AtomicU64,
    whole: Histogram,
    upstream: Histogram,
    /// Answers that the caller did not wait for, and those that WeChat did not end.
    left: AtomicU64,
    broke_off: AtomicU64,
}

/// An [`Outcome`]'s key (0 for none yet), and how often it was seen.
#[derive(Debug, Default)]
struct Place {
    key: AtomicU32,
    count: AtomicU64,
}

/// What an account's requests came to, over all workers.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// How often each outcome was seen.
    pub outcomes: Vec<(Outcome, u64)>,
    /// From the request's head to its answer's last byte.
    pub whole: Latencies,
    /// WeChat's part of it, of those that were sent to WeChat.
    pub upstream: Latencies,
    /// Requests whose caller left before their answer's last byte had gone.
    pub left: u64,
    /// Answers that WeChat broke off.
    pub broke_off: u64,
}

impl AccountSeen {
    pub(super) fn new(name: &str, workers: usize) -> Self {
        Self { name: name.to_owned(), tallies: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    /// The account's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The share of the worker of this number, which is below the number of workers.
    pub(super) fn tally(&self, worker: usize) -> &Tally {
        self.tallies[worker].get_or_init(Box::default)
    }

    /// All workers' shares together.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.tallies.iter().filter_map(OnceLock::get).for_each(|tally| tally.add_to(&mut totals));
        totals
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            outcomes: std::array::from_fn(|_| Place::default()),
            others: AtomicU64::default(),
            whole: Histogram::default(),
            upstream: Histogram::default(),
            left: AtomicU64::default(),
            broke_off: AtomicU64::default(),
        }
    }
}

impl Tally {
    pub(super) fn add(&self, seen: &Seen<'_>) {
        self.count(Outcome::of(seen.class, seen.status, seen.errcode, seen.error.map(|own| own.number)));
        self.whole.add(seen.whole);
        if seen.upstream > Duration::ZERO {
            self.upstream.add(seen.upstream);
        }
        match seen.end {
            End::Whole => {}
            End::CallerLeft => _ = self.left.fetch_add(1, Ordering::Relaxed),
            End::BrokeOff => _ = self.broke_off.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn count(&self, outcome: Outcome) {
        let key = outcome.key();
        for place in &self.outcomes {
            let found = place.key.load(Ordering::Relaxed);
            // An empty place is taken by an exchange, so that nothing is lost where workers share after all.
            if found == key || (found == 0 && take(&place.key, key)) {
                place.count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.others.fetch_add(1, Ordering::Relaxed);
    }

    fn add_to(&self, totals: &mut Totals) {
        let places = self.outcomes.iter().map(|place| (place.key.load(Ordering::Relaxed), &place.count));
        let others = std::iter::once((Outcome::OTHER.key(), &self.others));
        for (key, count) in places.chain(others) {
            let (outcome, count) = (Outcome::of_key(key), count.load(Ordering::Relaxed));
            match totals.outcomes.iter_mut().find(|(known, _)| *known == outcome) {
                _ if key == 0 || count == 0 => {}
                Some((_, sum)) => *sum += count,
                None => totals.outcomes.push((outcome, count)),
            }
        }
        totals.whole.take_in(&self.whole);
        totals.upstream.take_in(&self.upstream);
        totals.left += self.left.load(Ordering::Relaxed);
        totals.broke_off += self.broke_off.load(Ordering::Relaxed);
    }
}

/// Whether the place is for `key` now.
fn take(place: &AtomicU32, key: u32) -> bool {
    match place.compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => true,
        Err(taken) => taken == key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Class;

    fn sum(totals: &Totals) -> u64 {
        totals.outcomes.iter().map(|(_, count)| count).sum()
    }

    #[test]
    fn workers_are_added_up() {
        let account = AccountSeen::new("main", 2);
        let fine = Outcome::of(Class::Token, Some(200), Some(0), None);
        account.tally(0).count(fine);
        account.tally(1).count(fine);
        account.tally(1).count(Outcome::of(Class::Token, Some(200), Some(40001), None));
        let totals = account.totals();
        assert_eq!(totals.outcomes.iter().find(|(outcome, _)| *outcome == fine).unwrap().1, 2);
        assert_eq!(sum(&totals), 3);
    }

    #[test]
    fn an_upstream_with_a_status_of_its_own_for_each_request_takes_no_more_memory_and_loses_no_count() {
        let account = AccountSeen::new("main", 1);
        for status in 100..1000 {
            account.tally(0).count(Outcome::of(Class::Token, Some(status), None, None));
        }
        let totals = account.totals();
        assert_eq!((totals.outcomes.len(), sum(&totals)), (PLACES + 1, 900));
    }
}
