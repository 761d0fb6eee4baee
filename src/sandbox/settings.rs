//! What a sandbox is started with.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio_rustls::rustls::ServerConfig;

use super::ledger::Rules;
use crate::secret::SecretString;

/// The appid that a default sandbox knows.
pub const DEFAULT_APPID: &str = "wx0000000000sandbox";
/// The AppSecret of [`DEFAULT_APPID`]; as public as this line.
pub const DEFAULT_SECRET: &str = "5a6e7d05a6e7d05a6e7d05a6e7d05a6e";

/// What a sandbox is started with; the default is one account on a free port, in clear.
#[derive(Clone)]
pub struct Settings {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Set: TLS, with HTTP/1.1 as the only protocol offered, whatever the config lists.
    pub tls: Option<Arc<ServerConfig>>,
    /// The accounts that exist.
    pub accounts: Vec<Account>,
    /// Lifetimes and quotas.
    pub rules: Rules,
    /// Whether this issuer has the stable endpoint.
    pub stable_endpoint: StableEndpoint,
    /// The addresses that may use the AppSecret; `None` admits all.
    pub whitelist: Option<Vec<IpAddr>>,
    /// How long a connection may wait for its next request; 60 s. Some of WeChat's close within
    /// seconds (wechat.md §4).
    pub idle: Duration,
    /// How many bytes of uploaded media are remembered, the oldest being forgotten first; 64 MiB.
    pub media_memory: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            tls: None,
            accounts: vec![Account::new(DEFAULT_APPID, DEFAULT_SECRET)],
            rules: Rules::default(),
            stable_endpoint: StableEndpoint::Present,
            whitelist: None,
            idle: Duration::from_secs(60),
            media_memory: 64 << 20,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .field("accounts", &self.accounts)
            .finish_non_exhaustive()
    }
}

/// An account that exists in the sandbox.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its public name, e.g. `wx…`.
    pub appid: String,
    /// Its AppSecret.
    pub secret: SecretString,
}

impl Account {
    /// An account from its two texts.
    pub fn new(appid: &str, secret: &str) -> Self {
        Self { appid: appid.to_owned(), secret: SecretString::from(secret) }
    }
}

/// Whether the issuer has `/cgi-bin/stable_token`; if not, how it says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StableEndpoint {
    /// It is there.
    #[default]
    Present,
    /// An HTTP status: 404, 405 or 501.
    Status(StatusCode),
    /// HTTP 200 with errcode 40066, `invalid url`.
    InvalidUrl,
}
