//! How a process stands to those with whom it shares a store.

use std::time::Duration;

use tokio::time::Instant;

/// How this process stands to the others.
#[derive(Debug)]
pub(super) struct Standing {
    /// The greatest fence that is known; that of the token in use, if it is the store's.
    pub(super) fence: u64,
    /// The token in use is not in the store, and should be.
    pub(super) unpublished: bool,
    /// Since when the store cannot be used.
    pub(super) away_since: Option<Instant>,
    /// When to look into the store next; `None` where nobody shares it.
    pub(super) next_look: Option<Instant>,
}

impl Standing {
    /// At the start.
    pub(super) fn new(look_every: Option<Duration>, now: Instant) -> Self {
        Self { fence: 0, unpublished: false, away_since: None, next_look: look_every.map(|every| now + every) }
    }
}
