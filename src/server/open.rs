//! How many connections are open, over all listeners.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OwnedSemaphorePermit;

/// The count and its limit, for those who only look.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    limit: AtomicUsize,
}

/// A connection's place: its permit, and its part of the count. Both come free when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Connections,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    /// How many there are, and how many there may be.
    pub fn level(&self) -> (u64, Option<u64>) {
        let Counts { open, limit } = &*self.0;
        (open.load(Ordering::Relaxed) as u64, Some(limit.load(Ordering::Relaxed) as u64))
    }

    pub(super) fn limit(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }

    /// One more.
    pub(super) fn enter(&self, permit: OwnedSemaphorePermit) -> Place {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Place { connections: self.clone(), _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's share of its worker's load, which the queue to it has added; given back however the
/// connection ends.
pub(super) struct Share(Arc<AtomicUsize>);

impl Share {
    pub(super) fn of(load: &Arc<AtomicUsize>) -> Self {
        Self(Arc::clone(load))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
