//! An answer before it is on its way.

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::errmsg::errmsg;
use super::ledger::Grant;

/// Status, content type, further headers, and the whole body.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: HeaderValue,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn new(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    /// JSON in the usual form, with WeChat's misnamed parameter (wechat.md §2).
    pub(super) fn json(value: &Value) -> Self {
        Self::json_text(value.to_string())
    }

    /// JSON whose order and spacing matter.
    pub(super) fn json_text(body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, HeaderValue::from_static("application/json; encoding=utf-8"), body)
    }

    /// JSON that calls itself plain text, as the sns calls do.
    pub(super) fn json_as_text(value: &Value) -> Self {
        Self::new(StatusCode::OK, HeaderValue::from_static("text/plain"), value.to_string())
    }

    /// The shortest success.
    pub(super) fn ok() -> Self {
        Self::json_text(r#"{"errcode":0,"errmsg":"ok"}"#)
    }

    /// An error in WeChat's words; HTTP 200, as all of its errors.
    pub(super) fn error(errcode: i64) -> Self {
        Self::error_saying(errcode, errmsg(errcode))
    }

    /// An error in other words; the `rid` is added.
    pub(super) fn error_saying(errcode: i64, words: &str) -> Self {
        // The real bodies have errcode first, so the order is not left to a map.
        let errmsg = Value::from(format!("{words} rid: {}", rid()));
        Self::json_text(format!(r#"{{"errcode":{errcode},"errmsg":{errmsg}}}"#))
    }

    /// What a token endpoint says when it hands out a token.
    pub(super) fn grant(grant: &Grant) -> Self {
        Self::json(&json!({"access_token": grant.token, "expires_in": grant.expires_in}))
    }

    /// A bare status, as a web tier before the API gives it.
    pub(super) fn bare(status: StatusCode) -> Self {
        let page = format!("<html><body><h1>{status}</h1></body></html>\r\n");
        Self::new(status, HeaderValue::from_static("text/html"), page)
    }

    /// 43001 or 43002.
    pub(super) fn wrong_method(wanted: &Method) -> Self {
        Self::error(if *wanted == Method::POST { 43002 } else { 43001 })
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// `xxxxxxxx-xxxxxxxx-xxxxxxxx`, new with every answer.
fn rid() -> String {
    format!("{:08x}-{:08x}-{:08x}", fastrand::u32(..), fastrand::u32(..), fastrand::u32(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_wechat_writes_it() {
        let answer = Answer::error(42001);
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        let rid = body.strip_prefix(r#"{"errcode":42001,"errmsg":"access_token expired rid: "#).unwrap();
        let rid = rid.strip_suffix(r#""}"#).unwrap();
        assert_eq!(rid.split('-').map(str::len).collect::<Vec<_>>(), [8, 8, 8], "{body}");
        assert_eq!(answer.status, StatusCode::OK);
    }
}
