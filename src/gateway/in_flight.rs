//! How many requests are in flight, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::Error;

/// The count and its limit.
#[derive(Debug)]
pub struct InFlight {
    count: AtomicUsize,
    limit: usize,
}

/// One request's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<InFlight>);

impl InFlight {
    /// At most `limit` requests at once.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { count: AtomicUsize::new(0), limit })
    }

    /// # Errors
    /// [`Error::TooBusy`].
    pub(super) fn enter(self: &Arc<Self>) -> Result<Permit, Error> {
        let permit = Permit(Arc::clone(self));
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.limit { Err(Error::TooBusy) } else { Ok(permit) }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
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
    }
}
