//! Traces of requests, for OpenTelemetry: `otlp`, in a build with the feature of that name, and `absent`, which is as large
//! as nothing, in every other. Which of the two is there is decided here. Only `config/validate/traces.rs`, which is below and
//! cannot ask here, looks at the feature as well: without it, `traces.endpoint` is refused.
//!
//! A request notes its steps in a [`Trace`] if it is sampled. What it came to is made into spans once, in its end, from that
//! and from what is [`Seen`](super::Seen) of it.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod otlp;

use std::time::Duration;

#[cfg(not(feature = "otlp"))]
pub use absent::{Exporter, Step, Trace, Traces};
#[cfg(feature = "otlp")]
pub use otlp::{Exporter, Step, Trace, Traces};

/// How long a stop waits for the last spans to be taken.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a step of a request is, besides a sending to WeChat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Waiting for a usable token; none where there was one.
    Token,
    /// Waiting for a better token than the one that WeChat refused.
    FreshToken,
}

/// What became of spans, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spans {
    /// The collector took them.
    pub exported: u64,
    /// There was no room for them, or the collector refused them.
    pub lost: u64,
}
