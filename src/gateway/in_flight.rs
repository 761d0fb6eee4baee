//! How many requests are in flight, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::Error;

/// The count and its limit.
#[derive(Debug, Clone)]
pub struct InFlight {
    count: Arc<AtomicUsize>,
    limit: usize,
}

/// One request's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<AtomicUsize>);

impl InFlight {
    /// At most `limit` requests at once.
    pub fn new(limit: usize) -> Self {
        Self { count: Arc::default(), limit }
    }

    /// The same count under another limit.
    #[must_use]
    pub fn with_limit(&self, limit: usize) -> Self {
        Self { count: Arc::clone(&self.count), limit }
    }

    /// How many there are, and how many there may be.
    pub fn level(&self) -> (u64, Option<u64>) {
        (self.count.load(Ordering::Relaxed) as u64, Some(self.limit as u64))
    }

    /// # Errors
    /// [`Error::TooBusy`].
    pub(super) fn enter(&self) -> Result<Permit, Error> {
        let permit = Permit(Arc::clone(&self.count));
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.limit { Err(Error::TooBusy) } else { Ok(permit) }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_come_free_again() {
        let in_flight = InFlight::new(2);
        let first = in_flight.enter().unwrap();
        let _second = in_flight.enter().unwrap();
        assert!(matches!(in_flight.enter(), Err(Error::TooBusy)));
        assert!(matches!(in_flight.enter(), Err(Error::TooBusy)), "a refusal takes no place");
        drop(first);
        assert!(in_flight.enter().is_ok());
        let narrower = in_flight.with_limit(1);
        assert!(matches!(narrower.enter(), Err(Error::TooBusy)), "those under the old limit count");
        assert!(in_flight.with_limit(3).enter().is_ok());
    }
}
