//! The token endpoints, answered here: they never reach WeChat, for a caller's fetch would end the account's token (DESIGN §6).

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Response};
use serde::Deserialize;
use tokio::time::Instant;

use super::body::Collected;
use super::error::Error;
use super::rewrite::values;
use super::route::{Account, Accounts, Selected};
use crate::config::TokenEndpoint as Policy;
use crate::secret::ExposeSecret;
use crate::wechat::TokenEndpoint;

/// What SDKs expect (WECHAT.md §1); a placeholder holds for longer, so none is refused that was fetched in time.
const PLACEHOLDER_LIFE: u64 = 7_200;

/// A call to a token endpoint.
pub(super) struct TokenCall<'a> {
    pub(super) endpoint: TokenEndpoint,
    pub(super) method: &'a Method,
    pub(super) query: Option<&'a str>,
    pub(super) body: &'a Collected,
}

/// What the stable endpoint's callers send; `secret` and `force_refresh` mean nothing here.
#[derive(Deserialize)]
struct StableRequest {
    appid: String,
}

/// The answer to `call`: a placeholder, or the real token, for the account that the call's appid names, else for the
/// selected one. Waits at most `wait` for a real token.
///
/// # Errors
/// No such account, a wrong method, no token, or a listener that hands out none.
pub(super) async fn token_answer(
    accounts: &Accounts,
    selected: Selected,
    call: TokenCall<'_>,
    policy: Policy,
    wait: Duration,
) -> Result<Response<Bytes>, Error> {
    let allowed = match call.endpoint {
        TokenEndpoint::Classic => matches!(*call.method, Method::GET | Method::POST),
        TokenEndpoint::Stable => *call.method == Method::POST,
    };
    if !allowed {
        return Err(Error::Method);
    }
    let appids = values(call.query.unwrap_or_default(), "appid").map(Into::into).chain(appid_in(call.body));
    let account = accounts.with_appid(selected, appids)?.ok_or(Error::UnknownAccount)?;
    match policy {
        Policy::Refuse => Err(Error::TokenEndpoint),
        Policy::Placeholder => Ok(placeholder(&account)),
        Policy::Real => real(&account, wait).await,
    }
}

fn placeholder(account: &Account) -> Response<Bytes> {
    token_json(&account.placeholder_key.issue(&account.appid, SystemTime::now()), PLACEHOLDER_LIFE)
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

/// The appid in a JSON body. A body that went to a file is no token request.
fn appid_in(body: &Collected) -> Option<String> {
    match body {
        Collected::Memory(bytes, _) => serde_json::from_slice::<StableRequest>(bytes).ok().map(|request| request.appid),
        Collected::Empty | Collected::Spooled(_) => None,
    }
}
