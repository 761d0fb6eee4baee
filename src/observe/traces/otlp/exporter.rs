//! What takes spans to a collector, before it is put into force.

use std::fs;
use std::net::SocketAddr;

use reqwest::Url;

use super::collector::Collector;
use crate::config::{self, known_addresses};
use crate::egress::{EgressError, OwnListeners};

/// A collector that is to be put into force.
#[derive(Debug)]
pub struct Exporter {
    pub(super) origin: Origin,
    pub(super) collector: Collector,
}

/// What an [`Exporter`] was made of; the same again makes the same exporter.
#[derive(Debug, PartialEq)]
pub(super) struct Origin {
    pub(super) config: config::Traces,
    /// The content of `ca_file`, if it can be read.
    ca: Option<Vec<u8>>,
}

impl Exporter {
    /// Prepares what `config` asks for; `None` where it asks for nothing. The gateway itself listens on `own`.
    ///
    /// # Errors
    /// There is nothing to hold the collector's certificate against, or it is the gateway.
    pub fn prepare(config: &config::Traces, own: &[SocketAddr]) -> Result<Option<Self>, EgressError> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let own = OwnListeners::new(own.to_vec());
        if let Some(address) = addresses(endpoint).find(|&address| own.contains(address)) {
            return Err(EgressError::OwnCollector(address));
        }
        // Read before the collector reads it: if it changes meanwhile, the next reload sees a change.
        let ca = config.ca_file.as_ref().and_then(|file| fs::read(file).ok());
        let collector = Collector::new(config, endpoint.clone())?;
        Ok(Some(Self { origin: Origin { config: config.clone(), ca }, collector }))
    }
}

/// Where it is, if that takes no asking.
fn addresses(endpoint: &Url) -> impl Iterator<Item = SocketAddr> {
    let port = endpoint.port_or_known_default();
    known_addresses(endpoint).into_iter().filter_map(move |ip| Some(SocketAddr::new(ip, port?)))
}

/// What sends spans to `endpoint`, for tests.
#[cfg(test)]
pub(super) fn test_config(endpoint: &str) -> config::Traces {
    config::Traces {
        endpoint: Some(endpoint.parse().unwrap()),
        sample: 1.0,
        service_name: "wxgate".to_owned(),
        headers: Vec::new(),
        ca_file: None,
        timeout: std::time::Duration::from_secs(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_is_the_gateway_is_refused_at_either_address_of_localhost() {
        for (own, endpoint, is_own) in [
            ("127.0.0.1:4318", "http://localhost:4318/v1/traces", true),
            ("[::1]:4318", "http://localhost:4318/v1/traces", true),
            ("[::]:80", "http://localhost/v1/traces", true),
            ("[::1]:4318", "http://[::1]:4318/v1/traces", true),
            ("[::1]:4318", "http://127.0.0.1:4318/v1/traces", false),
            ("[::1]:4319", "http://localhost:4318/v1/traces", false),
        ] {
            let prepared = Exporter::prepare(&test_config(endpoint), &[own.parse().unwrap()]);
            assert_eq!(matches!(prepared, Err(EgressError::OwnCollector(_))), is_own, "{own} {endpoint}");
        }
    }
}
