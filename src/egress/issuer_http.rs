//! The HTTP client that all accounts' token fetches share.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Calls under way at once. Each is a connection and a handshake of its own: thousands of accounts that start together
/// would otherwise hold 30 KiB each and all be slow. 64 calls of 100 ms are still 640 a second.
pub const CALLS_AT_ONCE: usize = 64;

/// A client, and the places for its calls. Clones share both.
#[derive(Debug, Clone)]
pub struct IssuerHttp {
    /// Makes calls; one at a time for each place that is held.
    pub client: reqwest::Client,
    places: Arc<Semaphore>,
}

impl IssuerHttp {
    pub(crate) fn new(client: reqwest::Client) -> Self {
        Self { client, places: Arc::new(Semaphore::new(CALLS_AT_ONCE)) }
    }

    /// A place, held until it is dropped. First come, first served; the wait ends, since every call has a deadline.
    pub async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }
}
