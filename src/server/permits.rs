//! How many connections there may be at once; the limit may change while some are there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits for connections; none before [`limit`](Self::limit).
#[derive(Debug, Clone)]
pub(super) struct Permits {
    semaphore: Arc<Semaphore>,
    /// How many permits the semaphore and the connections have together.
    issued: Arc<AtomicUsize>,
}

impl Default for Permits {
    fn default() -> Self {
        Self { semaphore: Arc::new(Semaphore::new(0)), issued: Arc::default() }
    }
}

impl Permits {
    /// Waits until there may be one more connection.
    pub(super) async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.semaphore).acquire_owned().await.ok()
    }

    /// The permit for one more, if there may be one now.
    pub(super) fn try_acquire(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.semaphore).try_acquire_owned().ok()
    }

    /// From now on there may be `limit`. Connections beyond it stay, and are not replaced when they end.
    pub(super) fn limit(&self, limit: usize) {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let issued = self.issued.swap(limit, Ordering::Relaxed);
        match limit.checked_sub(issued) {
            Some(more) => self.semaphore.add_permits(more),
            None => self.take_back(issued - limit),
        }
    }

    /// Those that connections hold are taken back when they come free.
    fn take_back(&self, count: usize) {
        let held = count - self.semaphore.forget_permits(count);
        if held > 0 {
            let semaphore = Arc::clone(&self.semaphore);
            tokio::spawn(async move {
                for _ in 0..held {
                    if let Ok(permit) = semaphore.acquire().await {
                        permit.forget();
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_lower_limit_lets_connections_stay_and_does_not_replace_them() {
        let permits = Permits::default();
        permits.limit(3);
        let (first, second) = (permits.acquire().await.unwrap(), permits.acquire().await.unwrap());
        permits.limit(1);
        settle().await;
        assert_eq!(permits.semaphore.available_permits(), 0);
        drop(first);
        settle().await;
        assert_eq!(permits.semaphore.available_permits(), 0, "the second is the one that there may be");
        drop(second);
        settle().await;
        assert_eq!(permits.semaphore.available_permits(), 1);
        permits.limit(5);
        assert_eq!(permits.semaphore.available_permits(), 5);
    }
}
