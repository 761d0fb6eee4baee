//! All that the operator may look at.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use prometheus_client::registry::Registry;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::levels::Levels;
use super::requests::Requests;
use super::tokens::Tokens;
use super::upstreams::{Upstreams, UpstreamsUp};
use crate::metrics::{Level, Metrics, PREFIX, encode};
use crate::observe::{History, Observations, RESOLUTION};
use crate::reload::Reloader;
use crate::token::{Listed, Roster};

/// What there is to be shown.
pub struct Shown {
    /// All accounts.
    pub accounts: Arc<Roster>,
    /// The names of all callers that are configured at present.
    pub callers: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is seen of requests.
    pub observations: Arc<Observations>,
    /// The names of the gateway's own answers, by their number.
    pub kinds: Vec<&'static str>,
    /// What rises and falls.
    pub levels: Vec<Level>,
    /// Has the configuration read again.
    pub reloader: Reloader,
    /// How WeChat's entrances stand at present.
    pub upstreams: Arc<Upstreams>,
}

/// The same, as the listener's routes see it.
pub(super) struct View {
    pub(super) accounts: Arc<Roster>,
    pub(super) callers: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) observations: Arc<Observations>,
    pub(super) levels: Arc<[Level]>,
    pub(super) reloader: Reloader,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) started_at: SystemTime,
    pub(super) started: Instant,
    /// What is looked up at each scrape.
    looked_up: Registry,
    history: Mutex<History>,
}

impl View {
    pub(super) fn new(shown: Shown) -> Self {
        let Shown { accounts, callers, metrics, observations, kinds, levels, reloader, upstreams } = shown;
        let levels: Arc<[Level]> = levels.into();
        let mut looked_up = Registry::with_prefix(PREFIX);
        looked_up.register_collector(Box::new(Tokens(Arc::clone(&accounts))));
        looked_up.register_collector(Box::new(Requests { observations: Arc::clone(&observations), kinds }));
        looked_up.register_collector(Box::new(Levels(Arc::clone(&levels))));
        looked_up.register_collector(Box::new(UpstreamsUp(Arc::clone(&upstreams))));
        Self {
            accounts,
            callers,
            metrics,
            history: Mutex::new(History::new(Arc::clone(&observations))),
            observations,
            levels,
            reloader,
            upstreams,
            started_at: SystemTime::now(),
            started: Instant::now(),
            looked_up,
        }
    }

    pub(super) fn account(&self, name: &str) -> Option<Listed> {
        self.accounts.load().iter().find(|account| account.name == name).cloned()
    }

    /// All metrics, in the OpenMetrics text format.
    pub(super) fn openmetrics(&self) -> Result<String, fmt::Error> {
        encode([self.metrics.registry(), &self.looked_up])
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Samples for ever.
    pub(super) async fn sample(&self) {
        let mut ticks = interval(RESOLUTION);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = ticks.tick().await;
            self.history().sample(now);
        }
    }
}
