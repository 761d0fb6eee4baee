//! The fields: which are a matter between two neighbours only (RFC 9110 §7.6.1), and which are ours.

use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::query::Target;
use crate::gateway::fields::lines;

/// Fields that end at the next hop, whatever `Connection` says of them.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The further fields that the `Connection` fields name, each a hop-by-hop field for this message.
pub(crate) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = lines(headers, header::CONNECTION).filter_map(|value| value.to_str().ok());
    let options = values.flat_map(|value| value.split(',')).map(str::trim);
    options
        .filter(|option| !option.eq_ignore_ascii_case("keep-alive") && !option.eq_ignore_ascii_case("close"))
        .filter_map(|option| option.parse().ok())
        .collect()
}

/// Appends the head that goes upstream: `target`, and of the caller's fields all but hop-by-hop ones, `Expect`, and our
/// own; the values of one field in their order. `Host` is the upstream's. `length` is the body's, `None` where the request
/// has no body to speak of. `Authorization` goes too unless it `served` admission.
///
/// Nothing here can end a line early: hyper lets no control character into a method, a target or a field.
pub(crate) fn push_head(
    head: &mut Vec<u8>,
    method: &Method,
    target: Target<'_>,
    headers: &HeaderMap,
    host: &HeaderValue,
    length: Option<u64>,
    served: bool,
) {
    let named = named_by_connection(headers);
    // Two lines that are always there, and fields of a common length.
    head.reserve(128 + target.longest() + 48 * headers.len());
    head.extend_from_slice(method.as_str().as_bytes());
    head.push(b' ');
    target.push_to(head);
    head.extend_from_slice(b" HTTP/1.1\r\n");
    write_field(head, &header::HOST, &[host.as_bytes()]);
    let mut cookies = Some(header::COOKIE);
    for (name, value) in headers {
        if is_replaced(name) || is_hop_by_hop(name) || is_ours(name) || named.contains(name) {
            continue;
        }
        match name {
            &header::AUTHORIZATION if served => {}
            // HTTP/2 may carry cookies in several fields, HTTP/1.1 in one only (RFC 9113 §8.2.3).
            &header::COOKIE => {
                if let Some(name) = cookies.take() {
                    let crumbs: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
                    write_field(head, &name, &crumbs);
                }
            }
            name => write_field(head, name, &[value.as_bytes()]),
        }
    }
    if let Some(length) = length {
        write_field(head, &header::CONTENT_LENGTH, &[HeaderValue::from(length).as_bytes()]);
    }
    head.extend_from_slice(b"\r\n");
}

/// One line; several values are joined as those of `Cookie` are.
fn write_field(head: &mut Vec<u8>, name: &HeaderName, values: &[&[u8]]) {
    head.extend_from_slice(name.as_str().as_bytes());
    for (number, value) in values.iter().enumerate() {
        head.extend_from_slice(if number == 0 { b": " } else { b"; " });
        head.extend_from_slice(value);
    }
    head.extend_from_slice(b"\r\n");
}

/// Fields that we write anew, or that are answered here (wechat.md §4: `Expect` is not passed on).
fn is_replaced(name: &HeaderName) -> bool {
    *name == header::HOST || *name == header::CONTENT_LENGTH || *name == header::EXPECT
}

/// Fields that callers and we speak to each other with.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-wxgate-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|&(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    /// The lines of the fields that go out.
    fn sent(fields: &[(&'static str, &'static str)], length: Option<u64>, served: bool) -> Vec<String> {
        let host = HeaderValue::from_static("up");
        let target = Target { path: "/p", query: Some("a=1"), removed: &[], added: &[] };
        let mut head = Vec::new();
        push_head(&mut head, &Method::PUT, target, &headers(fields), &host, length, served);
        let text = String::from_utf8(head).unwrap();
        let lines = text.strip_prefix("PUT /p?a=1 HTTP/1.1\r\n").unwrap().strip_suffix("\r\n\r\n").unwrap();
        lines.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn hop_by_hop_fields_end_here_also_those_that_any_connection_field_names() {
        let kept = sent(
            &[
                ("host", "gateway:8080"),
                ("connection", "keep-alive, X-Private"),
                ("connection", "x-other,Host, content-length"),
                ("x-private", "1"),
                ("x-other", "2"),
                ("keep-alive", "timeout=5"),
                ("te", "trailers"),
                ("trailer", "x"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("proxy-authorization", "Basic x"),
                ("proxy-connection", "keep-alive"),
                ("expect", "100-continue"),
                ("x-wxgate-account", "a"),
                ("content-length", "9"),
                ("content-type", "application/json"),
            ],
            Some(3),
            false,
        );
        assert_eq!(kept, ["host: up", "content-type: application/json", "content-length: 3"]);
    }

    #[test]
    fn an_authorization_that_served_admission_ends_here() {
        assert_eq!(sent(&[("authorization", "Bearer x"), ("x-a", "1")], None, true), ["host: up", "x-a: 1"]);
    }

    #[test]
    fn cookies_that_came_in_several_fields_go_in_one() {
        let kept = sent(&[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2; c=3")], None, false);
        assert_eq!(kept, ["host: up", "cookie: a=1; b=2; c=3", "x-a: 1"]);
    }

    #[test]
    fn all_others_stay_and_repeated_ones_keep_their_order() {
        let kept = sent(
            &[
                ("authorization", "Bearer x"),
                ("cookie", "a=1"),
                ("x-a", "1"),
                ("x-a", "2"),
                ("wechatmp-signature", "s"),
            ],
            None,
            false,
        );
        assert_eq!(
            kept,
            ["host: up", "authorization: Bearer x", "cookie: a=1", "x-a: 1", "x-a: 2", "wechatmp-signature: s"]
        );
    }
}
