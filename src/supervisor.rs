//! What the service manager is told, where there is one that listens (systemd, sd_notify(3)).
//!
//! Without `NOTIFY_SOCKET` all of this does nothing.

use std::time::Duration;

use sd_notify::{NotifyState, notify};

/// Callers are served from now on; also after a reload.
pub fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// The configuration is being read again; [`ready`] says when that has ended.
pub fn reloading() {
    // systemd compares the time with that of its own signal, to know which reload has ended.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// A stop has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what is in flight")]);
}

/// Shows for ever that this task is still being run, twice as often as the service manager wants to see it.
pub async fn keep_watchdog_quiet() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut beats = tokio::time::interval((patience / 2).max(Duration::from_millis(1)));
    loop {
        beats.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
