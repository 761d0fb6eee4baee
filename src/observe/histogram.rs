//! Latencies, counted by range. prometheus-client's own histogram takes a lock at each observation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper ends of the ranges, in seconds. WeChat answers most calls within 30 to 300 ms, and some pictures within 50 s.
pub const BOUNDS: [f64; 17] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// The same in microseconds.
const MICROSECONDS: [u64; BOUNDS.len()] = [
    1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 300_000, 500_000, 750_000, 1_000_000, 2_000_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Counters that one worker writes.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    ranges: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

/// What histograms held at one moment, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latencies {
    /// How many fell into each range of [`BOUNDS`], and last, beyond.
    pub ranges: [u64; BOUNDS.len() + 1],
    /// All of them together.
    pub microseconds: u64,
}

impl Histogram {
    pub(super) fn add(&self, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let range = MICROSECONDS.iter().position(|&bound| microseconds <= bound).unwrap_or(BOUNDS.len());
        self.ranges[range].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }
}

impl Latencies {
    pub(super) fn take_in(&mut self, histogram: &Histogram) {
        for (sum, range) in self.ranges.iter_mut().zip(&histogram.ranges) {
            *sum += range.load(Ordering::Relaxed);
        }
        self.microseconds += histogram.microseconds.load(Ordering::Relaxed);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, range) in self.ranges.iter_mut().zip(other.ranges) {
            *sum += range;
        }
        self.microseconds += other.microseconds;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.ranges.iter().sum()
    }

    /// What came since `earlier`, which was taken of the same.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            ranges: std::array::from_fn(|range| self.ranges[range].saturating_sub(earlier.ranges[range])),
            microseconds: self.microseconds.saturating_sub(earlier.microseconds),
        }
    }

    /// The latency that a share (0 … 1) of them did not exceed, as far as the ranges tell: between the ends of its range,
    /// latencies count as spread evenly. `None` where there were none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = share.clamp(0.0, 1.0) * count as f64;
        let (mut below, mut start) = (0.0, 0.0);
        for (&in_range, &end) in self.ranges.iter().zip(&BOUNDS) {
            let in_range = in_range as f64;
            if below + in_range >= rank && in_range > 0.0 {
                return Some(Duration::from_secs_f64(start + (end - start) * ((rank - below) / in_range)));
            }
            (below, start) = (below + in_range, end);
        }
        Some(Duration::from_secs_f64(start)) // beyond the last end, nothing more is known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(milliseconds: impl IntoIterator<Item = u64>) -> Latencies {
        let (histogram, mut latencies) = (Histogram::default(), Latencies::default());
        milliseconds.into_iter().for_each(|ms| histogram.add(Duration::from_millis(ms)));
        latencies.take_in(&histogram);
        latencies
    }

    #[test]
    fn the_two_lists_of_bounds_are_one() {
        assert!(BOUNDS.iter().zip(MICROSECONDS).all(|(&seconds, us)| (seconds * 1e6) as u64 == us));
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn a_latency_counts_in_the_range_whose_end_it_does_not_exceed() {
        let counted = latencies([0, 1, 2, 60_000, 60_001, 1_000_000]);
        assert_eq!((counted.ranges[0], counted.ranges[1], counted.ranges[16], counted.ranges[17]), (2, 1, 1, 2));
        assert_eq!((counted.count(), counted.microseconds), (6, 1_120_004_000));
    }

    #[test]
    fn quantiles_are_as_exact_as_the_ranges() {
        assert_eq!(latencies([]).quantile(0.5), None);
        let spread = latencies((0..100).map(|n| if n < 90 { 40 } else { 900 }));
        assert!((0.02..=0.05).contains(&spread.quantile(0.5).unwrap().as_secs_f64()));
        assert!((0.75..=1.0).contains(&spread.quantile(0.99).unwrap().as_secs_f64()));
        assert_eq!(latencies([90_000]).quantile(0.5), Some(Duration::from_secs(60)));
        let later = latencies([40, 40]);
        assert_eq!(later.since(&latencies([40])).count(), 1);
    }
}
