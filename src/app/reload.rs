//! Another configuration comes into force without a stop.

use super::error::AppError;
use super::parts;
use super::prepared::{Before, Prepared};
use super::reloads::fixed;
use super::running::Running;
use crate::config::Loaded;
use crate::reload::{Cause, Outcome, Refused, Reloaded, Request};
use crate::stage::{Control, Stage};
use crate::supervisor;

impl Running {
    /// Reads the configuration and puts it into force; one that cannot be used leaves the old one there. A stop does not
    /// wait for it.
    pub(super) async fn reload(&mut self, request: Request, control: &Control) {
        supervisor::reloading();
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
        supervisor::ready();
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
        let Prepared { config, plan, setup, origin, change, exporter } = prepared;
        self.tokens.apply(change);
        self.in_force.store(setup);
        self.server.apply(plan, &parts::limits(&config)).await;
        self.origin = origin;
        self.counters.observations.log_lines(config.log.access);
        self.counters.observations.traces.put_into_force(exporter);
        self.stop_times.send_replace(parts::stop_times(&config));
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
}
