//! The request body as something that can be sent twice.
//!
//! It is collected before anything goes upstream: WeChat answers 412 to chunked bodies (wechat.md §4), a heal sends it
//! once more, and a slow caller must hold no upstream connection. A request without a body pays nothing for it.

mod collect;
mod outgoing;
mod spool;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

pub(super) use collect::collect;
pub use outgoing::Outgoing;
use spool::Spool;

/// How much of a body is kept where, and for how long it may be silent.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one body that stay in memory.
    pub memory: usize,
    /// Bytes of one body at most.
    pub limit: u64,
    /// Where temporary files are made.
    pub directory: PathBuf,
    /// The longest silence in the middle of a body.
    pub idle: Duration,
    /// What all bodies together may take of memory; shared between the workers.
    pub budget: MemoryBudget,
}

/// A whole request body.
#[derive(Debug)]
pub(super) enum Collected {
    Empty,
    Memory(Bytes, #[expect(dead_code, reason = "held until the body goes")] Reservation),
    Spooled(Spool, MemoryBudget),
}

impl Collected {
    /// Its length in bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Memory(bytes, _) => bytes.len() as u64,
            Self::Spooled(spool, _) => spool.length(),
        }
    }

    /// A copy that goes upstream; as many as are needed can be made, and each is cheap.
    pub(super) fn outgoing(&self) -> Outgoing {
        match self {
            Self::Empty => Outgoing::empty(),
            Self::Memory(bytes, _) => Outgoing::memory(bytes.clone()),
            Self::Spooled(spool, budget) => Outgoing::spooled(spool.clone(), budget),
        }
    }
}

/// The memory that request bodies may take together.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    used: Arc<AtomicUsize>,
    limit: usize,
}

/// Some of a [`MemoryBudget`], given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: MemoryBudget,
    bytes: usize,
}

impl MemoryBudget {
    /// `limit` in bytes.
    pub fn new(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// What is used already, under another limit.
    #[must_use]
    pub fn with_limit(&self, limit: usize) -> Self {
        Self { used: Arc::clone(&self.used), limit }
    }

    /// How many bytes are taken, and how many may be.
    pub fn level(&self) -> (u64, Option<u64>) {
        (self.used.load(Ordering::Relaxed) as u64, Some(self.limit as u64))
    }

    fn empty_reservation(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }
}

impl Reservation {
    /// Takes `bytes` more, or says no and takes nothing.
    fn grow(&mut self, bytes: usize) -> bool {
        let MemoryBudget { used, limit } = &self.budget;
        let grown = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| sum <= limit)
        });
        if grown.is_ok() {
            self.bytes += bytes;
        }
        grown.is_ok()
    }

    /// Takes as much more as makes `bytes` in all, or says no and takes nothing.
    fn cover(&mut self, bytes: usize) -> bool {
        self.grow(bytes.saturating_sub(self.bytes))
    }

    fn give_back(&mut self) {
        if self.bytes > 0 {
            self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
            self.bytes = 0;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_exceeded_and_all_of_it_comes_back() {
        let budget = MemoryBudget::new(100);
        let mut first = budget.empty_reservation();
        assert!(first.grow(60) && !first.grow(41) && first.grow(40));
        let mut second = budget.empty_reservation();
        assert!(!second.grow(1));
        drop(first);
        assert!(second.grow(100));
        assert!(!second.grow(usize::MAX), "no overflow");
        assert!(!budget.with_limit(100).empty_reservation().grow(1), "what is used counts under another limit too");
    }
}
