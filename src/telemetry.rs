//! The log: text for people, JSON for machines, on standard error.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::{Log, LogFormat, LogLevel};

/// Sends all events to standard error from now on. A second call changes nothing.
pub fn install(log: &Log) {
    let colours = std::io::stderr().is_terminal();
    let _ = tracing::subscriber::set_global_default(subscriber(log, colours, std::io::stderr));
}

/// What writes events to `writer`.
///
/// Our own are written from the configured level on, those of the libraries only as warnings: at finer levels, they
/// write what goes over the wire.
pub fn subscriber<W>(log: &Log, colours: bool, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = level(log.level);
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("wxgate", level);
    let layer = match log.format {
        LogFormat::Text => fmt::layer().with_writer(writer).with_ansi(colours).boxed(),
        LogFormat::Json => fmt::layer().with_writer(writer).json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(targets))
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
