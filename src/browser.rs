//! How a request from a browser looks, and by which names a loopback listener may be called (architecture.md §3.2).

use std::borrow::Cow;
use std::net::IpAddr;

use hyper::header::{HeaderMap, HeaderName};
use memchr::memchr;

/// Says where a browser's request comes from; no back end sends it.
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// `name:8080`, `[::1]:8080` → the name or address; `None` for what is no authority (RFC 3986 §3.2).
pub fn without_port(authority: &str) -> Option<&str> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(memchr(b':', authority.as_bytes()).unwrap_or(authority.len())),
    };
    let port = if rest.is_empty() { Some("") } else { rest.strip_prefix(':') };
    let valid = host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/\\@?#[]".contains(&byte));
    (valid && port?.bytes().all(|byte| byte.is_ascii_digit())).then_some(host)
}

/// A host as names are compared: in lower case, without the dot of the root.
pub fn canonical(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) { host.to_ascii_lowercase().into() } else { host.into() }
}

/// Whether a canonical host is one that DNS rebinding cannot use, or one of `more`.
pub fn is_own_name(host: &str, more: &[String]) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok() || more.iter().any(|name| name == host)
}

/// Whether a request says that it was made by a page of another site, or by one that is not known.
pub fn is_from_other_site(headers: &HeaderMap) -> bool {
    headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "none" && site != "same-origin")
}
