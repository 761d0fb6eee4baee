//! The log: text for people, JSON for machines, on standard error.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Log, LogFormat, LogLevel};

/// The log of this process.
#[derive(Debug, Clone)]
pub struct Telemetry(reload::Handle<Targets, Registry>);

impl Telemetry {
    /// Writes events from this level on.
    pub fn set_level(&self, level: LogLevel) {
        let _ = self.0.reload(targets(level)); // it fails only when nobody logs any more
    }
}

/// Sends all events to standard error from now on. A second call changes nothing.
pub fn install(log: &Log) -> Telemetry {
    let (filter, handle) = reload::Layer::new(targets(log.level));
    let layer = layer(log, std::io::stderr().is_terminal(), std::io::stderr);
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer.with_filter(filter)));
    Telemetry(handle)
}

/// What writes events to `writer`.
///
/// Our own are written from the configured level on, those of the libraries only as warnings: at finer levels, they
/// write what goes over the wire.
pub fn subscriber<W>(log: &Log, colours: bool, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::registry().with(layer(log, colours, writer).with_filter(targets(log.level)))
}

fn layer<W>(log: &Log, colours: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    match log.format {
        LogFormat::Text => fmt::layer().with_writer(writer).with_ansi(colours).boxed(),
        LogFormat::Json => fmt::layer().with_writer(writer).json().flatten_event(true).boxed(),
    }
}

fn targets(written: LogLevel) -> Targets {
    let level = level(written);
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("wxgate", level)
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
