//! What became of spans, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::observe::traces::Spans;

/// Since the start, over all exporters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    exported: AtomicU64,
    lost: AtomicU64,
}

impl Tally {
    pub(super) fn exported(&self, spans: usize) {
        self.exported.fetch_add(spans as u64, Ordering::Relaxed);
    }

    pub(super) fn lost(&self, spans: usize) {
        self.lost.fetch_add(spans as u64, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Spans {
        Spans { exported: self.exported.load(Ordering::Relaxed), lost: self.lost.load(Ordering::Relaxed) }
    }
}
