//! WeChat's entrances, as gauges, looked up at each scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::egress::Standing;

/// Tells how they stand at present, in their order.
pub(super) type Upstreams = dyn Fn() -> Vec<Standing> + Send + Sync;

/// Whether each is up.
pub(super) struct UpstreamsUp(pub(super) Arc<Upstreams>);

impl Collector for UpstreamsUp {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "1 while the upstream is up, 0 from a failure until it answers again";
        let mut up = encoder.encode_descriptor("upstream_up", help, None, MetricType::Gauge)?;
        for standing in (self.0)() {
            let value = ConstGauge::new(i64::from(standing.up));
            value.encode(up.encode_family(&[("upstream", standing.host.as_str())])?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for UpstreamsUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamsUp").finish_non_exhaustive()
    }
}
