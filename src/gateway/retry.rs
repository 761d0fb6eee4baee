//! How a heal ended, and how the caller is told.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

const RETRY_FIELD: HeaderName = HeaderName::from_static("x-wxgate-retry");

/// How a heal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    Healed,
    Failed,
}

impl Retry {
    /// Tells the caller, on whatever answer it gets.
    pub(super) fn mark(self, headers: &mut HeaderMap) {
        headers.insert(RETRY_FIELD, HeaderValue::from_static(self.name()));
    }

    /// Its name in that field, in logs and in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Healed => "healed",
            Self::Failed => "failed",
        }
    }
}
