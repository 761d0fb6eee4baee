//! The tokens' state as gauges, looked up at each scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::Instant;

use crate::token::{FetchResult, Roster, Snapshot, Token};

/// The accounts whose tokens are shown.
#[derive(Debug)]
pub(super) struct Tokens(pub(super) Arc<Roster>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAccount {
    account: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFetch {
    account: String,
    reason: &'static str,
    errcode: String,
}

impl Collector for Tokens {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (now, accounts) = (Instant::now(), self.0.load());
        let snapshots: Vec<_> = accounts.iter().map(|account| (&account.name, account.token.slot().load())).collect();
        let mut gauge = |name: &str, help: &str, value: &dyn Fn(&Snapshot) -> i64| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (account, snapshot) in &snapshots {
                let labels = OfAccount { account: (*account).clone() };
                ConstGauge::new(value(snapshot)).encode(family.encode_family(&labels)?)?;
            }
            Ok::<_, fmt::Error>(())
        };
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        gauge(
            "token_seconds_left",
            "The remaining life of the account's token; 0 without a usable one",
            &|snapshot| snapshot.usable(now).map_or(0, |token| seconds(token.remaining(now).as_secs())),
        )?;
        gauge(
            "token_age_seconds",
            "How long ago the account's token was fetched; 0 without a usable one",
            &|snapshot| {
                let age = |token: &Arc<Token>| now.saturating_duration_since(token.fetched_at()).as_secs();
                snapshot.usable(now).map_or(0, |token| seconds(age(token)))
            },
        )?;
        gauge("token_forced_left", "How many refreshes may still be forced within the day", &|snapshot| {
            i64::try_from(snapshot.forced_left(now)).unwrap_or(i64::MAX)
        })?;
        gauge("token_generation", "How many tokens the account has had since the start", &|snapshot| {
            snapshot.token.as_ref().map_or(0, |token| seconds(token.generation()))
        })?;
        gauge("token_fetch_failing", "1 while the last token fetch failed", &|snapshot| {
            i64::from(snapshot.failure.is_some())
        })?;
        gauge(
            "tokens_died_early",
            "Tokens that died long before their expiry within the last hour; several mean that another system refreshes \
             the same account",
            &|snapshot| i64::try_from(snapshot.died_early(now)).unwrap_or(i64::MAX),
        )?;
        self.encode_fetches(&mut encoder)
    }
}

impl Tokens {
    fn encode_fetches(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Questions to the token endpoints, by why they were asked and what WeChat answered";
        let mut family = encoder.encode_descriptor("token_fetches", help, None, MetricType::Counter)?;
        for account in self.0.load().iter() {
            for ((reason, result), count) in account.token.slot().fetches().read() {
                let labels = OfFetch { account: account.name.clone(), reason: reason.name(), errcode: word(result) };
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// The value of the label `errcode`.
fn word(result: FetchResult) -> String {
    match result {
        FetchResult::Token => "ok".to_owned(),
        FetchResult::NoAnswer => "none".to_owned(),
        FetchResult::Errcode(errcode) => errcode.to_string(),
        FetchResult::Other => "other".to_owned(),
    }
}
