//! Who may look, and who may change something (architecture.md §3.2).
//!
//! A page that the operator has open elsewhere must neither read this listener nor act on it, and nobody acts from
//! another machine without the admin token.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::browser::{canonical, is_from_other_site, is_own_name, without_port};

/// Browsers send it for no page of another site, unless this listener allowed that, which it never does.
const ADMIN_FIELD: HeaderName = HeaderName::from_static("x-wxgate-admin");

/// The rules of one listener.
#[derive(Debug)]
pub(super) struct Rules {
    /// Only this machine reaches it, so that `Host` must be one of its own names.
    pub(super) loopback: bool,
    /// Further names for it, in lower case.
    pub(super) hosts: Vec<String>,
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

/// Lets a request look.
pub(super) async fn look(State(rules): State<Arc<Rules>>, request: Request, next: Next) -> Response {
    match rules.may_look(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Lets a request change something.
pub(super) async fn change(
    State(rules): State<Arc<Rules>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match rules.may_change(request.headers(), peer) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

impl Rules {
    fn may_look(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::Host) };
        let host = host.to_str().map_err(|_| Refusal::Host)?;
        let name = canonical(without_port(host).ok_or(Refusal::Host)?);
        if self.loopback && !is_own_name(&name, &self.hosts) {
            return Err(Refusal::Misdirected);
        }
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
        if is_here { Ok(()) } else { Err(Refusal::Elsewhere) }
    }
}
