//! What all accounts' token fetches go out over, and where they go.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::health::Health;

/// Calls under way at once. Each is a connection and a handshake of its own: thousands of accounts that start together
/// would otherwise hold 30 KiB each and all be slow. 64 calls of 100 ms are still 640 a second.
pub const CALLS_AT_ONCE: usize = 64;

/// A client, the places for its calls, and the origins that they go to. Clones share all of it.
#[derive(Debug, Clone)]
pub struct IssuerHttp {
    /// Makes calls; one at a time for each place that is held.
    pub client: reqwest::Client,
    /// Scheme and authority without a slash at the end, in their order.
    pub origins: Arc<[String]>,
    /// Which of them are down.
    pub health: Arc<Health>,
    places: Arc<Semaphore>,
}

impl IssuerHttp {
    pub(crate) fn new(client: reqwest::Client, origins: Arc<[String]>, health: Arc<Health>) -> Self {
        Self { client, origins, health, places: Arc::new(Semaphore::new(CALLS_AT_ONCE)) }
    }

    /// A place, held until it is dropped. First come, first served; the wait ends, since every call has a deadline.
    pub async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }
}
