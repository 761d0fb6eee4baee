//! What makes a running gateway read its configuration again, and where it finds it.

use aws_lc_rs::digest::{SHA256, digest};

use super::watch::Watch;
use crate::config::{Config, Loaded, Source};
use crate::reload::{Refused, Requests};
use crate::secret::{ExposeSecret, SecretString};
use crate::telemetry::Telemetry;

/// Where a running gateway gets its configuration anew, and what else follows it.
pub(super) struct Follows {
    pub(super) source: Source,
    pub(super) telemetry: Option<Telemetry>,
}

/// What makes it read its configuration again.
pub(super) struct Reloads {
    pub(super) requests: Requests,
    pub(super) follows: Option<Follows>,
    pub(super) watch: Watch,
    /// What is wrong with the files, as it was last said.
    pub(super) said: Option<Refused>,
}

/// The keys that only another start changes, each with its value written out.
pub(super) type Fixed = [(&'static str, String); 4];

impl Reloads {
    pub(super) fn new(requests: Requests, follows: Option<Follows>) -> Self {
        let watch = Watch::new(follows.as_ref().map(|follows| follows.source.files()).unwrap_or_default());
        Self { requests, follows, watch, said: None }
    }
}

impl Follows {
    /// Reads the files where it may block.
    pub(super) async fn load(&mut self) -> Result<Loaded, Refused> {
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
