//! Who hands tokens out, as the refresher sees it (wechat.md §1).

use std::time::Duration;

use super::failure::Failure;
use crate::secret::SecretString;

/// One of the calls that bring a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// `GET /cgi-bin/token`: mints at each call.
    Classic,
    /// `POST /cgi-bin/stable_token` in normal mode: the same token until its last 5 minutes.
    Stable,
    /// `POST /cgi-bin/stable_token` with `force_refresh`: kills the token before.
    Forced,
}

impl Fetch {
    /// Its name in logs and in stores.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Stable => "stable",
            Self::Forced => "forced",
        }
    }

    /// The call of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Classic, Self::Stable, Self::Forced].into_iter().find(|fetch| fetch.name() == name)
    }
}

/// What a token endpoint handed out.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The token.
    pub token: SecretString,
    /// Its life from now on: 1 s … 7,200 s.
    pub expires_in: Duration,
}

/// What WeChat says of a token when it is asked directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// A rejecting errcode.
    Dead,
    /// Any other answer.
    Alive,
    /// No answer.
    Unknown,
}

/// Who hands tokens out for one account.
pub trait Issuer: Send + Sync + 'static {
    /// Asks for a token.
    fn fetch(&self, fetch: Fetch) -> impl Future<Output = Result<Issued, Failure>> + Send;
    /// Asks WeChat whether this token is dead, at an endpoint that has no other effect.
    fn ask(&self, token: &SecretString) -> impl Future<Output = Liveness> + Send;
}
