//! Who may look, and who may change something (architecture.md §3.2).
//!
//! A page that the operator has open elsewhere must neither read this listener nor act on it, and nobody acts from
//! another machine without the admin token.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::browser::{canonical, is_from_other_site, is_own_name, without_port};
use crate::secret::{ExposeSecret, SecretString};

/// Browsers send it for no page of another site, unless this listener allowed that, which it never does.
const ADMIN_FIELD: HeaderName = HeaderName::from_static("x-wxgate-admin");

/// The rules of one listener.
#[derive(Debug)]
pub(super) struct Rules {
    /// Only this machine reaches it, so that `Host` must be one of its own names.
    pub(super) loopback: bool,
    /// Further names for it, in lower case.
    pub(super) hosts: Vec<String>,
    /// What somebody elsewhere must show to change something; `None` where nobody elsewhere may.
    pub(super) token: Option<AdminToken>,
}

/// The digest of the admin token: comparing digests tells nothing of the token, not even its length.
#[derive(Debug)]
pub(super) struct AdminToken(Digest);

impl AdminToken {
    pub(super) fn new(token: &SecretString) -> Self {
        Self(digest(&SHA256, token.expose_secret().as_bytes()))
    }

    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        shown.is_some_and(|(scheme, token)| {
            let shown = digest(&SHA256, token.trim().as_bytes());
            scheme.eq_ignore_ascii_case("bearer") && verify_slices_are_equal(shown.as_ref(), self.0.as_ref()).is_ok()
        })
    }
}

/// Where a request came from: an address, or `None` on a Unix socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) Option<IpAddr>);

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Host,
    Misdirected,
    OtherSite,
    NotAdmin,
    Elsewhere,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, sentence) = match self {
            Self::Host => (StatusCode::BAD_REQUEST, "send exactly one valid Host"),
            Self::Misdirected => (
                StatusCode::MISDIRECTED_REQUEST,
                "this listener does not answer to that Host; call it by localhost or an IP address, or list the name in \
                 admin.hosts",
            ),
            Self::OtherSite => (StatusCode::FORBIDDEN, "a page of another site may not use this listener"),
            Self::NotAdmin => (StatusCode::FORBIDDEN, "what changes something needs the field X-Wxgate-Admin: 1"),
            Self::Elsewhere => (
                StatusCode::FORBIDDEN,
                "what changes something is for this machine; from elsewhere, send Authorization: Bearer with admin.token",
            ),
        };
        (status, format!("{sentence}\n")).into_response()
    }
}

/// Lets a request look. The page is the same for everybody and holds no data, so people may follow a link to it from
/// another site; what it asks for then is asked by a page of this one.
pub(super) async fn look(State(rules): State<Arc<Rules>>, request: Request, next: Next) -> Response {
    let outcome = match request.uri().path() {
        "/" => rules.own_host(request.headers()).map(|_| ()),
        _ => rules.may_look(request.headers()),
    };
    match outcome {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Lets a request change something.
pub(super) async fn change(
    State(rules): State<Arc<Rules>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match rules.may_change(request.headers(), peer) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

impl Rules {
    /// The `Host`, which must be one by which this listener may be called.
    fn own_host<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::Host) };
        let host = host.to_str().map_err(|_| Refusal::Host)?;
        let name = canonical(without_port(host).ok_or(Refusal::Host)?);
        if self.loopback && !is_own_name(&name, &self.hosts) {
            return Err(Refusal::Misdirected);
        }
        Ok(host)
    }

    fn may_look(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = self.own_host(headers)?;
        let own = |origin: &str| origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host));
        let origins = headers.get_all(ORIGIN).iter();
        if is_from_other_site(headers) || !origins.map(|origin| origin.to_str()).all(|origin| origin.is_ok_and(own)) {
            return Err(Refusal::OtherSite);
        }
        Ok(())
    }

    fn may_change(&self, headers: &HeaderMap, Peer(peer): Peer) -> Result<(), Refusal> {
        if headers.get(ADMIN_FIELD).is_none_or(|value| value != "1") {
            return Err(Refusal::NotAdmin);
        }
        let is_here = peer.is_none_or(|address| address.to_canonical().is_loopback());
        let is_known = || self.token.as_ref().is_some_and(|token| token.is_shown(headers));
        if is_here || is_known() { Ok(()) } else { Err(Refusal::Elsewhere) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_change(token: Option<&str>, peer: Option<&str>, fields: &[(&str, &str)]) -> Result<(), Refusal> {
        let token = token.map(|token| AdminToken::new(&token.into()));
        let rules = Rules { loopback: false, hosts: Vec::new(), token };
        let fields = fields.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
        rules.may_change(&fields.collect(), Peer(peer.map(|address| address.parse().unwrap())))
    }

    #[test]
    fn this_machine_may_change_something_and_others_with_the_token_alone() {
        let (admin, token) = (("x-wxgate-admin", "1"), ("authorization", "Bearer 0123456789abcdef"));
        let known = Some("0123456789abcdef");
        for here in [None, Some("127.0.0.1"), Some("::1"), Some("::ffff:127.0.0.1")] {
            assert_eq!(may_change(None, here, &[admin]), Ok(()));
            assert_eq!(may_change(known, here, &[token]), Err(Refusal::NotAdmin));
        }
        let elsewhere = Some("10.0.0.7");
        assert_eq!(may_change(known, elsewhere, &[admin, token]), Ok(()));
        assert_eq!(may_change(known, elsewhere, &[admin, ("authorization", "bearer 0123456789abcdef")]), Ok(()));
        for fields in [
            &[admin][..],
            &[admin, ("authorization", "Bearer 0123456789abcdeF")],
            &[admin, ("authorization", "Bearer ")],
            &[admin, ("authorization", "Basic 0123456789abcdef")],
            &[admin, ("authorization", "0123456789abcdef")],
        ] {
            assert_eq!(may_change(known, elsewhere, fields), Err(Refusal::Elsewhere), "{fields:?}");
        }
        assert_eq!(may_change(None, elsewhere, &[admin, token]), Err(Refusal::Elsewhere), "there is none to know");
    }
}
