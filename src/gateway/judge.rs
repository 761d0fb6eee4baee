//! The verdict on an answer, from its first bytes (architecture.md §3.8).
//!
//! Held back is only what can be a token error: small, and starting like a JSON object, whatever Content-Type says
//! (wechat.md §2). All else streams at once.

use std::borrow::Cow;
use std::io::Read;

use bytes::{Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::header::{self, HeaderMap};
use hyper::http::response::Parts;

use super::body::Outgoing;
use super::fields::lines;
use crate::upstream::{Answer, AnswerBody, BodyError};
use crate::wechat::{SYSTEM_BUSY, errcode, rid};

/// A token error is some 200 bytes; nothing longer than this is looked at.
const LONGEST: usize = 4 * 1024;

/// What an answer says about the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// WeChat took it.
    Accepted,
    /// WeChat refused it, with this errcode.
    Rejected(i64),
    /// Neither: WeChat is busy, the answer is none of its API's, or its end is missing.
    Open,
}

/// An answer with its verdict; its bytes are all still there.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) errcode: Option<i64>,
    /// WeChat's name for the request, in a refusal.
    pub(super) rid: Option<Box<str>>,
    pub(super) head: Parts,
    pub(super) held: Option<Bytes>,
    pub(super) rest: Rest,
}

/// What follows the bytes that were held back.
pub(super) enum Rest {
    Nothing,
    Stream(AnswerBody<Outgoing>),
    /// The answer broke off while it was held back.
    Broken(BodyError),
}

/// Looks at an answer no longer than its verdict needs. `rejecting` are the errcodes that mean "this token is bad".
pub(super) async fn judge(answer: Answer<Outgoing>, rejecting: &[i64]) -> Judged {
    let Answer { head, mut body } = answer;
    let coding = Coding::of(&head.headers);
    let may_be_small = body.size_hint().lower() <= LONGEST as u64;
    let mut held = Held::default();
    let (said, rest) = loop {
        if !may_be_small || coding == Coding::Unknown || !can_be_token_error(held.bytes(), coding) {
            break (Said::default(), Rest::Stream(body));
        }
        if body.is_end_stream() {
            break (Said::by(&plain(held.bytes(), coding)), Rest::Nothing);
        }
        match body.frame().await {
            Some(Ok(frame)) => held.add(frame.into_data().unwrap_or_default()),
            Some(Err(error)) => break (Said::default(), Rest::Broken(error)),
            None => break (Said::by(&plain(held.bytes(), coding)), Rest::Nothing),
        }
    };
    let verdict = match said.errcode {
        Some(errcode) if rejecting.contains(&errcode) => Verdict::Rejected(errcode),
        Some(SYSTEM_BUSY) => Verdict::Open,
        None if matches!(rest, Rest::Broken(_)) => Verdict::Open,
        _ if head.status == StatusCode::OK => Verdict::Accepted,
        _ => Verdict::Open,
    };
    Judged { verdict, errcode: said.errcode, rid: said.rid, head, held: held.0, rest }
}

/// An answer that is not judged.
pub(super) fn unjudged(answer: Answer<Outgoing>) -> Judged {
    let rest = Rest::Stream(answer.body);
    Judged { verdict: Verdict::Open, errcode: None, rid: None, head: answer.head, held: None, rest }
}

/// What a small answer says of itself.
#[derive(Default)]
struct Said {
    errcode: Option<i64>,
    rid: Option<Box<str>>,
}

impl Said {
    /// WeChat's `rid` stands in refusals only, so nothing else is searched for one.
    fn by(body: &[u8]) -> Self {
        let errcode = errcode(body);
        let refused = errcode.is_some_and(|errcode| errcode != 0);
        Self { errcode, rid: if refused { rid(&String::from_utf8_lossy(body)).map(Into::into) } else { None } }
    }
}

/// The bytes so far; mostly one piece, which is then not copied.
#[derive(Default)]
struct Held(Option<Bytes>);

impl Held {
    fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    fn add(&mut self, data: Bytes) {
        self.0 = Some(match self.0.take() {
            None => data,
            Some(first) => {
                let mut bytes = BytesMut::from(first);
                bytes.extend_from_slice(&data);
                bytes.freeze()
            }
        });
    }
}

/// How an answer's bytes are to be read (RFC 9110 §8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Packed(Packing),
    /// None that we read: the answer goes on as it is.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Deflate,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Self {
        let mut fields = lines(headers, header::CONTENT_ENCODING);
        match (fields.next(), fields.next()) {
            (None, _) => Self::Identity,
            (Some(coding), None) => match coding.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                "" | "identity" => Self::Identity,
                "gzip" | "x-gzip" => Self::Packed(Packing::Gzip),
                "deflate" => Self::Packed(Packing::Deflate),
                _ => Self::Unknown,
            },
            (Some(_), Some(_)) => Self::Unknown,
        }
    }
}

/// Whether an answer that begins so can still turn out to be a token error.
fn can_be_token_error(held: &[u8], coding: Coding) -> bool {
    if held.len() > LONGEST {
        return false;
    }
    let plain = plain(held, coding);
    let text = plain.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&plain).trim_ascii_start();
    plain.len() <= LONGEST && text.first().is_none_or(|&first| first == b'{' || b"\xEF\xBB\xBF".starts_with(text))
}

/// What the bytes so far stand for, at most one byte more than a token error can have.
fn plain(held: &[u8], coding: Coding) -> Cow<'_, [u8]> {
    match coding {
        Coding::Identity | Coding::Unknown => held.into(),
        Coding::Packed(packing) => unpacked(held, packing).into(),
    }
}

/// On its own, since the decoders' frame is several pages, which a plain answer need not touch.
#[inline(never)]
fn unpacked(held: &[u8], packing: Packing) -> Vec<u8> {
    let limit = LONGEST as u64 + 1;
    let mut plain = Vec::new();
    // An error here is the end of what has come so far, or damage that is the caller's to find.
    let _ = match packing {
        Packing::Gzip => MultiGzDecoder::new(held).take(limit).read_to_end(&mut plain),
        // RFC 9110 §8.4.1.2: "deflate" is the zlib format, but some send the bare one.
        Packing::Deflate if is_zlib(held) => ZlibDecoder::new(held).take(limit).read_to_end(&mut plain),
        Packing::Deflate => DeflateDecoder::new(held).take(limit).read_to_end(&mut plain),
    };
    plain
}

/// RFC 1950 §2.2: method 8, and a checksum over the first two bytes.
fn is_zlib(held: &[u8]) -> bool {
    matches!(held, [method, flags, ..] if method & 0x0F == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn only_what_begins_like_a_json_object_is_held_back() {
        for (held, expected) in [
            (&b""[..], true),
            (b"{", true),
            (b" \r\n\t{\"errcode\":40001", true),
            (b"\xEF\xBB\xBF{", true),
            (b"\xEF", true),
            (b"\xEF\xBB", true),
            (b"\xEF\xBB\xBF", true),
            (b"   ", true),
            (b"[", false),
            (b"\xFF\xD8\xFF", false),
            (b"\xEFabc", false),
            (b"<html>", false),
            (b"ok", false),
        ] {
            assert_eq!(can_be_token_error(held, Coding::Identity), expected, "{held:?}");
        }
        assert!(can_be_token_error(&[b'{'; LONGEST], Coding::Identity));
        assert!(!can_be_token_error(&[b'{'; LONGEST + 1], Coding::Identity));
    }

    fn encoded(coding: &str, text: &[u8]) -> Vec<u8> {
        fn written<W: Write>(mut encoder: W, text: &[u8]) -> W {
            encoder.write_all(text).unwrap();
            encoder
        }
        let level = Compression::default();
        match coding {
            "gzip" => written(GzEncoder::new(Vec::new(), level), text).finish().unwrap(),
            "zlib" => written(ZlibEncoder::new(Vec::new(), level), text).finish().unwrap(),
            _ => written(DeflateEncoder::new(Vec::new(), level), text).finish().unwrap(),
        }
    }

    #[test]
    fn compressed_answers_are_read_and_so_are_their_beginnings() {
        let error = br#"{"errcode":42001,"errmsg":"access_token expired rid: 1-2-3"}"#;
        for (name, packing) in [("gzip", Packing::Gzip), ("zlib", Packing::Deflate), ("raw", Packing::Deflate)] {
            let (coding, whole) = (Coding::Packed(packing), encoded(name, error));
            assert_eq!(errcode(&plain(&whole, coding)), Some(42001), "{name}");
            for end in 0..whole.len() {
                assert!(can_be_token_error(&whole[..end], coding), "{name} {end}");
            }
            assert!(!can_be_token_error(&encoded(name, b"[1,2,3]"), coding), "{name}");
            // Small on the wire, large when it is unpacked.
            assert!(!can_be_token_error(&encoded(name, &vec![b'{'; 1 << 20]), coding), "{name}");
        }
    }

    #[test]
    fn the_coding_is_read_from_its_field() {
        for (values, expected) in [
            (&[][..], Coding::Identity),
            (&["identity"], Coding::Identity),
            (&["GZip"], Coding::Packed(Packing::Gzip)),
            (&["deflate"], Coding::Packed(Packing::Deflate)),
            (&["br"], Coding::Unknown),
            (&["gzip, gzip"], Coding::Unknown),
            (&["gzip", "gzip"], Coding::Unknown),
        ] {
            let headers = values.iter().map(|v| (header::CONTENT_ENCODING, v.parse().unwrap())).collect();
            assert_eq!(Coding::of(&headers), expected, "{values:?}");
        }
    }
}
