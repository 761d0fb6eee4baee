//! What the sandbox saw: every request, just as it came.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Method, Version};
use tokio::sync::watch;

use super::query;

/// How many requests are remembered; the counts go on beyond it.
const REMEMBERED: usize = 10_000;
/// How many bytes of bodies are remembered over all requests.
const BODY_MEMORY: usize = 32 << 20;
/// How many paths are counted one by one, so that a fuzzer does not fill the memory.
const PATHS: usize = 4096;

/// A request as it came. Its `Debug` leaves out target, headers and body: they may hold a secret.
#[derive(Clone)]
pub struct Seen {
    /// Which connection it came on; counted from 1.
    pub connection: u64,
    /// The sandbox's time when its body had arrived.
    pub at: Duration,
    /// Its method.
    pub method: Method,
    /// Its target, byte for byte; only a fragment (`#…`), which has no place there, is lost. What
    /// hyper refuses never gets here: quotes and angle brackets in a query, bytes that are no UTF-8.
    pub target: String,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// Its headers with their raw values; values of one name in their order.
    pub headers: HeaderMap,
    /// The length of its body, in bytes.
    pub body_length: u64,
    /// The SHA-256 digest of its body.
    pub body_sha256: [u8; 32],
    /// The body itself, where it has at most 64 KiB.
    pub body: Option<Bytes>,
}

impl Seen {
    /// The path: the target without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The raw query without its question mark; `None` when there is no question mark.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The decoded values of a query parameter, in their order.
    pub fn parameters(&self, name: &str) -> Vec<String> {
        let pairs = query::pairs(self.query().unwrap_or_default());
        pairs.into_iter().filter(|(found, _)| found == name).map(|(_, value)| value).collect()
    }

    /// The raw values of a header, in their order.
    pub fn header(&self, name: &HeaderName) -> Vec<&[u8]> {
        self.headers.get_all(name).iter().map(|value| value.as_bytes()).collect()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {} {} ({} bytes)", self.connection, self.method, self.path(), self.body_length)
    }
}

/// The requests that came, the newest last, and how many of each path.
#[derive(Debug)]
pub struct Journal {
    pages: Mutex<Pages>,
    total: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Pages {
    requests: VecDeque<Arc<Seen>>,
    body_bytes: usize,
    counts: HashMap<String, u64>,
    connections: u64,
}

impl Journal {
    pub(super) fn new() -> Self {
        Self { pages: Mutex::default(), total: watch::Sender::new(0) }
    }

    /// The requests so far, oldest first; at most the last 10,000.
    pub fn requests(&self) -> Vec<Arc<Seen>> {
        self.lock().requests.iter().cloned().collect()
    }

    /// The remembered requests of one path, oldest first.
    pub fn requests_of(&self, path: &str) -> Vec<Arc<Seen>> {
        self.lock().requests.iter().filter(|seen| seen.path() == path).cloned().collect()
    }

    /// The newest request.
    pub fn last(&self) -> Option<Arc<Seen>> {
        self.lock().requests.back().cloned()
    }

    /// How many requests of this path came. They count when their body has arrived, before any
    /// fault strikes.
    pub fn count(&self, path: &str) -> u64 {
        self.lock().counts.get(path).copied().unwrap_or(0)
    }

    /// How many requests of each path came; of the first 4,096 paths.
    pub fn counts(&self) -> HashMap<String, u64> {
        self.lock().counts.clone()
    }

    /// How many requests came.
    pub fn total(&self) -> u64 {
        *self.total.borrow()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.lock().connections
    }

    /// Waits until at least `count` requests of this path came. Never ends if they do not.
    pub async fn wait_for(&self, path: &str, count: u64) {
        let mut total = self.total.subscribe();
        // The sender lives in `self`, so the wait cannot end early.
        let _ = total.wait_for(|_| self.count(path) >= count).await;
    }

    /// Forgets the requests and the counts of paths; the total goes on.
    pub fn clear(&self) {
        let mut pages = self.lock();
        *pages = Pages { connections: pages.connections, ..Pages::default() };
    }

    pub(super) fn connected(&self) -> u64 {
        let mut pages = self.lock();
        pages.connections += 1;
        pages.connections
    }

    pub(super) fn record(&self, seen: Arc<Seen>) {
        self.lock().record(seen);
        self.total.send_modify(|total| *total += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn record(&mut self, seen: Arc<Seen>) {
        if let Some(count) = self.counts.get_mut(seen.path()) {
            *count += 1;
        } else if self.counts.len() < PATHS {
            self.counts.insert(seen.path().to_owned(), 1);
        }
        self.body_bytes += body_memory(&seen);
        self.requests.push_back(seen);
        while self.requests.len() > REMEMBERED || self.body_bytes > BODY_MEMORY {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.body_bytes -= body_memory(&oldest);
        }
    }
}

fn body_memory(seen: &Seen) -> usize {
    seen.body.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(target: &str, body: &Bytes) -> Arc<Seen> {
        Arc::new(Seen {
            connection: 1,
            at: Duration::ZERO,
            method: Method::GET,
            target: target.to_owned(),
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            body_length: body.len() as u64,
            body_sha256: [0; 32],
            body: Some(body.clone()),
        })
    }

    #[tokio::test]
    async fn a_wait_ends_with_the_last_request_it_waits_for() {
        let journal = Arc::new(Journal::new());
        let waiting = tokio::spawn({
            let journal = journal.clone();
            async move { journal.wait_for("/a", 2).await }
        });
        for target in ["/a?x=1", "/b", "/a"] {
            assert!(!waiting.is_finished());
            journal.record(seen(target, &Bytes::new()));
            tokio::task::yield_now().await;
        }
        waiting.await.unwrap();
        assert_eq!((journal.count("/a"), journal.count("/b"), journal.total()), (2, 1, 3));
    }

    #[test]
    fn memory_is_bounded_in_requests_bodies_and_paths() {
        let journal = Journal::new();
        let large = Bytes::from(vec![0; 64 << 10]);
        (0..1000).for_each(|_| journal.record(seen("/large", &large)));
        assert_eq!(journal.requests().len(), BODY_MEMORY / large.len());
        (0..20_000).for_each(|n| journal.record(seen(&format!("/{n}"), &Bytes::new())));
        assert_eq!(journal.requests().len(), REMEMBERED);
        assert_eq!(journal.counts().len(), PATHS);
        assert_eq!(journal.count("/large"), 1000);
    }

    #[test]
    fn parameters_are_decoded_and_the_target_is_not() {
        let seen = seen("/p?access%5Ftoken=a%2Db&x&access_token=", &Bytes::new());
        assert_eq!(seen.parameters("access_token"), ["a-b", ""]);
        assert_eq!(seen.query(), Some("access%5Ftoken=a%2Db&x&access_token="));
        assert_eq!(format!("{seen:?}"), "#1 GET /p (0 bytes)");
    }
}
