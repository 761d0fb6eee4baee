//! Asking an admin listener.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use reqwest::{StatusCode, Url};
use serde::Deserialize;

use crate::cli::reachable;
use crate::config::{self, Environment, ListenAddress};
use crate::egress;

/// One question: on the same machine, an answer takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// The default of `admin.address`.
const DEFAULT: &str = "127.0.0.1:8081";
const VARIABLE: &str = "WXGATE_ADMIN_ADDRESS";

/// An admin listener.
pub(super) struct Admin {
    http: reqwest::Client,
    place: Place,
}

/// Where one is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What it says, in words.
pub(super) enum Standing {
    /// All is well.
    Good(String),
    /// Not, or not yet.
    Bad(String),
    /// Not, and asking again would not help.
    Never(String),
}

/// `/readyz`.
#[derive(Deserialize)]
struct Readiness {
    ready: bool,
    #[serde(default)]
    stopping: bool,
    #[serde(default)]
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    name: String,
    ready: bool,
    reason: String,
}

impl Admin {
    /// The listener at `place`; where none is given, that of the configuration at `path`, where there is one that can be
    /// used: whoever waits for a gateway need not have its secrets.
    pub(super) fn of(place: Option<Place>, path: Option<&Path>) -> Result<Self, String> {
        let place = place.map_or_else(|| configured(path), Ok)?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(egress::without_roots())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .http1_only();
        if let Place::Unix(path) = &place {
            builder = builder.unix_socket(path.as_path());
        }
        Ok(Self { http: builder.build().map_err(egress::cause_of)?, place })
    }

    pub(super) async fn liveness(&self) -> Standing {
        match self.get("/livez", None).await {
            Ok((StatusCode::OK, _)) => Standing::Good("alive".to_owned()),
            Ok((status, _)) => Standing::Bad(self.stranger(status)),
            Err(problem) => Standing::Bad(problem),
        }
    }

    pub(super) async fn readiness(&self, account: Option<&str>) -> Standing {
        let (status, body) = match self.get("/readyz", account).await {
            Ok(answer) => answer,
            Err(problem) => return Standing::Bad(problem),
        };
        match (status, serde_json::from_slice::<Readiness>(&body)) {
            (StatusCode::NOT_FOUND, Ok(_)) => {
                Standing::Never(format!("there is no account {:?} there", account.unwrap_or_default()))
            }
            (_, Ok(readiness)) if readiness.ready => Standing::Good("ready".to_owned()),
            (_, Ok(readiness)) if readiness.stopping => Standing::Bad("it is stopping".to_owned()),
            (_, Ok(readiness)) => {
                let lacking = readiness.accounts.iter().filter(|account| !account.ready);
                let said: Vec<_> =
                    lacking.map(|account| format!("account {}: {}", account.name, account.reason)).collect();
                Standing::Bad(said.join("; "))
            }
            (status, Err(_)) => Standing::Bad(self.stranger(status)),
        }
    }

    async fn get(&self, path: &str, account: Option<&str>) -> Result<(StatusCode, Vec<u8>), String> {
        let failed = |error| {
            let cause = egress::cause_of(error);
            format!("nobody answers at {} ({cause}); is wxgate running, and is this its admin.address?", self.place)
        };
        let origin = match &self.place {
            Place::Tcp(address) => format!("http://{}", reachable(*address)),
            Place::Unix(_) => "http://localhost".to_owned(),
        };
        let url = Url::parse_with_params(&format!("{origin}{path}"), account.map(|name| ("account", name)));
        let answer = self.http.get(url.map_err(|error| error.to_string())?).send().await.map_err(failed)?;
        let status = answer.status();
        Ok((status, answer.bytes().await.map_err(failed)?.to_vec()))
    }

    fn stranger(&self, status: StatusCode) -> String {
        format!("what answers at {} is no wxgate's admin listener: status {}", self.place, status.as_u16())
    }
}

fn configured(path: Option<&Path>) -> Result<Place, String> {
    if let Ok(loaded) = config::load(path, &Environment::of_process()) {
        return match loaded.config.admin.address {
            Some(ListenAddress::Tcp(address)) => Ok(Place::Tcp(address)),
            Some(ListenAddress::Unix { path, .. }) => Ok(Place::Unix(path)),
            None => Err("admin.address is \"off\", so nobody can be asked".to_owned()),
        };
    }
    let text = std::env::var(VARIABLE).unwrap_or_else(|_| DEFAULT.to_owned());
    text.parse().map_err(|error| format!("{VARIABLE}: {error}"))
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Self::Unix(path.into())),
            _ => {
                text.parse().map(Self::Tcp).map_err(|_| format!("must be an address, such as {DEFAULT}, or unix:/path"))
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{}", reachable(*address)),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
