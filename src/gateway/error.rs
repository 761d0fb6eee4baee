//! What the gateway says when it cannot: one exhaustive map (architecture.md §5).
//!
//! Never 200 (but for one, see [`Kind::InvalidPlaceholder`]), never something that can be taken for WeChat's word. The
//! caller gets a constant sentence, the log the cause.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use crate::observe::RequestId;
use crate::token::Unavailable;
use crate::upstream::{ConnectError, SendError};

/// Names the kind of an answer that is the gateway's own.
pub(crate) const ERROR_FIELD: HeaderName = HeaderName::from_static("x-wxgate-error");

/// Why a request got no answer from WeChat.
#[derive(Debug)]
pub enum Error {
    /// The request target is neither a path nor an absolute URL.
    Target,
    /// `Host` is missing, repeated or unreadable.
    Host,
    /// The path names a special endpoint in a disguised way.
    DisguisedPath,
    /// Two selectors name different accounts.
    Selectors,
    /// Two `appid` parameters differ.
    Appids,
    /// A method that is not served there; these are.
    Method(&'static str),
    /// A selector or an appid names no account.
    UnknownAccount,
    /// Nothing selects an account, and there is no default.
    NoAccount,
    /// The request comes from a browser.
    Browser,
    /// `Host` is none of the names that this listener answers to.
    Misdirected,
    /// This listener hands out no tokens.
    TokenEndpoint,
    /// A placeholder that this gateway did not make, or that has ended.
    InvalidPlaceholder,
    /// The listener demands callers, and this one did not show who it is.
    CallerUnknown,
    /// The caller may not call this.
    CallerForbidden,
    /// The caller calls too fast.
    RateLimited,
    /// The head is larger than the limit.
    HeadTooLarge,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body is in a transfer coding other than plain chunks.
    TransferCoding,
    /// The body stopped coming.
    BodyTimeout,
    /// The body broke off or its framing was wrong.
    BodyBroken(hyper::Error),
    /// The body could not be kept.
    Spool(io::Error),
    /// Too many requests in flight.
    TooBusy,
    /// The account has no usable token.
    NoToken(Unavailable),
    /// WeChat could not be asked, or did not answer.
    Upstream(SendError),
}

/// What the caller is told: one kind for each thing that it can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 400.
    BadRequest,
    /// 400.
    DisguisedPath,
    /// 400.
    SelectorsDisagree,
    /// 405.
    MethodNotAllowed,
    /// 404.
    NoAccount,
    /// 403.
    Browser,
    /// 421.
    Misdirected,
    /// 403.
    TokenEndpointRefused,
    /// 200 and errcode 40001: SDKs ask for a new token on nothing else (architecture.md §6).
    InvalidPlaceholder,
    /// 401.
    CallerUnknown,
    /// 403.
    CallerForbidden,
    /// 429 with Retry-After.
    RateLimited,
    /// 413.
    HeadTooLarge,
    /// 413.
    BodyTooLarge,
    /// 408.
    BodyTimeout,
    /// 400.
    BodyBroken,
    /// 503.
    BodyNotKept,
    /// 503 with Retry-After.
    TooBusy,
    /// 503.
    NoToken,
    /// 502.
    UpstreamUnreachable,
    /// 504.
    UpstreamTimeout,
    /// 502.
    UpstreamBrokeOff,
    /// 502.
    UpstreamInvalid,
}

/// How one [`Kind`] looks on the wire.
struct Form {
    name: &'static str,
    status: StatusCode,
    errcode: i64,
    message: &'static str,
}

impl Kind {
    /// All kinds, in their order.
    pub const ALL: [Self; 23] = [
        Self::BadRequest,
        Self::DisguisedPath,
        Self::SelectorsDisagree,
        Self::MethodNotAllowed,
        Self::NoAccount,
        Self::Browser,
        Self::Misdirected,
        Self::TokenEndpointRefused,
        Self::InvalidPlaceholder,
        Self::CallerUnknown,
        Self::CallerForbidden,
        Self::RateLimited,
        Self::HeadTooLarge,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::BodyBroken,
        Self::BodyNotKept,
        Self::TooBusy,
        Self::NoToken,
        Self::UpstreamUnreachable,
        Self::UpstreamTimeout,
        Self::UpstreamBrokeOff,
        Self::UpstreamInvalid,
    ];

    /// Its name in `X-Wxgate-Error`, logs and metrics.
    pub fn name(self) -> &'static str {
        self.form().name
    }

    #[rustfmt::skip]
    fn form(self) -> Form {
        let (name, status, errcode, message) = match self {
            Self::BadRequest => ("bad_request", 400, -910_001, "the request is not one for this gateway; send a path (or an absolute URL) and exactly one valid Host"),
            Self::DisguisedPath => ("disguised_path", 400, -910_002, "the path names a special endpoint in a disguised way; write it as WeChat's documentation does"),
            Self::SelectorsDisagree => ("selectors_disagree", 400, -910_003, "the request names two different accounts; select one by placeholder token, /@name/ prefix, X-Wxgate-Account or appid, not two that differ"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, -910_004, "this method is not served here; use the one in WeChat's documentation"),
            Self::NoAccount => ("no_account", 404, -910_005, "no account: nothing selects one, or what selects it names none; check the /@name/ prefix, X-Wxgate-Account and appid against the accounts in the gateway's configuration"),
            Self::Browser => ("browser", 403, -910_006, "requests from browsers are refused; call from a back end, or set listen.browsers behind a web tier of your own"),
            Self::Misdirected => ("misdirected", 421, -910_007, "this listener does not answer to that Host; call it by localhost, an IP address or a WeChat name, or list the name in listen.hosts"),
            Self::TokenEndpointRefused => ("token_endpoint_refused", 403, -910_008, "this listener hands out no tokens; send requests without access_token, the gateway adds it"),
            Self::InvalidPlaceholder => ("invalid_placeholder", 200, 40_001, "invalid credential, this placeholder token is not valid here (any more); fetch a new one from the gateway's token endpoint"),
            Self::HeadTooLarge => ("head_too_large", 413, -910_009, "the request's head is larger than server.head_size; send less in the query and the fields"),
            Self::BodyTooLarge => ("body_too_large", 413, -910_010, "the request's body is larger than body.limit; send less, or raise the limit"),
            Self::BodyTimeout => ("body_timeout", 408, -910_011, "the request's body stopped coming; send it again"),
            Self::BodyBroken => ("body_broken", 400, -910_012, "the request's body broke off or was framed wrongly; send it again"),
            Self::BodyNotKept => ("body_not_kept", 503, -910_013, "the gateway could not keep the request's body; free space in body.directory, then send it again"),
            Self::TooBusy => ("too_busy", 503, -910_014, "too many requests in flight; send it again in a moment, or raise server.requests"),
            Self::NoToken => ("no_token", 503, -910_015, "no access token"),
            Self::UpstreamUnreachable => ("upstream_unreachable", 502, -910_016, "WeChat could not be reached and the request was not sent; send it again, and look into the gateway's log if that goes on"),
            Self::UpstreamTimeout => ("upstream_timeout", 504, -910_017, "WeChat did not answer in time; it may have done what was asked, so check before you send it again"),
            Self::UpstreamBrokeOff => ("upstream_broke_off", 502, -910_018, "WeChat ended the connection before it answered; it may have done what was asked, so check before you send it again"),
            Self::UpstreamInvalid => ("upstream_invalid", 502, -910_019, "what answered in WeChat's place does not speak HTTP; look at upstream.base_url and at what stands between"),
            Self::CallerUnknown => ("caller_unknown", 401, -910_020, "this listener serves known callers only; ask the gateway's operator for a virtual secret (wxgate caller add) and use it as the SDK's secret or as Authorization: Bearer"),
            Self::CallerForbidden => ("caller_forbidden", 403, -910_021, "this caller may not use this path or account; ask the gateway's operator to change its [[caller]] entry"),
            Self::RateLimited => ("rate_limited", 429, -910_022, "this caller calls faster than it may; slow down, or ask the gateway's operator to raise its rate in [[caller]]"),
        };
        Form { name, status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), errcode, message }
    }
}

impl Error {
    /// What the caller is told.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Target | Self::Host => Kind::BadRequest,
            Self::DisguisedPath => Kind::DisguisedPath,
            Self::Selectors | Self::Appids => Kind::SelectorsDisagree,
            Self::Method(_) => Kind::MethodNotAllowed,
            Self::UnknownAccount | Self::NoAccount => Kind::NoAccount,
            Self::Browser => Kind::Browser,
            Self::Misdirected => Kind::Misdirected,
            Self::TokenEndpoint => Kind::TokenEndpointRefused,
            Self::InvalidPlaceholder => Kind::InvalidPlaceholder,
            Self::CallerUnknown => Kind::CallerUnknown,
            Self::CallerForbidden => Kind::CallerForbidden,
            Self::RateLimited => Kind::RateLimited,
            Self::HeadTooLarge => Kind::HeadTooLarge,
            Self::BodyTooLarge => Kind::BodyTooLarge,
            Self::BodyTimeout => Kind::BodyTimeout,
            Self::BodyBroken(_) | Self::TransferCoding => Kind::BodyBroken,
            Self::Spool(_) => Kind::BodyNotKept,
            Self::TooBusy => Kind::TooBusy,
            Self::NoToken(_) => Kind::NoToken,
            Self::Upstream(error) => match error {
                // Also when connecting took too long: nothing was sent, and the caller may rely on it.
                SendError::Connect(
                    ConnectError::Timeout(_)
                    | ConnectError::Tcp(_)
                    | ConnectError::Proxy(_)
                    | ConnectError::Tls(_)
                    | ConnectError::NameServers(_)
                    | ConnectError::Name,
                ) => Kind::UpstreamUnreachable,
                SendError::FirstByte(_) => Kind::UpstreamTimeout,
                SendError::BrokeOff(_) => Kind::UpstreamBrokeOff,
                SendError::Invalid(_) => Kind::UpstreamInvalid,
                SendError::Body(_) => Kind::BodyNotKept,
            },
        }
    }

    /// Says it once, with the request's name and the path only: the query may hold secrets that are not ours to know. What
    /// is the caller's own doing is for whoever looks closely.
    pub(super) fn log(&self, head: &Parts, request_id: &RequestId) {
        let (method, path, kind) = (&head.method, head.uri.path(), self.kind().name());
        if matches!(self, Self::Spool(_) | Self::TooBusy | Self::NoToken(_) | Self::Upstream(_)) {
            tracing::warn!(%request_id, %method, path, kind, "{self}");
        } else {
            tracing::debug!(%request_id, %method, path, kind, "{self}");
        }
    }

    /// The answer for the caller.
    pub fn answer(&self) -> Response<Bytes> {
        let form = self.kind().form();
        let message = match self {
            // The one cause that a caller's developer needs to see, without secrets by its making.
            Self::NoToken(unavailable) => format!("{}: {unavailable}", form.message),
            _ => form.message.to_owned(),
        };
        let body = serde_json::json!({ "errcode": form.errcode, "errmsg": format!("wxgate: {message}") });
        let mut answer = Response::new(Bytes::from(body.to_string()));
        *answer.status_mut() = form.status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ERROR_FIELD, HeaderValue::from_static(form.name));
        if let Some(pause) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs()));
        }
        if let Self::Method(allowed) = self {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed)); // RFC 9110 §15.5.6
        }
        if matches!(self, Self::CallerUnknown) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"wxgate\""));
        }
        answer
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::TooBusy | Self::Spool(_) | Self::RateLimited).then_some(Duration::from_secs(1))
    }
}

/// For the log.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BodyBroken(error) => write!(f, "the caller's body: {error}"),
            Self::Spool(error) => write!(f, "the request body could not be kept in body.directory: {error}"),
            Self::NoToken(unavailable) => write!(f, "no access token: {unavailable}"),
            Self::Upstream(error) => write!(f, "{error}"),
            Self::Target
            | Self::Host
            | Self::DisguisedPath
            | Self::Selectors
            | Self::Appids
            | Self::Method(_)
            | Self::UnknownAccount
            | Self::NoAccount
            | Self::Browser
            | Self::Misdirected
            | Self::TokenEndpoint
            | Self::InvalidPlaceholder
            | Self::CallerUnknown
            | Self::CallerForbidden
            | Self::RateLimited
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::TransferCoding
            | Self::BodyTimeout
            | Self::TooBusy => f.write_str(self.kind().form().message),
        }
    }
}

impl std::error::Error for Error {}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Upstream(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_and_an_errcode_of_its_own_and_none_is_wechats() {
        let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.form().name).collect();
        let mut errcodes: Vec<_> = Kind::ALL.iter().map(|kind| kind.form().errcode).collect();
        names.sort_unstable();
        names.dedup();
        errcodes.sort_unstable();
        errcodes.dedup();
        assert_eq!((names.len(), errcodes.len()), (Kind::ALL.len(), Kind::ALL.len()));
        for kind in Kind::ALL.iter().filter(|&&kind| kind != Kind::InvalidPlaceholder) {
            let form = kind.form();
            assert!(form.errcode <= -910_001, "{}", form.name);
            assert!(form.status.is_client_error() || form.status.is_server_error(), "{}", form.name);
            assert!(form.message.contains("; ") || *kind == Kind::NoToken, "{}: what to do?", form.name);
        }
    }
}
