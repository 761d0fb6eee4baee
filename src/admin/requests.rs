//! What was seen of requests, added up at each scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::observe::traces::Spans;
use crate::observe::{BOUNDS, Latencies, Observations, Outcome, Totals};

/// The requests of all accounts.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) observations: Arc<Observations>,
    /// The names of the gateway's own answers, by their number.
    pub(super) kinds: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAccount {
    account: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    account: String,
    class: &'static str,
    status: String,
    errcode: &'static str,
    error: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEnd {
    account: String,
    by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSpan {
    outcome: &'static str,
}

impl Collector for Requests {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let accounts = self.observations.accounts();
        let totals = accounts.iter().map(|account| (account.name().to_owned(), account.totals()));
        // One that had no request yet takes no lines: of ten thousand accounts, many may be idle.
        let accounts: Vec<_> = totals.filter(|(_, totals)| !totals.outcomes.is_empty()).collect();
        self.encode_outcomes(&mut encoder, &accounts)?;
        encode_ends(&mut encoder, &accounts)?;
        self.encode_lost(&mut encoder)?;
        self.encode_spans(&mut encoder)?;
        let whole = "Seconds from a request's head to its answer's last byte";
        encode_latencies(&mut encoder, "request_duration_seconds", whole, &accounts, |totals| &totals.whole)?;
        let upstream = "WeChat's part of a request in seconds: from its sending to the head of the answer";
        encode_latencies(&mut encoder, "upstream_duration_seconds", upstream, &accounts, |totals| &totals.upstream)
    }
}

impl Requests {
    fn encode_outcomes(&self, encoder: &mut DescriptorEncoder<'_>, accounts: &[(String, Totals)]) -> fmt::Result {
        let help =
            "Requests, by account, credential class, status, kind of WeChat's errcode and of the gateway's own answer";
        let mut family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for (account, totals) in accounts {
            for &(outcome, count) in &totals.outcomes {
                let labels = self.labels(account, outcome);
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn encode_lost(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Lines of the access log that were lost because nobody read the ones before";
        let lost = ConstCounter::new(self.observations.lines_lost());
        lost.encode(encoder.encode_descriptor("access_lines_lost", help, None, MetricType::Counter)?)
    }

    /// Only where this build has traces: elsewhere they would be zero for ever.
    fn encode_spans(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(Spans { exported, lost }) = self.observations.traces.spans() else { return Ok(()) };
        let help = "Spans of traces, by whether the collector took them";
        let mut family = encoder.encode_descriptor("spans", help, None, MetricType::Counter)?;
        for (outcome, count) in [("exported", exported), ("lost", lost)] {
            ConstCounter::new(count).encode(family.encode_family(&OfSpan { outcome })?)?;
        }
        Ok(())
    }

    fn labels(&self, account: &str, outcome: Outcome) -> OfOutcome {
        OfOutcome {
            account: account.to_owned(),
            class: outcome.class(),
            status: outcome.status(),
            errcode: outcome.errcode(),
            error: outcome.kind().map_or("none", |kind| self.kinds.get(kind).copied().unwrap_or("other")),
        }
    }
}

fn encode_ends(encoder: &mut DescriptorEncoder<'_>, accounts: &[(String, Totals)]) -> Result<(), fmt::Error> {
    let help = "Answers that did not reach their end, by who ended them";
    let mut family = encoder.encode_descriptor("answers_cut", help, None, MetricType::Counter)?;
    for (account, totals) in accounts {
        for (by, count) in [("caller", totals.left), ("wechat", totals.broke_off)] {
            let labels = OfEnd { account: account.clone(), by };
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn encode_latencies(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    accounts: &[(String, Totals)],
    latencies: impl Fn(&Totals) -> &Latencies,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (account, totals) in accounts {
        let latencies = latencies(totals);
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(latencies.ranges).collect();
        let labels = OfAccount { account: account.clone() };
        let seconds = latencies.microseconds as f64 / 1e6;
        family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(seconds, latencies.count(), &buckets, None)?;
    }
    Ok(())
}
