//! No traces: what the rest of the house speaks to in a build without them. All of it has no size and does nothing.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::SocketAddr;

use hyper::header::{HeaderMap, HeaderValue};

use super::{Spans, Wait};
use crate::config;
use crate::egress::EgressError;
use crate::observe::Seen;

/// No traces of any request.
#[derive(Debug, Default)]
pub struct Traces;

/// Nothing is exported.
#[derive(Debug)]
pub struct Exporter(Infallible);

/// Nothing is noted of a request.
#[derive(Debug)]
pub struct Trace;

/// Nothing is noted of a step.
#[derive(Debug)]
pub struct Step<'a>(PhantomData<&'a Trace>);

impl Exporter {
    /// None.
    ///
    /// # Errors
    /// None.
    pub fn prepare(_: &config::Traces, _: &[SocketAddr]) -> Result<Option<Self>, EgressError> {
        Ok(None)
    }
}

impl Traces {
    /// Nothing to be put into force.
    pub fn put_into_force(&self, exporter: Option<Exporter>) {
        if let Some(Exporter(never)) = exporter {
            match never {}
        }
    }

    /// Nothing to be waited for.
    pub async fn finish(&self) {}

    /// No spans are counted.
    pub fn spans(&self) -> Option<Spans> {
        None
    }

    pub(in crate::observe) fn begin(&self, _: &HeaderMap) -> Trace {
        Trace
    }
}

impl Trace {
    /// Nothing.
    pub fn wait(&self, _: Wait) -> Step<'_> {
        Step(PhantomData)
    }

    /// Nothing.
    pub fn sending(&self) -> Step<'_> {
        Step(PhantomData)
    }

    /// Nothing.
    pub fn goes_to(&self, _: &HeaderValue) {}

    /// Nothing.
    pub fn judged(&self, _: Option<i64>, _: Option<&str>, _: u64) {}

    /// Nothing.
    pub fn end(&mut self, _: &Seen<'_>) {}
}

impl Step<'_> {
    /// Nothing; `outcome` is not asked for.
    pub fn ended(self, _outcome: impl FnOnce() -> Result<u16, &'static str>) {}
}
