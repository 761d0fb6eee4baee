//! The state of a simulated WeChat, with handles to drive it in process.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;
use super::credentials::Credentials;
use super::faults::Faults;
use super::journal::Journal;
use super::ledger::{Fetches, Kind, Ledger};
use super::media::MediaStore;
use super::settings::{Settings, StableEndpoint};
use crate::secret::SecretString;

/// Everything that a sandbox knows; shared by its connections and by the test that drives it.
#[derive(Debug)]
pub struct World {
    start: Instant,
    /// How far the sandbox's time is ahead of the clock, in nanoseconds.
    ahead: AtomicU64,
    ledger: Mutex<Ledger>,
    credentials: Mutex<Credentials>,
    stable_endpoint: Mutex<StableEndpoint>,
    faults: Faults,
    journal: Journal,
    media: MediaStore,
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            start: Instant::now(),
            ahead: AtomicU64::new(0),
            ledger: Mutex::new(Ledger::new(settings.rules, fastrand::u64(..))),
            credentials: Mutex::new(Credentials::new(settings.accounts, settings.whitelist)),
            stable_endpoint: Mutex::new(settings.stable_endpoint),
            faults: Faults::default(),
            journal: Journal::new(),
            media: MediaStore::new(settings.media_memory),
        }
    }

    /// The time since the start, with what [`World::advance`] added.
    pub fn now(&self) -> Duration {
        self.start.elapsed() + Duration::from_nanos(self.ahead.load(Ordering::Relaxed))
    }

    /// Lets time pass at once: tokens age and quotas refill. Delays under way are not shortened.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.ahead.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Looks into the ledger, or changes it, at the present time.
    pub fn with_ledger<R>(&self, work: impl FnOnce(&mut Ledger, Duration) -> R) -> R {
        let now = self.now();
        work(&mut lock(&self.ledger), now)
    }

    /// How often the gateway fetched tokens of this account.
    pub fn fetches(&self, appid: &str) -> Fetches {
        self.with_ledger(|ledger, _| ledger.fetches(appid))
    }

    /// Every token dies; the next fetch brings a new one ([`Ledger::kill_tokens`]).
    pub fn kill_tokens(&self) {
        self.with_ledger(Ledger::kill_tokens);
    }

    /// Every token dies; only force helps ([`Ledger::kill_tokens_unnoticed`]).
    pub fn kill_tokens_unnoticed(&self) {
        self.with_ledger(Ledger::kill_tokens_unnoticed);
    }

    /// Another system refreshes this account's token at both endpoints
    /// ([`Ledger::another_system_refreshes`]).
    pub fn another_system_refreshes(&self, appid: &str) {
        self.with_ledger(|ledger, now| {
            ledger.another_system_refreshes(appid, Kind::Classic, now);
            ledger.another_system_refreshes(appid, Kind::Stable, now);
        });
    }

    /// The addresses that may use an AppSecret; `None` admits all.
    pub fn set_whitelist(&self, whitelist: Option<Vec<IpAddr>>) {
        lock(&self.credentials).set_whitelist(whitelist);
    }

    /// Freezes an account's AppSecret (40243), or thaws it.
    pub fn set_frozen(&self, appid: &str, frozen: bool) {
        lock(&self.credentials).set_frozen(appid, frozen);
    }

    /// Gives an account another AppSecret; the old one is wrong from now on (40125).
    pub fn reset_secret(&self, appid: &str, secret: &str) {
        lock(&self.credentials).reset_secret(appid, SecretString::from(secret));
    }

    /// Says whether the stable endpoint is there.
    pub fn set_stable_endpoint(&self, stable_endpoint: StableEndpoint) {
        *lock(&self.stable_endpoint) = stable_endpoint;
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What was seen so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(super) fn stable_endpoint(&self) -> StableEndpoint {
        *lock(&self.stable_endpoint)
    }

    pub(super) fn media(&self) -> &MediaStore {
        &self.media
    }

    pub(super) fn with_credentials<R>(&self, look: impl FnOnce(&Credentials) -> R) -> R {
        look(&lock(&self.credentials))
    }

    /// Refuses a pair of appid and secret in WeChat's words.
    pub(super) fn check_secret(&self, appid: Option<&str>, secret: Option<&str>, from: IpAddr) -> Result<(), Answer> {
        self.with_credentials(|credentials| credentials.check(appid, secret, from))
            .map_err(|denied| Answer::error_saying(denied.errcode, &denied.words))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
