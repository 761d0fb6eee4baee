//! The request's path, one file a step:
//!
//! [`admit`] → [`route`] → [`body`] → [`forward`]: token → [`rewrite`] → send → [`mod@judge`] → (heal) → [`mod@reply`]

mod admit;
mod body;
mod error;
mod exchange;
mod fields;
mod forward;
mod in_flight;
mod judge;
mod local;
mod placeholder;
mod reply;
mod retry;
pub mod rewrite;
mod route;
mod setup;

use std::rc::Rc;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};

pub use admit::{Caller, CallerSettings, Callers, Method as AdmitMethod, PathList, Peer, Rate, Rules};
pub use body::{Limits as BodyLimits, MemoryBudget, Outgoing};
pub use error::{Error, Kind};
pub use fields::Fields;
pub use in_flight::InFlight;
pub use placeholder::{Claims, Placeholder, PlaceholderKey, SecretId};
pub use reply::ReplyBody;
pub use route::{Account, Accounts, Action, Route, Selected};
pub use setup::{Door, Heal, Setup, Way};

use crate::observe::Observer;
use crate::upstream::{ConnectError, Upstream};
use admit::{Identified, Shown, identify};
use exchange::Exchange;
use forward::{Call, Credentials};
use reply::refusal;

/// One worker's gateway under one [`Setup`].
pub struct Gateway {
    setup: Arc<Setup>,
    /// This worker's way to WeChat.
    upstream: Rc<Upstream>,
    /// This worker's view of requests.
    observer: Rc<Observer>,
}

impl Gateway {
    /// The first gateway of a worker, which notes what it sees in `observer`.
    ///
    /// # Errors
    /// The upstream's name cannot be connected to.
    pub fn new(setup: Arc<Setup>, observer: Rc<Observer>) -> Result<Self, ConnectError> {
        let upstream = Rc::new(setup.way.upstream()?);
        Ok(Self { setup, upstream, observer })
    }

    /// The same worker's gateway under another setup. It keeps its connections to WeChat where the way there is the same.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn under(&self, setup: Arc<Setup>) -> Result<Self, ConnectError> {
        let observer = Rc::clone(&self.observer);
        if Arc::ptr_eq(&setup.way, &self.setup.way) {
            return Ok(Self { setup, upstream: Rc::clone(&self.upstream), observer });
        }
        Self::new(setup, observer)
    }

    /// What it works under.
    pub fn setup(&self) -> &Arc<Setup> {
        &self.setup
    }

    /// Answers one request that `peer` sent through the listener of this number.
    // Little is kept in the future across its awaits, here and below: all of it is copied when the future moves into its
    // box, and beyond 1 KiB a box costs the allocator ten times as much (docs/performance.md).
    pub fn handle(
        self: Rc<Self>,
        request: Request<Incoming>,
        listener: usize,
        peer: Peer,
    ) -> impl Future<Output = Response<ReplyBody>> + use<> {
        let (head, mut body) = request.into_parts();
        let exchange = Box::new(Exchange::begin(&self.observer, head, peer));
        async move {
            let mut answer = self.answer(&mut body, listener, &exchange).await.unwrap_or_else(|error| {
                error.log(&exchange.head, exchange.id());
                exchange.failed(error.kind());
                refusal(&error)
            });
            exchange.answered(answer.status().as_u16(), answer.headers_mut());
            answer.body_mut().belongs_to(exchange);
            answer
        }
    }

    async fn answer(
        &self,
        body: &mut Incoming,
        listener: usize,
        exchange: &Exchange,
    ) -> Result<Response<ReplyBody>, Error> {
        let setup = &*self.setup;
        let door = setup.door(listener)?;
        let Admitted { path, query, action, authorization_served } = self.admit(door, exchange)?;
        let (longest, permit) = match action {
            // A caller that is not admitted yet must not fill the disk, nor hold a place for as long as it likes to talk.
            Action::TokenEndpoint(..) => (setup.body.limit.min(local::LONGEST_BODY), None),
            _ => (setup.body.limit, Some(setup.in_flight.enter()?)),
        };
        let body = body::collect(body, &setup.body, longest).await?;
        let permit = permit.map_or_else(|| setup.in_flight.enter(), Ok)?;
        exchange.received(body.length());
        let call = Call { path, query, body: &body, authorization_served, exchange };
        match action {
            Action::Token(account) => {
                self.with_token(&call, Credentials { account: &account, secret: None }, permit).await
            }
            Action::TokenAndSecret(account, name) => {
                self.with_token(&call, Credentials { account: &account, secret: Some(name) }, permit).await
            }
            Action::Secret(account, name) => self.with_secret(&call, &account, name, permit).await,
            Action::Nothing | Action::Foreign => self.untouched(&call, permit).await,
            Action::TokenEndpoint(selected, endpoint) => {
                Ok(reply::own(local::token_answer(setup, selected, endpoint, &call, door).await?))
            }
        }
    }

    /// Whether the request may be made here, and what is to be done with it.
    fn admit<'r>(&self, door: &Door, exchange: &'r Exchange) -> Result<Admitted<'r>, Error> {
        let head = &exchange.head;
        let fields = Fields::of(&head.headers);
        door.rules.admit(head, &fields)?;
        let route = self.setup.accounts.route(head.uri.path(), head.uri.query(), &fields, door.account.as_deref())?;
        exchange.routed(&route);
        let identified = self.identify(&route, door, exchange)?;
        let authorization_served = identified.is_some_and(|identified| identified.by == AdmitMethod::Bearer);
        let Route { path, query, action, placeholder: _ } = route;
        Ok(Admitted { path, query, action, authorization_served })
    }

    /// Who calls and whether it may, where the door demands callers. The token endpoints see to it themselves, since the
    /// credential may stand in the body.
    fn identify(&self, route: &Route<'_>, door: &Door, exchange: &Exchange) -> Result<Option<Identified>, Error> {
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
        let shown = Shown { peer: &exchange.peer, headers: &exchange.head.headers, claims, secret: secret.as_deref() };
        let identified = identify(&self.setup.callers, &door.admits, shown)?;
        exchange.identified(&identified.caller);
        // Only now: which appids are ours is nobody's business who is not admitted.
        if matches!(route.action, Action::Foreign) {
            return Err(Error::UnknownAccount);
        }
        let account = route.action.account().map(|account| account.name.as_str());
        identified.caller.may(route.path, account, exchange.id())?;
        Ok(Some(identified))
    }
}

/// A request that may be made: where it goes, and what is to be done with it.
struct Admitted<'a> {
    path: &'a str,
    query: Option<&'a str>,
    action: Action,
    /// Its `Authorization` was for us.
    authorization_served: bool,
}
