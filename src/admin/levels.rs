//! What rises and falls, as gauges, looked up at each scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::metrics::Level;

/// All levels.
#[derive(Debug)]
pub(super) struct Levels(pub(super) Arc<[Level]>);

impl Collector for Levels {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for level in self.0.iter() {
            let reading = level.read();
            let mut gauge = |name: &str, help: &str, value: u64| {
                let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                value.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
            };
            gauge(level.name, level.what, reading.now)?;
            if let Some(limit) = reading.limit {
                gauge(&format!("{}_limit", level.name), &format!("The most of it: {}", level.what), limit)?;
            }
        }
        Ok(())
    }
}
