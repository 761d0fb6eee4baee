//! `wxgate run`.

use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::say_problem;
use crate::address::Inherited;
use crate::app::{App, AppError, StopTimes};
use crate::config::{Config, Environment, Source};
use crate::reload::{Cause, Reloader};
use crate::stage::{Control, Stage, control};
use crate::telemetry::{self, Telemetry};

/// Runs the gateway until a signal stops it.
pub(super) async fn run(path: Option<&Path>) -> ExitCode {
    let mut source = Source::new(path, Environment::of_process());
    let loaded = match source.load() {
        Ok(loaded) => loaded,
        Err(problems) => return say_problem(&problems),
    };
    let telemetry = telemetry::install(&loaded.config.log);
    match &loaded.file {
        Some(file) => tracing::info!(file = %file.display(), "configuration read"),
        None => tracing::info!("no configuration file; the environment and the defaults are used"),
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    raise_descriptor_limit(loaded.config.server.connections);
    match bind_and_serve(loaded.config, source, telemetry).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(1)
        }
    }
}

async fn bind_and_serve(config: Config, source: Source, telemetry: Telemetry) -> Result<(), AppError> {
    let app = App::bind_beside(config, Inherited::of_process()?).await?.following(source, Some(telemetry));
    for address in app.unclaimed() {
        tracing::warn!(%address, "a socket that was passed to wxgate is at no listener's address, and nobody serves it");
    }
    serve(app).await
}

/// Serves, announcing where, until a signal stops it.
pub(super) async fn serve(app: App) -> Result<(), AppError> {
    // Before anybody is told that it runs: until then, a signal kills.
    let (signals, hang_up) = (Signals::new()?, signal(SignalKind::hangup())?);
    for address in app.listeners() {
        tracing::info!(%address, "listening for callers");
    }
    if let Some(address) = app.admin_address() {
        tracing::info!(%address, "listening for the operator");
    }
    let app = app.logging_to(std::io::stdout())?;
    let control = control();
    tokio::spawn(reload_on_signals(hang_up, app.reloader()));
    tokio::spawn(stop(signals, control.clone(), app.stop_times()));
    app.run(&control).await?;
    tracing::info!("stopped");
    Ok(())
}

/// The signals that ask for a stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

async fn reload_on_signals(mut hang_up: Signal, reloader: Reloader) {
    while hang_up.recv().await.is_some() {
        let _ = reloader.reload(Cause::Signal).await; // the log says what came of it
    }
}

/// The first signal, or the operator, begins the stop: for the delay callers are still served, then what is in flight is
/// finished. Another signal, or the end of the drain's time, ends it at once.
async fn stop(mut signals: Signals, control: Control, times: watch::Receiver<StopTimes>) {
    let signal = tokio::select! {
        signal = signals.next() => signal,
        () = control.reached(Stage::Leaving) => "none: the operator asked",
    };
    let StopTimes { delay, drain } = *times.borrow();
    let (after, within) = (humantime::format_duration(delay), humantime::format_duration(drain));
    tracing::info!(
        signal,
        "stopping: after {after}, what is in flight is finished within {within}; another signal ends it at once"
    );
    control.advance(Stage::Leaving);
    let orderly = async {
        tokio::time::sleep(delay).await;
        control.advance(Stage::Draining);
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        signal = signals.next() => tracing::warn!(signal, "ended at once; requests in flight are lost"),
        () = orderly => tracing::warn!("the drain took too long; requests in flight are lost"),
    }
    control.advance(Stage::Ended);
}

/// The soft limit on open files is raised to the hard one: a connection takes one descriptor here, and often one upstream.
fn raise_descriptor_limit(connections: usize) {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2);
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit >= needed => tracing::debug!(limit, "open files"),
        Ok(limit) => tracing::warn!(
            limit,
            needed,
            "fewer open files are allowed than server.connections may need; raise the hard limit (ulimit -Hn), or lower it"
        ),
        Err(error) => tracing::warn!(%error, "the limit on open files could not be raised"),
    }
}
