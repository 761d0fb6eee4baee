//! How long an answer's body is (RFC 9112 §6.3), and whether its connection may carry another one (§9.3).

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{StatusCode, Version};

use super::Malformed;

/// The longest body that an answer may state: hyper, which passes it on, has other meanings for the two numbers above.
const LONGEST: u64 = u64::MAX - 2;

/// Where an answer's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl Framing {
    /// The rules of RFC 9112 §6.3 in their order. `to_head`: the answer is to a HEAD request.
    pub(super) fn of(
        version: Version,
        status: StatusCode,
        headers: &HeaderMap,
        to_head: bool,
    ) -> Result<Self, Malformed> {
        if to_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Self::Length(0));
        }
        if headers.contains_key(header::TRANSFER_ENCODING) {
            // No other coding was offered (RFC 9112 §7.4). With one that we do not undo, the caller would get bytes that
            // no field explains any more.
            let mut codings = tokens(headers, header::TRANSFER_ENCODING);
            let is_chunked = codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
            let sound = is_chunked && codings.next().is_none() && version == Version::HTTP_11;
            return if sound { Ok(Self::Chunked) } else { Err(Malformed::TransferCoding) };
        }
        Ok(content_length(headers)?.map_or(Self::UntilClose, Self::Length))
    }

    /// Whether the connection may be kept when the body has come to its end.
    pub(super) fn keeps_alive(self, version: Version, headers: &HeaderMap) -> bool {
        let named = |option: &str| {
            headers.contains_key(header::CONNECTION)
                && tokens(headers, header::CONNECTION).any(|token| token.eq_ignore_ascii_case(option.as_bytes()))
        };
        // Both framings at once are how smuggled answers look (§6.3): the body counts, the connection does not.
        let doubtful = self == Self::Chunked && headers.contains_key(header::CONTENT_LENGTH);
        let persistent =
            if version == Version::HTTP_11 { !named("close") } else { named("keep-alive") && !named("close") };
        persistent && self != Self::UntilClose && !doubtful
    }
}

/// One length, however often it is repeated (§6.3, rule 5).
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut found = None;
    for value in tokens(headers, header::CONTENT_LENGTH) {
        // `parse` would take a sign.
        let digits = value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| digits);
        let length = text.and_then(|text| text.parse().ok()).filter(|length| *length <= LONGEST);
        let length = length.ok_or(Malformed::Length)?;
        if found.replace(length).is_some_and(|before| before != length) {
            return Err(Malformed::Length);
        }
    }
    Ok(found)
}

/// The elements of a comma-separated field, over all its lines; empty ones too.
fn tokens(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}
