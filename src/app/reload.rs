//! What runs, and how another configuration comes into force without a stop.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};

use super::error::AppError;
use super::parts;
use super::prepared::{Before, Counters, Origin, Prepared};
use super::tokens::Tokens;
use super::watch::Watch;
use crate::config::{Config, Loaded, Source};
use crate::gateway::Setup;
use crate::reload::{Cause, Outcome, Refused, Reloaded, Request, Requests};
use crate::secret::{ExposeSecret, SecretString};
use crate::server::Server;
use crate::stage::{Control, Stage};
use crate::telemetry::Telemetry;

/// Where a running gateway gets its configuration anew, and what else follows it.
pub(super) struct Follows {
    pub(super) source: Source,
    pub(super) telemetry: Option<Telemetry>,
}

/// A running gateway.
pub(super) struct Running {
    pub(super) server: Server,
    pub(super) tokens: Tokens,
    pub(super) counters: Counters,
    pub(super) in_force: Arc<ArcSwap<Setup>>,
    pub(super) origin: Origin,
    /// As it was at the start.
    pub(super) fixed: Fixed,
    pub(super) reloads: Reloads,
}

/// What makes it read its configuration again.
pub(super) struct Reloads {
    requests: Requests,
    follows: Option<Follows>,
    watch: Watch,
    /// What is wrong with the files, as it was last said.
    said: Option<Refused>,
}

/// The keys that only another start changes, each with its value written out.
pub(super) type Fixed = [(&'static str, String); 4];

/// What a running gateway has to see to.
pub(super) enum Event {
    /// A task has ended that must not.
    Fault,
    Reload(Request),
}

impl Reloads {
    pub(super) fn new(requests: Requests, follows: Option<Follows>) -> Self {
        let watch = Watch::new(follows.as_ref().map(|follows| follows.source.files()).unwrap_or_default());
        Self { requests, follows, watch, said: None }
    }
}

impl Running {
    /// Waits until there is something to see to.
    pub(super) async fn event(&mut self) -> Event {
        tokio::select! {
            () = self.tokens.fault() => Event::Fault,
            request = self.reloads.requests.next() => Event::Reload(request),
            () = self.reloads.watch.changed() => Event::Reload(Request::of_nobody(Cause::File)),
        }
    }

    /// Reads the configuration and puts it into force; one that cannot be used leaves the old one there. A stop does not
    /// wait for it.
    pub(super) async fn reload(&mut self, request: Request, control: &Control) {
        let before = self.reloads.watch.look().await;
        let outcome = tokio::select! {
            prepared = self.prepare() => match prepared {
                Ok((prepared, reloaded)) => {
                    self.put_into_force(prepared).await;
                    Ok(reloaded)
                }
                Err(refused) => Err(refused),
            },
            () = control.reached(Stage::Draining) => return,
        };
        let files = self.reloads.follows.as_ref().map(|follows| follows.source.files()).unwrap_or_default();
        self.reloads.watch.has_read(files, before, outcome.is_ok());
        self.say(request.cause, &outcome);
        request.answer(outcome);
    }

    async fn prepare(&mut self) -> Result<(Prepared, Reloaded), Refused> {
        let Some(follows) = &mut self.reloads.follows else {
            return Err(Refused(vec!["this gateway has no configuration to read again".to_owned()]));
        };
        let Loaded { config, warnings, .. } = follows.load().await?;
        let plan = self.server.plan(config.listeners.iter().map(parts::listener)).map_err(AppError::from);
        let setup = self.in_force.load_full();
        let before = Before { setup: &setup, origin: &self.origin, listeners: self.server.numbers().collect() };
        let prepared = match plan {
            Ok(plan) => Prepared::new(config, plan, &self.tokens, &self.counters, Some(before)).await,
            Err(error) => Err(error),
        };
        let prepared = prepared.map_err(|error| Refused(vec![error.to_string()]))?;
        let changed = fixed(&prepared.config).into_iter().zip(&self.fixed).filter(|(new, old)| new != *old);
        let needs_restart = changed.map(|((key, _), _)| key.to_owned()).collect();
        let warnings = warnings.iter().map(ToString::to_string).collect();
        Ok((prepared, Reloaded { warnings, needs_restart }))
    }

    /// Nothing in here fails. Requests see the setup before new listeners bring any.
    async fn put_into_force(&mut self, prepared: Prepared) {
        let Prepared { config, plan, setup, origin, change } = prepared;
        self.tokens.apply(change);
        self.in_force.store(setup);
        self.server.apply(plan, &parts::limits(&config)).await;
        self.origin = origin;
        self.counters.observations.log_lines(config.log.access);
        let log = self.reloads.follows.as_ref().and_then(|follows| follows.telemetry.as_ref());
        if let Some(log) = log {
            log.set_level(config.log.level);
        }
    }

    /// Into the log; what a file that goes on being wrong is about, once.
    fn say(&mut self, cause: Cause, outcome: &Outcome) {
        let said = std::mem::replace(&mut self.reloads.said, outcome.as_ref().err().cloned());
        match outcome {
            Ok(reloaded) => {
                tracing::info!(%cause, "the configuration was read again and is in force");
                for warning in &reloaded.warnings {
                    tracing::warn!("{warning}");
                }
                for key in &reloaded.needs_restart {
                    tracing::warn!("{key}: has changed, which takes effect with the next start");
                }
            }
            Err(refused) if cause == Cause::File && said.as_ref() == Some(refused) => {}
            Err(Refused(problems)) => {
                for problem in problems {
                    tracing::error!(%cause, "the configuration cannot be used, and the old one stays in force: {problem}");
                }
            }
        }
    }

    /// Sees the drain through to its end. Nothing is fetched ahead of time meanwhile.
    pub(super) async fn finish(self) {
        self.tokens.rest();
        self.server.finished().await;
    }
}

impl Follows {
    /// Reads the files where it may block.
    async fn load(&mut self) -> Result<Loaded, Refused> {
        let mut source = self.source.clone();
        let loading = tokio::task::spawn_blocking(move || (source.load(), source));
        let Ok((loaded, source)) = loading.await else {
            return Err(Refused(vec!["the configuration could not be read, by a fault in wxgate".to_owned()]));
        };
        self.source = source;
        loaded.map_err(|problems| Refused(problems.0.iter().map(ToString::to_string).collect()))
    }
}

pub(super) fn fixed(config: &Config) -> Fixed {
    [
        ("server.workers", config.server.workers.to_string()),
        ("admin", format!("{:?} {:?}", config.admin, config.admin.token.as_ref().map(fingerprint))),
        ("store", format!("{:?}", config.store)),
        ("log.format", format!("{:?}", config.log.format)),
    ]
}

/// What tells one secret from another, and nothing else of either.
fn fingerprint(secret: &SecretString) -> Vec<u8> {
    digest(&SHA256, secret.expose_secret().as_bytes()).as_ref().to_vec()
}
