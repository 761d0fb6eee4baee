//! What is counted, for Prometheus. Label values come from the configuration and from fixed words, never from a request,
//! so that no caller can make them grow.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What every metric's name begins with.
pub const PREFIX: &str = "wxgate";

/// All counters. What counts holds a handle; counting is one atomic addition.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    callers: Family<Caller, Counter>,
    unknown_callers: Counter,
    heals: Family<Heal, Counter>,
    heals_attempted: Family<Account, Counter>,
    upstream_failovers: Family<Upstream, Counter>,
}

/// One caller's counters.
#[derive(Debug, Clone)]
pub struct CallerCounters {
    /// Requests that were let through.
    pub admitted: Counter,
    /// Requests refused for their path or account.
    pub refused: Counter,
    /// Requests that would have been refused but for `report_only`.
    pub reported: Counter,
    /// Requests beyond the caller's rate.
    pub limited: Counter,
}

/// One account's heals.
#[derive(Debug, Clone)]
pub struct HealCounters {
    /// Requests for which a heal was called for.
    pub attempted: Counter,
    /// Requests that WeChat took the second time.
    pub healed: Counter,
    /// Requests whose refusal went to the caller.
    pub failed: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Caller {
    caller: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Account {
    account: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Heal {
    account: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Upstream {
    upstream: String,
}

/// Something that rises and falls, read when somebody looks.
pub struct Level {
    /// Its name in metrics.
    pub name: &'static str,
    /// What it is, in words.
    pub what: &'static str,
    /// The key of the configuration that sets its limit.
    pub key: Option<&'static str>,
    read: Box<dyn Fn() -> (u64, Option<u64>) + Send + Sync>,
}

/// A [`Level`] at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// How much there is.
    pub now: u64,
    /// How much there may be.
    pub limit: Option<u64>,
}

impl Level {
    /// `read` gives how much there is, and how much there may be.
    pub fn new(
        name: &'static str,
        what: &'static str,
        key: Option<&'static str>,
        read: impl Fn() -> (u64, Option<u64>) + Send + Sync + 'static,
    ) -> Self {
        Self { name, what, key, read: Box::new(read) }
    }

    /// How it is now.
    pub fn read(&self) -> Reading {
        let (now, limit) = (self.read)();
        Reading { now, limit }
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Level").field(&self.name).finish()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let (callers, unknown_callers, heals) = (Family::default(), Counter::default(), Family::default());
        registry.register("caller_requests", "Requests of known callers, by what became of them", callers.clone());
        registry.register(
            "unknown_caller_requests",
            "Requests that did not show a known caller where one is demanded",
            unknown_callers.clone(),
        );
        registry.register("heals", "Requests whose token WeChat refused, by how their heal ended", heals.clone());
        let heals_attempted = Family::default();
        registry.register(
            "heals_attempted",
            "Requests for which a heal was called for; those whose caller left meanwhile are in neither outcome",
            heals_attempted.clone(),
        );
        let upstream_failovers = Family::default();
        registry.register(
            "upstream_failovers",
            "Requests and token fetches that went here because the upstreams before it were down or had failed",
            upstream_failovers.clone(),
        );
        Self { registry, callers, unknown_callers, heals, heals_attempted, upstream_failovers }
    }
}

impl Metrics {
    /// The counters of the caller of this name; they exist from now on, at zero.
    pub fn caller(&self, name: &str) -> CallerCounters {
        let counter = |outcome| self.callers.get_or_create(&Caller { caller: name.to_owned(), outcome }).clone();
        CallerCounters {
            admitted: counter("admitted"),
            refused: counter("refused"),
            reported: counter("reported"),
            limited: counter("limited"),
        }
    }

    /// Requests that showed no caller where one is demanded.
    pub fn unknown_callers(&self) -> Counter {
        self.unknown_callers.clone()
    }

    /// The heals of the account of this name.
    pub fn heals(&self, account: &str) -> HealCounters {
        let counter = |outcome| self.heals.get_or_create(&Heal { account: account.to_owned(), outcome }).clone();
        let attempted = self.heals_attempted.get_or_create(&Account { account: account.to_owned() }).clone();
        HealCounters { attempted, healed: counter("healed"), failed: counter("failed") }
    }

    /// What the upstream of this host takes over from those before it.
    pub fn upstream_failovers(&self, host: &str) -> Counter {
        self.upstream_failovers.get_or_create(&Upstream { upstream: host.to_owned() }).clone()
    }

    /// All of it.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

/// What is in these registries, in the OpenMetrics text format.
///
/// # Errors
/// None that writing to a text can cause.
pub fn encode<'r>(registries: impl IntoIterator<Item = &'r Registry>) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for registry in registries {
        text::encode_registry(&mut text, registry)?;
    }
    text::encode_eof(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown_and_everything_begins_at_zero() {
        let metrics = Metrics::default();
        let crm = metrics.caller("crm");
        crm.limited.inc();
        metrics.caller("crm").limited.inc();
        metrics.heals("main").healed.inc();
        metrics.unknown_callers().inc();
        let text = encode([metrics.registry()]).unwrap();
        for line in [
            "wxgate_caller_requests_total{caller=\"crm\",outcome=\"limited\"} 2",
            "wxgate_caller_requests_total{caller=\"crm\",outcome=\"admitted\"} 0",
            "wxgate_heals_total{account=\"main\",outcome=\"healed\"} 1",
            "wxgate_unknown_caller_requests_total 1",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is missing in\n{text}");
        }
    }
}
