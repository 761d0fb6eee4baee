//! The request's path, one file a step:
//!
//! [`admit`] → [`route`] → [`body`] → token → [`rewrite`] → send → [`judge`] → (heal) → [`reply`]

mod admit;
mod body;
mod error;
mod in_flight;
mod judge;
mod local;
mod placeholder;
mod reply;
mod rewrite;
mod route;

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, Uri};

pub use admit::{Caller, CallerSettings, Callers, Method as AdmitMethod, PathList, Peer, Rate, Rules};
pub use body::{Limits as BodyLimits, MemoryBudget, Outgoing};
pub use error::{Error, Kind};
pub use in_flight::InFlight;
pub use placeholder::{Claims, Placeholder, PlaceholderKey, SecretId};
pub use reply::ReplyBody;
pub use route::{Account, Accounts};

use crate::config::TokenEndpoint;
use crate::secret::{ExposeSecret, SecretString};
use crate::token::{Remedy, Token};
use crate::upstream::{SendError, Upstream};
use crate::wechat::SecretName;
use admit::{Identified, Shown, identify};
use body::Collected;
use in_flight::Permit;
use judge::{Judged, Verdict, judge, unjudged};
use local::TokenCall;
use reply::{Retry, refusal, reply};
use rewrite::Pair;
use route::{Action, Route};

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

/// A request on its way: its head and body as the caller sent them, and where it goes without the query.
struct Call<'a> {
    head: &'a Parts,
    path: &'a str,
    query: Option<&'a str>,
    body: &'a Collected,
    /// Its `Authorization` was for us.
    authorization_served: bool,
}

impl Gateway {
    /// Answers one request that `peer` sent through `door`.
    pub async fn handle(&self, request: Request<Incoming>, door: &Door, peer: Peer<'_>) -> Response<ReplyBody> {
        let (head, body) = request.into_parts();
        match self.answer(&head, body, door, peer).await {
            Ok(answer) => answer,
            Err(error) => {
                log(&head, &error);
                refusal(&error)
            }
        }
    }

    async fn answer(
        &self,
        head: &Parts,
        body: Incoming,
        door: &Door,
        peer: Peer<'_>,
    ) -> Result<Response<ReplyBody>, Error> {
        door.rules.admit(head)?;
        let route = self.accounts.route(head.uri.path(), head.uri.query(), &head.headers, door.account.as_deref())?;
        let admitted = self.admit(head, &route, door, peer)?;
        let permit = self.in_flight.enter()?;
        let longest = match route.action {
            // A caller that is not admitted yet must not fill the disk.
            Action::TokenEndpoint(..) => self.body.limit.min(local::LONGEST_BODY),
            _ => self.body.limit,
        };
        let body = body::collect(body, &self.body, longest).await?;
        let authorization_served = admitted.is_some_and(|identified| identified.by == AdmitMethod::Bearer);
        let call = Call { head, path: route.path, query: route.query, body: &body, authorization_served };
        match route.action {
            Action::Token(account) => self.with_token(&call, &account, None, permit).await,
            Action::TokenAndSecret(account, name) => self.with_token(&call, &account, Some(name), permit).await,
            Action::Secret(account, name) => self.with_secret(&call, &account, name, permit).await,
            Action::Nothing | Action::Foreign => self.untouched(&call, permit).await,
            Action::TokenEndpoint(selected, endpoint) => {
                let call = TokenCall { endpoint, head, path: route.path, query: route.query, body: &body, peer };
                let (accounts, callers, wait) = (&self.accounts, &self.callers, self.token_wait);
                Ok(reply::own(local::token_answer(accounts, callers, selected, call, door, wait).await?))
            }
        }
    }

    /// Who calls and whether it may, where the door demands callers. The token endpoints see to it themselves, since the
    /// credential may stand in the body.
    fn admit(&self, head: &Parts, route: &Route<'_>, door: &Door, peer: Peer<'_>) -> Result<Option<Identified>, Error> {
        if door.admits.is_empty() || matches!(route.action, Action::TokenEndpoint(..)) {
            return Ok(None);
        }
        let secret = match route.action {
            Action::Secret(_, name) | Action::TokenAndSecret(_, name) => {
                rewrite::values(route.query.unwrap_or_default(), name.as_str()).next()
            }
            Action::Foreign => return Err(Error::UnknownAccount),
            Action::Token(_) | Action::Nothing | Action::TokenEndpoint(..) => None,
        };
        let claims = route.placeholder.as_ref().and_then(Placeholder::claims);
        let shown = Shown { peer, headers: &head.headers, claims, secret: secret.as_deref() };
        let identified = identify(&self.callers, &door.admits, shown)?;
        identified.caller.may(route.path, route.action.account().map(|account| account.name.as_str()))?;
        Ok(Some(identified))
    }

    /// The account's token goes in, the answer is judged, and a refusal is healed once.
    async fn with_token(
        &self,
        call: &Call<'_>,
        account: &Account,
        secret: Option<SecretName>,
        permit: Permit,
    ) -> Result<Response<ReplyBody>, Error> {
        let token = account.token.usable(self.token_wait).await.map_err(Error::NoToken)?;
        let judged = self.try_token(call, account, secret, &token).await?;
        let secrets = secrets_of(account, &token);
        let Verdict::Rejected(errcode) = judged.verdict else { return Ok(reply(judged, &secrets, permit)) };
        let generation = token.generation();
        tracing::debug!(account = account.name, path = call.path, errcode, generation, "WeChat refused the token");
        let fresh = match account.token.rejected(generation, self.token_wait).await {
            Remedy::Newer(fresh) => fresh,
            Remedy::Alive(token) => {
                tokio::time::sleep(self.heal.pause).await;
                token
            }
            // The log says why, once, where it arose.
            Remedy::Failed(_) | Remedy::Withheld(_) | Remedy::TimedOut => {
                return Ok(marked(Retry::Failed, reply(judged, &secrets, permit)));
            }
        };
        let fresh_secrets = secrets_of(account, &fresh);
        match self.try_token(call, account, secret, &fresh).await {
            Ok(second) if second.verdict == Verdict::Accepted => {
                Ok(marked(Retry::Healed, reply(second, &fresh_secrets, permit)))
            }
            Ok(second) => {
                let (path, generation) = (call.path, fresh.generation());
                tracing::warn!(
                    account = account.name,
                    path,
                    generation,
                    "WeChat did not take the request a second time"
                );
                Ok(marked(Retry::Failed, reply(second, &fresh_secrets, permit)))
            }
            // Never sent: WeChat's refusal is its last word.
            Err(Error::Upstream(SendError::Connect(error))) => {
                tracing::warn!(account = account.name, path = call.path, %error, "the request could not be sent again");
                Ok(marked(Retry::Failed, reply(judged, &secrets, permit)))
            }
            // Sent, and perhaps done: the refusal would be a lie.
            Err(error) => {
                log(call.head, &error);
                Ok(marked(Retry::Failed, refusal(&error)))
            }
        }
    }

    async fn try_token(
        &self,
        call: &Call<'_>,
        account: &Account,
        secret: Option<SecretName>,
        token: &Token,
    ) -> Result<Judged, Error> {
        let token_pair = ("access_token", token.in_query().expose_secret());
        let answer = match secret {
            None => self.send(call, &["access_token"], &[token_pair]).await?,
            Some(name) => {
                let removed = ["access_token", "appid", "secret", "appsecret"];
                let [appid, secret] = secret_pair(account, name);
                self.send(call, &removed, &[token_pair, appid, secret]).await?
            }
        };
        let judged = judge(answer, &self.heal.errcodes).await;
        if judged.verdict == Verdict::Accepted {
            token.accept();
        }
        Ok(judged)
    }

    /// The account's appid and secret go in; never judged, never healed (DESIGN §8).
    async fn with_secret(
        &self,
        call: &Call<'_>,
        account: &Account,
        name: SecretName,
        permit: Permit,
    ) -> Result<Response<ReplyBody>, Error> {
        let answer = self.send(call, &["appid", "secret", "appsecret"], &secret_pair(account, name)).await?;
        Ok(reply(unjudged(answer), &[&account.secret, &account.secret_in_query], permit))
    }

    /// Another credential than the account's is in it already, or none is needed.
    async fn untouched(&self, call: &Call<'_>, permit: Permit) -> Result<Response<ReplyBody>, Error> {
        let answer = self.send(call, &[], &[]).await?;
        Ok(reply(unjudged(answer), &[], permit))
    }

    async fn send(
        &self,
        call: &Call<'_>,
        removed: &[&str],
        added: &[Pair<'_>],
    ) -> Result<crate::upstream::Answer<Outgoing>, Error> {
        let target = rewrite::target(call.path, call.query, removed, added);
        let uri = Uri::try_from(target).map_err(|_| Error::Target)?;
        let length = length_to_state(&call.head.method, &call.head.headers, call.body);
        let request = || {
            let mut request = Request::new(call.body.outgoing());
            *request.method_mut() = call.head.method.clone();
            *request.uri_mut() = uri.clone();
            *request.headers_mut() =
                rewrite::outgoing(&call.head.headers, &self.host, length, call.authorization_served);
            request
        };
        Ok(self.upstream.send(call.head.method.is_idempotent(), request).await?)
    }
}

/// What an answer's fields must not tell, also in the form in which it stood in the query.
fn secrets_of<'a>(account: &'a Account, token: &'a Token) -> [&'a SecretString; 4] {
    [token.value(), token.in_query(), &account.secret, &account.secret_in_query]
}

/// The one true pair, as it stands in the query.
fn secret_pair(account: &Account, name: SecretName) -> [Pair<'_>; 2] {
    [("appid", &account.appid), (name.as_str(), account.secret_in_query.expose_secret())]
}

/// RFC 9110 §8.6: a request without content states its length only where its method expects content, or where the
/// caller stated it.
fn length_to_state(method: &Method, headers: &HeaderMap, body: &Collected) -> Option<u64> {
    let length = body.length();
    let expected = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    (length > 0 || expected || headers.contains_key(header::CONTENT_LENGTH)).then_some(length)
}

fn marked(retry: Retry, mut answer: Response<ReplyBody>) -> Response<ReplyBody> {
    retry.mark(answer.headers_mut());
    answer
}

/// Once a request, with the path only: the query may hold secrets that are not ours to know.
fn log(head: &Parts, error: &Error) {
    let (method, path, kind) = (&head.method, head.uri.path(), error.kind());
    if error.concerns_operator() {
        tracing::warn!(%method, path, ?kind, "{error}");
    } else {
        tracing::debug!(%method, path, ?kind, "{error}");
    }
}
