//! No store: the token lives in the slot alone, and a restart fetches.

use super::{Answer, Published, Store, Stored};

/// Keeps nothing.
#[derive(Debug, Clone, Copy)]
pub struct MemoryStore;

impl Store for MemoryStore {
    fn read(&self) -> Answer<'_, Option<Stored>> {
        Box::pin(async { Ok(None) })
    }

    fn publish<'a>(&'a self, _token: &'a Stored) -> Answer<'a, Published> {
        Box::pin(async { Ok(Published::InForce) })
    }
}
