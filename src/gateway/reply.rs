//! WeChat's answer → the caller's: status, fields and bytes as they came, less what is not the caller's to see.

use std::cmp::Ordering;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, Version};
use memchr::memmem;
use percent_encoding::percent_decode_str;
use tracing::field::display;

use super::error::Error;
use super::exchange::Exchange;
use super::in_flight::Permit;
use super::judge::{Judged, Rest};
use super::rewrite::{is_hop_by_hop, is_ours, named_by_connection};
use crate::observe::End;
use crate::secret::{ExposeSecret, SecretString};
use crate::upstream::BodyError;

/// Fields that carry URLs; a redirect may repeat the query that we wrote.
const URL_FIELDS: [HeaderName; 4] = [header::LOCATION, header::CONTENT_LOCATION, header::LINK, header::REFRESH];
/// Parameters that are cut out of those URLs.
const CREDENTIALS: [&str; 3] = ["access_token", "secret", "appsecret"];

/// The caller's answer. None of `secrets`, which went upstream with the request, leaves in a field.
pub(super) fn reply(judged: Judged, secrets: &[&SecretString], permit: Permit) -> Response<ReplyBody> {
    let mut head = judged.head;
    head.version = Version::HTTP_11;
    strip(&mut head.headers);
    if !secrets.is_empty() {
        hide(&mut head.headers, secrets);
    }
    let body = ReplyBody {
        held: judged.held.filter(|held| !held.is_empty()),
        rest: judged.rest,
        flushed: false,
        exchange: None,
        _permit: Some(permit),
    };
    Response::from_parts(head, body)
}

/// The gateway's own answer.
pub(super) fn own(answer: Response<Bytes>) -> Response<ReplyBody> {
    answer.map(|bytes| ReplyBody {
        held: Some(bytes),
        rest: Rest::Nothing,
        flushed: false,
        exchange: None,
        _permit: None,
    })
}

/// The gateway's own answer to a request that it cannot serve.
pub(super) fn refusal(error: &Error) -> Response<ReplyBody> {
    own(error.answer())
}

fn strip(headers: &mut HeaderMap) {
    let mut removed: Vec<_> = headers.keys().filter(|name| is_hop_by_hop(name) || is_ours(name)).cloned().collect();
    if removed.contains(&header::TRANSFER_ENCODING) {
        removed.push(header::CONTENT_LENGTH); // it does not count beside the chunks (RFC 9112 §6.3)
    }
    removed.extend(named_by_connection(headers));
    for name in removed {
        headers.remove(name);
    }
}

fn hide(headers: &mut HeaderMap, secrets: &[&SecretString]) {
    // Almost every value is shorter than a secret, or, as WeChat's Content-Type, as long as one.
    let holds = |value: &[u8], secret: &[u8]| match value.len().cmp(&secret.len()) {
        Ordering::Less => false,
        Ordering::Equal => value == secret,
        Ordering::Greater => memmem::find(value, secret).is_some(),
    };
    let leaks =
        |value: &HeaderValue| secrets.iter().any(|secret| holds(value.as_bytes(), secret.expose_secret().as_bytes()));
    for (name, value) in headers.iter_mut() {
        if URL_FIELDS.contains(name) {
            let cut = value.to_str().ok().and_then(without_credentials);
            if let Some(cut) = cut.and_then(|cut| HeaderValue::from_str(&cut).ok()) {
                *value = cut;
            }
        }
        // Whatever else an upstream may echo them in.
        if leaks(value) {
            *value = HeaderValue::from_static(crate::secret::REDACTED);
        }
    }
}

/// The text without the parameters in [`CREDENTIALS`]; `None` where there are none.
fn without_credentials(text: &str) -> Option<String> {
    const ENDS: [char; 6] = ['&', '#', '>', '"', '\'', ' '];
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    // The separator of a parameter that was cut, for the one that follows it: `?a=1&b=2` becomes `?b=2`.
    let mut carried = None;
    while let Some(start) = rest.find(['?', '&', '#']) {
        let (before, parameter) = rest.split_at(start);
        kept.push_str(before);
        let separator = carried.take().unwrap_or(&parameter[..1]);
        let end = parameter[1..].find(ENDS).map_or(parameter.len(), |end| end + 1);
        let name = parameter[1..end].split('=').next().unwrap_or_default();
        rest = &parameter[end..];
        if CREDENTIALS.iter().any(|credential| percent_decode_str(name).eq(credential.bytes())) {
            carried = rest.starts_with('&').then_some(separator);
        } else {
            kept.push_str(separator);
            kept.push_str(&parameter[1..end]);
        }
    }
    kept.push_str(rest);
    (kept != text).then_some(kept)
}

/// The caller's answer while it goes out. It holds the request's place among those in flight, and ends what is noted of it.
pub struct ReplyBody {
    held: Option<Bytes>,
    rest: Rest,
    /// Whether hyper had a turn to send the head and what was held, before an answer that broke off ends.
    flushed: bool,
    exchange: Option<Box<Exchange>>,
    _permit: Option<Permit>,
}

impl ReplyBody {
    /// What goes out from now on belongs to `exchange`.
    pub(super) fn belongs_to(&mut self, exchange: Box<Exchange>) {
        self.exchange = Some(exchange);
    }

    fn ended(&self, end: End) {
        self.exchange.iter().for_each(|exchange| exchange.ended(end));
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.ended(End::Whole);
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(held) = self.held.take() {
            self.exchange.iter().for_each(|exchange| exchange.sent(held.len()));
            return Poll::Ready(Some(Ok(Frame::data(held))));
        }
        if let Rest::Stream(body) = &mut self.rest {
            match std::task::ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(0, Bytes::len);
                    self.exchange.iter().for_each(|exchange| exchange.sent(bytes));
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(error)) => self.rest = Rest::Broken(error),
                None => self.rest = Rest::Nothing,
            }
        }
        // hyper throws away what it has not sent when a body fails, and a caller that gets nothing at all may take its
        // connection for a dead one and send the request again.
        if matches!(self.rest, Rest::Broken(_)) && !std::mem::replace(&mut self.flushed, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Broken(error) => {
                let request_id = self.exchange.as_ref().map(|exchange| display(exchange.id()));
                tracing::warn!(request_id, %error, "WeChat's answer broke off, and so does the caller's");
                self.ended(End::BrokeOff);
                Poll::Ready(Some(Err(error)))
            }
            Rest::Nothing | Rest::Stream(_) => {
                self.ended(End::Whole);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none()
            && match &self.rest {
                Rest::Nothing => true,
                Rest::Stream(body) => body.is_end_stream(),
                Rest::Broken(_) => false,
            }
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().map_or(0, Bytes::len) as u64;
        match &self.rest {
            Rest::Nothing => SizeHint::with_exact(held),
            Rest::Stream(body) => match body.size_hint().exact() {
                Some(rest) => SizeHint::with_exact(held + rest),
                None => SizeHint::default(),
            },
            Rest::Broken(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_cut_out_of_urls_and_nothing_else_is() {
        for (text, expected) in [
            ("https://x/y?access_token=T", "https://x/y"),
            ("https://x/y?access_token=T&a=1", "https://x/y?a=1"),
            ("https://x/y?a=1&access_token=T", "https://x/y?a=1"),
            ("https://x/y?a=1&access_token=T&b=2#f", "https://x/y?a=1&b=2#f"),
            ("/y?access_token=T&secret=S&appsecret=Q&a", "/y?a"),
            ("/y?access_token=T&secret=S#f", "/y#f"),
            ("/y?%61ccess_token=T&a=1", "/y?a=1"),
            ("/y#access_token=T&expires_in=1", "/y#expires_in=1"),
            (
                "<https://x?access_token=T>; rel=\"next\", </z?secret=S&a=1>; rel=a",
                "<https://x>; rel=\"next\", </z?a=1>; rel=a",
            ),
            ("5; url='/y?access_token=T'", "5; url='/y'"),
        ] {
            assert_eq!(without_credentials(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["https://x/y?a=1&b=2#f", "/access_token=T", "?my_access_token=1", "", "?", "&&#"] {
            assert_eq!(without_credentials(text), None, "{text}");
        }
    }

    fn hidden(fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers: HeaderMap =
            fields.iter().map(|&(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        strip(&mut headers);
        hide(&mut headers, &[&"TOKEN-TOKEN".into()]);
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn hop_by_hop_fields_ours_and_secrets_stay_here() {
        let kept = hidden(&[
            ("connection", "close, x-private"),
            ("x-private", "1"),
            ("transfer-encoding", "chunked"),
            ("x-wxgate-retry", "healed"),
            ("x-wxgate-error", "no_token"),
            ("x-echo", "you sent access_token=TOKEN-TOKEN"),
            ("location", "/a?access_token=TOKEN-TOKEN&x=1"),
            ("link", "</a?access_token=1>"),
            ("link", "</b>"),
            ("link", "</c?access_token=2>"),
            ("wechatmp-signature", "s"),
        ]);
        let (links, mut others): (Vec<_>, Vec<_>) = kept.into_iter().partition(|field| field.starts_with("link"));
        others.sort();
        assert_eq!(others, ["location: /a?x=1", "wechatmp-signature: s", "x-echo: [redacted]"]);
        assert_eq!(links, ["link: </a>", "link: </b>", "link: </c>"], "in their order");
        assert_eq!(hidden(&[("connection", "transfer-encoding"), ("content-length", "9")]), ["content-length: 9"]);
    }
}
