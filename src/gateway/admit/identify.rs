//! Who is calling, by what a listener lets callers show.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{self, HeaderMap};

use super::caller::{Caller, Callers, Method};
use crate::gateway::error::Error;
use crate::gateway::placeholder::{Claims, SecretId};

/// A placeholder is refused after this long where callers are demanded: the 7,200 s that its caller was told, and five
/// minutes for those that are slow.
const PLACEHOLDER_LIFE: u64 = 7_500;

/// What is known of a caller besides its request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address; `None` on a Unix socket.
    pub address: Option<IpAddr>,
    /// The DNS names in its certificate, in lower case.
    pub names: Rc<[String]>,
}

/// What a request shows of its caller.
#[derive(Debug, Clone, Copy)]
pub(in crate::gateway) struct Shown<'a> {
    pub(in crate::gateway) peer: &'a Peer,
    pub(in crate::gateway) headers: &'a HeaderMap,
    /// What its placeholder claims, if it came with one.
    pub(in crate::gateway) claims: Option<Claims<'a>>,
    /// The secret of a call that carries one.
    pub(in crate::gateway) secret: Option<&'a str>,
}

/// A caller that showed who it is.
#[derive(Debug, Clone)]
pub(in crate::gateway) struct Identified {
    pub(in crate::gateway) caller: Arc<Caller>,
    pub(in crate::gateway) by: Method,
    /// The virtual secret that it showed, if it did.
    pub(in crate::gateway) secret_id: Option<SecretId>,
}

/// The caller, by the first of `methods` that the request offers something for. What is offered must hold: a wrong secret
/// is not made good by the right network.
///
/// # Errors
/// [`Error::CallerUnknown`]; [`Error::InvalidPlaceholder`] for a placeholder that has ended, which SDKs answer by
/// fetching a new one.
pub(in crate::gateway) fn identify(
    callers: &Callers,
    methods: &[Method],
    shown: Shown<'_>,
) -> Result<Identified, Error> {
    find(callers, methods, shown).inspect_err(|_| callers.count_unknown())
}

fn find(callers: &Callers, methods: &[Method], shown: Shown<'_>) -> Result<Identified, Error> {
    for &by in methods {
        let found = match by {
            Method::Placeholder => by_placeholder(callers, shown)?,
            Method::Bearer => bearer(shown.headers).map(|secret| with_secret(callers, secret)).transpose()?,
            Method::Certificate => callers.with_certificate(&shown.peer.names).map(|caller| (caller, None)),
            Method::Network => shown.peer.address.and_then(|address| callers.at(address)).map(|caller| (caller, None)),
        };
        if let Some((caller, secret_id)) = found {
            return Ok(Identified { caller: Arc::clone(caller), by, secret_id });
        }
    }
    Err(Error::CallerUnknown)
}

type Found<'a> = (&'a Arc<Caller>, Option<SecretId>);

fn by_placeholder<'a>(callers: &'a Callers, shown: Shown<'_>) -> Result<Option<Found<'a>>, Error> {
    if let Some(claims) = shown.claims.filter(|claims| !claims.caller.is_empty()) {
        let age =
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().saturating_sub(claims.issued_at);
        let caller = callers.with_secret_id(claims.caller, claims.secret_id).filter(|_| age <= PLACEHOLDER_LIFE);
        return caller.map(|caller| Some((caller, Some(claims.secret_id)))).ok_or(Error::InvalidPlaceholder);
    }
    shown.secret.map(|secret| with_secret(callers, secret)).transpose()
}

fn with_secret<'a>(callers: &'a Callers, secret: &str) -> Result<Found<'a>, Error> {
    callers.with_secret(secret).map(|(caller, id)| (caller, Some(id))).ok_or(Error::CallerUnknown)
}

/// RFC 6750 §2.1; the scheme's name in any case (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, credentials) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credentials.trim())
}
