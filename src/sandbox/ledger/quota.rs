//! How often something may happen in a window of time.

use std::time::Duration;

/// A count that starts anew with every window; windows are counted from time zero.
#[derive(Debug, Clone)]
pub(super) struct Quota {
    limit: u32,
    window: Duration,
    index: u64,
    used: u32,
}

impl Quota {
    pub(super) fn a_minute(limit: u32) -> Self {
        Self { limit, window: Duration::from_secs(60), index: 0, used: 0 }
    }

    pub(super) fn a_day(limit: u32) -> Self {
        Self { limit, window: Duration::from_secs(24 * 60 * 60), index: 0, used: 0 }
    }

    /// Takes one, if there is one left.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let index = now.as_secs() / self.window.as_secs();
        if index != self.index {
            (self.index, self.used) = (index, 0);
        }
        if self.used >= self.limit {
            return false;
        }
        self.used += 1;
        true
    }

    pub(super) fn clear(&mut self) {
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_gives_its_limit_and_the_next_one_gives_it_again() {
        let mut quota = Quota::a_minute(2);
        let at = Duration::from_secs;
        assert!(quota.take(at(0)) && quota.take(at(59)) && !quota.take(at(59)));
        assert!(quota.take(at(60)) && quota.take(at(61)) && !quota.take(at(119)));
        quota.clear();
        assert!(quota.take(at(119)));
    }
}
