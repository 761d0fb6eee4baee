//! Everything that requests read of the configuration, as one whole.

use std::sync::Arc;
use std::time::Duration;

use super::admit::{Callers, Method, Rules};
use super::body::Limits as BodyLimits;
use super::error::Error;
use super::in_flight::InFlight;
use super::route::Accounts;
use crate::config::TokenEndpoint;
use crate::egress::Egress;
use crate::upstream::{ConnectError, Deadlines, Keeping, Upstream};

/// What one reading of the configuration makes of requests. It never changes: a reload puts another in its place, and a
/// request works under the one that it began with.
pub struct Setup {
    /// All accounts.
    pub accounts: Accounts,
    /// All callers that listeners may demand.
    pub callers: Callers,
    /// The listeners, each with its number. There are few, so they are searched one by one.
    pub doors: Vec<(usize, Arc<Door>)>,
    /// The way to WeChat. While it is the same [`Arc`], workers keep their connections.
    pub way: Arc<Way>,
    /// How bodies are taken in.
    pub body: BodyLimits,
    /// When and how to send once more.
    pub heal: Heal,
    /// How long a request waits for a token.
    pub token_wait: Duration,
    /// How many requests there are.
    pub in_flight: InFlight,
}

/// What each worker makes its connections to WeChat from.
pub struct Way {
    /// How they are made.
    pub egress: Egress,
    /// How long each part of an exchange may take.
    pub deadlines: Deadlines,
    /// How long connections are kept.
    pub keeping: Keeping,
}

/// When and how to send once more.
#[derive(Debug, Clone)]
pub struct Heal {
    /// The errcodes that mean "this token is bad".
    pub errcodes: Vec<i64>,
    /// Before a token is tried again that WeChat says is alive.
    pub pause: Duration,
}

/// What differs from listener to listener.
#[derive(Debug, Clone)]
pub struct Door {
    /// What a request must be like.
    pub rules: Rules,
    /// The account that the listener speaks for.
    pub account: Option<String>,
    /// What the token endpoints answer.
    pub token_endpoint: TokenEndpoint,
    /// How callers show who they are, in this order; empty where nobody has to.
    pub admits: Vec<Method>,
}

impl Setup {
    /// # Errors
    /// There is no such listener; a setup has all from which requests can come.
    pub(super) fn door(&self, listener: usize) -> Result<&Door, Error> {
        self.doors.iter().find(|(number, _)| *number == listener).map(|(_, door)| &**door).ok_or(Error::Misdirected)
    }
}

impl Way {
    /// Connections of one worker's own.
    ///
    /// # Errors
    /// The upstream's name cannot be connected to.
    pub fn upstream(&self) -> Result<Upstream, ConnectError> {
        Upstream::new(&self.egress, self.deadlines, self.keeping)
    }
}
