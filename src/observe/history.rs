//! The last quarter of an hour: rates and latencies every few seconds, and what happened lately.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Observations;
use super::histogram::Latencies;
use super::lately::{Endpoint, FAILURES, Failure, Lately};
use super::tally::Totals;
use crate::wechat::ErrcodeClass;

/// From one sample to the next.
pub const RESOLUTION: Duration = Duration::from_secs(5);
/// How many samples there are: a quarter of an hour.
pub const SAMPLES: usize = 180;
/// What happened lately is kept by the minute …
const MINUTE: Duration = Duration::from_secs(60);
/// … for a quarter of an hour.
const MINUTES: usize = 15;
/// How many endpoints a minute keeps: the busiest.
const ENDPOINTS: usize = 64;

/// What came in between two samples, over all accounts.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// How many requests.
    pub requests: u64,
    /// Those of them that went wrong.
    pub failed: u64,
    /// From head to end.
    pub whole: Latencies,
    /// WeChat's part.
    pub upstream: Latencies,
    /// How often WeChat answered with an errcode of each class, in the order of [`ErrcodeClass::ALL`].
    pub errcodes: [u64; ErrcodeClass::ALL.len()],
}

/// The last quarter of an hour.
#[derive(Debug)]
pub struct History {
    observations: Arc<Observations>,
    samples: VecDeque<Sample>,
    /// What the counters said at the last sample.
    counted: Sample,
    /// The latest last.
    minutes: VecDeque<(Instant, Minute)>,
    failures: VecDeque<Failure>,
}

/// What happened in a minute.
#[derive(Debug, Default)]
struct Minute {
    endpoints: HashMap<Box<str>, Endpoint>,
    errcodes: HashMap<i64, u64>,
}

impl History {
    /// Of what is seen from now on.
    pub fn new(observations: Arc<Observations>) -> Self {
        observations.take_lately(); // from now on, the workers take note
        Self {
            observations,
            samples: VecDeque::with_capacity(SAMPLES),
            counted: Sample::default(),
            minutes: VecDeque::new(),
            failures: VecDeque::new(),
        }
    }

    /// Takes one more sample; to be called every [`RESOLUTION`].
    pub fn sample(&mut self, now: Instant) {
        self.gather(now);
        let counted =
            Sample::of(&self.observations.accounts().iter().map(|account| account.totals()).collect::<Vec<_>>());
        if self.samples.len() >= SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(counted.since(&self.counted));
        self.counted = counted;
    }

    /// Takes over what the workers have noted lately.
    pub fn gather(&mut self, now: Instant) {
        while self.minutes.front().is_some_and(|(begun, _)| now.duration_since(*begun) > MINUTE * MINUTES as u32) {
            self.minutes.pop_front();
        }
        if self.minutes.back().is_none_or(|(begun, _)| now.duration_since(*begun) >= MINUTE) {
            self.minutes.push_back((now, Minute::default()));
        }
        let lately = self.observations.take_lately();
        let Some((_, minute)) = self.minutes.back_mut() else { return };
        for noted in lately {
            minute.take_in(&noted);
            self.failures.extend(noted.failures);
        }
        minute.keep_the_busiest();
        self.failures.make_contiguous().sort_by_key(|failure| failure.at);
        self.failures.drain(..self.failures.len().saturating_sub(FAILURES));
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = &Sample> {
        self.samples.iter()
    }

    /// The busiest endpoints of the last quarter of an hour, at most `count`.
    pub fn endpoints(&self, count: usize) -> Vec<(&str, Endpoint)> {
        let mut sums: HashMap<&str, Endpoint> = HashMap::new();
        for (path, endpoint) in self.minutes.iter().flat_map(|(_, minute)| &minute.endpoints) {
            sums.entry(path).or_default().take_in(endpoint);
        }
        let mut busiest: Vec<_> = sums.into_iter().collect();
        busiest.sort_by(|(one, a), (other, b)| b.requests.cmp(&a.requests).then(one.cmp(other)));
        busiest.truncate(count);
        busiest
    }

    /// The errcodes of the last quarter of an hour, the most frequent first; `None` for those beyond count.
    pub fn errcodes(&self) -> Vec<(Option<i64>, u64)> {
        let mut sums: HashMap<i64, u64> = HashMap::new();
        for (&errcode, count) in self.minutes.iter().flat_map(|(_, minute)| &minute.errcodes) {
            *sums.entry(errcode).or_default() += count;
        }
        let mut errcodes: Vec<_> =
            sums.into_iter().map(|(errcode, count)| (Some(errcode).filter(|&e| e != i64::MAX), count)).collect();
        errcodes.sort_by(|(one, a), (other, b)| b.cmp(a).then(one.cmp(other)));
        errcodes
    }

    /// The last failures, the latest first.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().rev()
    }
}

impl Minute {
    fn take_in(&mut self, noted: &Lately) {
        for (path, endpoint) in &noted.endpoints {
            self.endpoints.entry(path.clone()).or_default().take_in(endpoint);
        }
        for (&errcode, count) in &noted.errcodes {
            *self.errcodes.entry(errcode).or_default() += count;
        }
    }

    fn keep_the_busiest(&mut self) {
        if self.endpoints.len() > ENDPOINTS {
            let mut requests: Vec<u64> = self.endpoints.values().map(|endpoint| endpoint.requests).collect();
            requests.sort_unstable_by(|a, b| b.cmp(a));
            let least = requests[ENDPOINTS - 1];
            let mut kept = 0;
            // Those that are as busy as the last one kept are taken until the places are full.
            self.endpoints.retain(|_, endpoint| {
                let keep = endpoint.requests >= least && kept < ENDPOINTS;
                kept += usize::from(keep);
                keep
            });
        }
        // Few in truth; an upstream that makes them up must not fill the memory.
        if self.errcodes.len() > 2 * ENDPOINTS {
            let others: u64 = self.errcodes.values().sum();
            self.errcodes = HashMap::from([(i64::MAX, others)]);
        }
    }
}

impl Sample {
    fn of(accounts: &[Totals]) -> Self {
        let mut sample = Self::default();
        for totals in accounts {
            for (outcome, count) in &totals.outcomes {
                sample.requests += count;
                sample.failed += if outcome.has_failed() { *count } else { 0 };
                if let Some(class) = outcome.errcode_class() {
                    sample.errcodes[class as usize] += count;
                }
            }
            sample.whole.add(&totals.whole);
            sample.upstream.add(&totals.upstream);
        }
        sample
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            failed: self.failed.saturating_sub(earlier.failed),
            whole: self.whole.since(&earlier.whole),
            upstream: self.upstream.since(&earlier.upstream),
            errcodes: std::array::from_fn(|class| self.errcodes[class].saturating_sub(earlier.errcodes[class])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Seen;
    use crate::observe::seen::test_seen;

    fn history() -> (Arc<Observations>, History) {
        let observations = Observations::new(2);
        let history = History::new(Arc::clone(&observations));
        (observations, history)
    }

    #[test]
    fn a_sample_is_what_came_since_the_one_before_from_all_workers_and_accounts() {
        let (observations, mut history) = history();
        let (one, other) = (observations.observer(), observations.observer());
        let now = Instant::now();
        one.note(None, &test_seen());
        history.sample(now);
        one.note(Some(&observations.account("main")), &Seen { errcode: Some(45009), ..test_seen() });
        other.note(Some(&observations.account("shop")), &test_seen());
        history.sample(now + RESOLUTION);
        let samples: Vec<_> = history.samples().map(|sample| (sample.requests, sample.failed)).collect();
        assert_eq!(samples, [(1, 0), (2, 1)]);
        let last = history.samples().last().unwrap();
        assert_eq!((last.errcodes[ErrcodeClass::Limit as usize], last.whole.count()), (1, 2));
    }

    #[test]
    fn samples_endpoints_and_failures_are_bounded_and_old_ones_go() {
        let (observations, mut history) = history();
        let observer = observations.observer();
        let start = Instant::now();
        for n in 0..400_u32 {
            let path = format!("/p/{n}");
            observer.note(None, &Seen { path: &path, errcode: Some(i64::from(n) + 1), ..test_seen() });
            history.sample(start + RESOLUTION * n);
        }
        assert_eq!(history.samples().len(), SAMPLES);
        assert_eq!(history.endpoints(20).len(), 20);
        assert_eq!(history.failures().count(), FAILURES);
        assert_eq!(history.failures().next().unwrap().path, "/p/399", "the latest first");
        let kept = history.endpoints(1000);
        assert!(
            kept.iter().all(|(path, _)| path.strip_prefix("/p/").unwrap().parse::<u32>().unwrap() >= 200),
            "{kept:?}"
        );
        history.gather(start + RESOLUTION * 400 + MINUTE * 16);
        assert!(history.endpoints(1).is_empty() && history.errcodes().is_empty());
    }

    #[test]
    fn the_busiest_endpoint_and_the_most_frequent_errcode_come_first() {
        let (observations, mut history) = history();
        let observer = observations.observer();
        for (path, errcode) in [("/a", 1), ("/b", 2), ("/b", 2)] {
            observer.note(None, &Seen { path, errcode: Some(errcode), ..test_seen() });
        }
        history.gather(Instant::now());
        let paths: Vec<_> =
            history.endpoints(5).into_iter().map(|(path, seen)| (path, seen.requests, seen.failed)).collect();
        assert_eq!(paths, [("/b", 2, 2), ("/a", 1, 1)]);
        assert_eq!(history.errcodes(), [(Some(2), 2), (Some(1), 1)]);
    }
}
