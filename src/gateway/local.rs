//! The token endpoints, answered here: they never reach WeChat, for a caller's fetch would end the account's token (architecture.md §6).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Response};
use serde::Deserialize;
use tokio::time::Instant;

use super::admit::{Callers, Identified, Shown, identify};
use super::body::Collected;
use super::error::Error;
use super::forward::Call;
use super::placeholder::Claims;
use super::rewrite::values;
use super::route::{Account, Selected};
use super::setup::{Door, Setup};
use crate::config::TokenEndpoint as Policy;
use crate::secret::{ExposeSecret, SecretString};
use crate::wechat::TokenEndpoint;

/// What SDKs expect (wechat.md §1); a placeholder holds for longer, so none is refused that was fetched in time.
const PLACEHOLDER_LIFE: u64 = 7_200;

/// Bytes of a token request at most; it is some 200.
pub(super) const LONGEST_BODY: u64 = 64 * 1024;

/// What the stable endpoint's callers send; `force_refresh` means nothing here.
#[derive(Deserialize, Default)]
struct StableRequest {
    appid: Option<String>,
    secret: Option<SecretString>,
}

/// The answer to `call`: a placeholder, or the real token, for the account that the call's appid names, else for the
/// selected one. On a door that demands callers, the call's secret is the caller's virtual one.
///
/// # Errors
/// No such account, a wrong method, a caller that is not admitted, no token, or a listener that hands out none.
pub(super) async fn token_answer(
    setup: &Setup,
    selected: Selected,
    endpoint: TokenEndpoint,
    call: &Call<'_>,
    door: &Door,
) -> Result<Response<Bytes>, Error> {
    match (endpoint, &call.exchange.head.method) {
        (TokenEndpoint::Classic, &Method::GET | &Method::POST) | (TokenEndpoint::Stable, &Method::POST) => {}
        (TokenEndpoint::Classic, _) => return Err(Error::Method("GET, POST")),
        (TokenEndpoint::Stable, _) => return Err(Error::Method("POST")),
    }
    let sent = stable_request(call.body);
    let appids = values(call.query.unwrap_or_default(), "appid").map(Into::into).chain(sent.appid.clone());
    let account = setup.accounts.with_appid(selected, appids)?;
    let caller = admitted(&setup.callers, call, &sent, door)?;
    let account = account.ok_or(Error::UnknownAccount)?;
    call.exchange.uses(&account);
    if let Some(identified) = &caller {
        call.exchange.identified(&identified.caller);
        let id = call.exchange.id();
        match door.token_endpoint {
            Policy::Real => identified.caller.may(call.path, Some(&account.name), id)?,
            Policy::Placeholder | Policy::Refuse => identified.caller.may_hold(call.path, &account.name, id)?,
        }
    }
    match door.token_endpoint {
        Policy::Refuse => Err(Error::TokenEndpoint),
        Policy::Placeholder => Ok(placeholder(&account, caller.as_ref())),
        Policy::Real => real(&account, setup.token_wait).await,
    }
}

/// Who calls, where the door demands to know.
fn admitted(
    callers: &Callers,
    call: &Call<'_>,
    sent: &StableRequest,
    door: &Door,
) -> Result<Option<Identified>, Error> {
    if door.admits.is_empty() {
        return Ok(None);
    }
    let in_query = values(call.query.unwrap_or_default(), "secret").next();
    let secret = in_query.as_deref().or(sent.secret.as_ref().map(|secret| secret.expose_secret()));
    let shown = Shown { peer: &call.exchange.peer, headers: &call.exchange.head.headers, claims: None, secret };
    identify(callers, &door.admits, shown).map(Some)
}

/// A placeholder; it carries its caller where the caller showed a virtual secret.
fn placeholder(account: &Account, identified: Option<&Identified>) -> Response<Bytes> {
    let by_secret = identified.and_then(|identified| Some((identified.caller.name(), identified.secret_id?)));
    let (caller, secret_id) = by_secret.unwrap_or_default();
    let issued_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = Claims { issued_at, appid: &account.appid, caller, secret_id };
    token_json(&account.placeholder_key.issue(&claims), PLACEHOLDER_LIFE)
}

async fn real(account: &Account, wait: Duration) -> Result<Response<Bytes>, Error> {
    let token = account.token.usable(wait).await.map_err(Error::NoToken)?;
    Ok(token_json(token.value().expose_secret(), token.remaining(Instant::now()).as_secs()))
}

fn token_json(token: &str, expires_in: u64) -> Response<Bytes> {
    let body = serde_json::json!({ "access_token": token, "expires_in": expires_in });
    let mut answer = Response::new(Bytes::from(body.to_string()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; encoding=utf-8"));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// What a JSON body says. A body that went to a file is no token request.
fn stable_request(body: &Collected) -> StableRequest {
    match body {
        Collected::Memory(bytes, _) => serde_json::from_slice(bytes).unwrap_or_default(),
        Collected::Empty | Collected::Spooled(..) => StableRequest::default(),
    }
}
