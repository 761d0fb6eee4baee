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

/// What an answer's fields say of its body's end and its connection's, found in one pass over them.
#[derive(Debug, Default)]
pub(super) struct Framed {
    /// How many transfer codings there are.
    codings: usize,
    /// One of them is `chunked`.
    chunked: bool,
    /// One length, however often it is repeated (§6.3, rule 5).
    length: Option<Result<u64, Malformed>>,
    close: bool,
    keep_alive: bool,
}

impl Framed {
    pub(super) fn by(headers: &HeaderMap) -> Self {
        let mut framed = Self::default();
        for (name, value) in headers {
            match *name {
                header::TRANSFER_ENCODING => elements(value).for_each(|coding| framed.add_coding(coding)),
                header::CONTENT_LENGTH => elements(value).for_each(|length| framed.add_length(length)),
                header::CONNECTION => elements(value).for_each(|option| framed.add_option(option)),
                _ => {}
            }
        }
        framed
    }

    fn add_coding(&mut self, coding: &[u8]) {
        self.codings += 1;
        self.chunked |= coding.eq_ignore_ascii_case(b"chunked");
    }

    fn add_length(&mut self, length: &[u8]) {
        // `parse` would take a sign.
        let digits = length.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(length).ok().filter(|_| digits);
        let length = text.and_then(|text| text.parse().ok()).filter(|length| *length <= LONGEST);
        let length = length.ok_or(Malformed::Length);
        let agrees = self.length.is_none_or(|before| before == length);
        self.length = Some(if agrees { length } else { Err(Malformed::Length) });
    }

    fn add_option(&mut self, option: &[u8]) {
        self.close |= option.eq_ignore_ascii_case(b"close");
        self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
    }

    /// The rules of RFC 9112 §6.3 in their order. `to_head`: the answer is to a HEAD request.
    pub(super) fn body(&self, version: Version, status: StatusCode, to_head: bool) -> Result<Framing, Malformed> {
        if to_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Framing::Length(0));
        }
        if self.codings > 0 {
            // No other coding was offered (RFC 9112 §7.4). With one that we do not undo, the caller would get bytes that
            // no field explains any more.
            let sound = self.chunked && self.codings == 1 && version == Version::HTTP_11;
            return if sound { Ok(Framing::Chunked) } else { Err(Malformed::TransferCoding) };
        }
        Ok(self.length.transpose()?.map_or(Framing::UntilClose, Framing::Length))
    }

    /// Whether the connection may be kept when the `body` has come to its end.
    pub(super) fn keeps_alive(&self, version: Version, body: Framing) -> bool {
        // Both framings at once are how smuggled answers look (§6.3): the body counts, the connection does not.
        let doubtful = body == Framing::Chunked && self.length.is_some();
        let persistent = !self.close && (version == Version::HTTP_11 || self.keep_alive);
        persistent && body != Framing::UntilClose && !doubtful
    }
}

/// The elements of a comma-separated field; empty ones too.
fn elements(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}
