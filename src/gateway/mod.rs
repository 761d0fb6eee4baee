//! The request's path, one file a step:
//!
//! [`admit`] → [`route`] → [`body`] → [`forward`]: token → [`rewrite`] → send → [`mod@judge`] → (heal) → [`mod@reply`]

mod admit;
mod body;
mod error;
mod exchange;
mod forward;
mod in_flight;
mod judge;
mod local;
mod placeholder;
mod reply;
mod retry;
pub mod rewrite;
mod route;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Request, Response};

pub use admit::{Caller, CallerSettings, Callers, Method as AdmitMethod, PathList, Peer, Rate, Rules};
pub use body::{Limits as BodyLimits, MemoryBudget, Outgoing};
pub use error::{Error, Kind};
pub use in_flight::InFlight;
pub use placeholder::{Claims, Placeholder, PlaceholderKey, SecretId};
pub use reply::ReplyBody;
pub use route::{Account, Accounts, Action, Route, Selected};

use crate::config::TokenEndpoint;
use crate::observe::Observer;
use crate::upstream::Upstream;
use admit::{Identified, Shown, identify};
use exchange::Exchange;
use forward::{Call, Credentials};
use local::TokenCall;
use reply::refusal;

/// One worker's gateway. What it shares with the other workers is behind an [`Arc`].
pub struct Gateway {
    /// All accounts.
    pub accounts: Arc<Accounts>,
    /// All callers that listeners may demand.
    pub callers: Arc<Callers>,
    /// This worker's way to WeChat.
    pub upstream: Upstream<Outgoing>,
    /// The upstream's name for `Host`.
    pub host: HeaderValue,
    /// How bodies are taken in.
    pub body: BodyLimits,
    /// When and how to send once more.
    pub heal: Heal,
    /// How long a request waits for a token.
    pub token_wait: Duration,
    /// How many requests there are.
    pub in_flight: Arc<InFlight>,
    /// This worker's view of them.
    pub observer: Rc<Observer>,
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
    pub admits: Vec<AdmitMethod>,
}

impl Gateway {
    /// Answers one request that `peer` sent through `door`.
    pub async fn handle(&self, request: Request<Incoming>, door: &Door, peer: Peer<'_>) -> Response<ReplyBody> {
        let (head, body) = request.into_parts();
        let exchange = Exchange::begin(&self.observer, &head, peer.address);
        let mut answer = self.answer(&head, body, door, peer, &exchange).await.unwrap_or_else(|error| {
            error.log(&head);
            exchange.failed(error.kind());
            refusal(&error)
        });
        exchange.answered(answer.status().as_u16(), answer.headers_mut());
        answer.body_mut().belongs_to(exchange);
        answer
    }

    async fn answer(
        &self,
        head: &Parts,
        body: Incoming,
        door: &Door,
        peer: Peer<'_>,
        exchange: &Exchange,
    ) -> Result<Response<ReplyBody>, Error> {
        door.rules.admit(head)?;
        let route = self.accounts.route(head.uri.path(), head.uri.query(), &head.headers, door.account.as_deref())?;
        exchange.routed(&route, head);
        let admitted = self.admit(head, &route, door, peer, exchange)?;
        let permit = self.in_flight.enter()?;
        let longest = match route.action {
            // A caller that is not admitted yet must not fill the disk.
            Action::TokenEndpoint(..) => self.body.limit.min(local::LONGEST_BODY),
            _ => self.body.limit,
        };
        let body = body::collect(body, &self.body, longest).await?;
        exchange.received(body.length());
        let authorization_served = admitted.is_some_and(|identified| identified.by == AdmitMethod::Bearer);
        let call =
            Call { head, path: route.path, query: route.query, body: &body, authorization_served, permit, exchange };
        match route.action {
            Action::Token(account) => self.with_token(call, Credentials { account: &account, secret: None }).await,
            Action::TokenAndSecret(account, name) => {
                self.with_token(call, Credentials { account: &account, secret: Some(name) }).await
            }
            Action::Secret(account, name) => self.with_secret(call, &account, name).await,
            Action::Nothing | Action::Foreign => self.untouched(call).await,
            Action::TokenEndpoint(selected, endpoint) => {
                let call =
                    TokenCall { endpoint, head, path: route.path, query: route.query, body: &body, peer, exchange };
                let (accounts, callers, wait) = (&self.accounts, &self.callers, self.token_wait);
                Ok(reply::own(local::token_answer(accounts, callers, selected, call, door, wait).await?))
            }
        }
    }

    /// Who calls and whether it may, where the door demands callers. The token endpoints see to it themselves, since the
    /// credential may stand in the body.
    fn admit(
        &self,
        head: &Parts,
        route: &Route<'_>,
        door: &Door,
        peer: Peer<'_>,
        exchange: &Exchange,
    ) -> Result<Option<Identified>, Error> {
        if door.admits.is_empty() || matches!(route.action, Action::TokenEndpoint(..)) {
            return Ok(None);
        }
        let query = route.query.unwrap_or_default();
        let secret = match route.action {
            Action::Secret(_, name) | Action::TokenAndSecret(_, name) => rewrite::values(query, name.as_str()).next(),
            Action::Foreign => rewrite::values(query, "secret").chain(rewrite::values(query, "appsecret")).next(),
            Action::Token(_) | Action::Nothing | Action::TokenEndpoint(..) => None,
        };
        let claims = route.placeholder.as_ref().and_then(Placeholder::claims);
        let shown = Shown { peer, headers: &head.headers, claims, secret: secret.as_deref() };
        let identified = identify(&self.callers, &door.admits, shown)?;
        exchange.identified(&identified.caller);
        // Only now: which appids are ours is nobody's business who is not admitted.
        if matches!(route.action, Action::Foreign) {
            return Err(Error::UnknownAccount);
        }
        identified.caller.may(route.path, route.action.account().map(|account| account.name.as_str()))?;
        Ok(Some(identified))
    }
}
