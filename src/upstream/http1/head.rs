//! The head of an answer: bytes → status and fields.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use hyper::ext::ReasonPhrase;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode, Version};

use super::Malformed;

/// Bytes of a head at most; WeChat's are below one kilobyte.
pub(super) const LARGEST_HEAD: usize = 64 * 1024;
/// Fields of a head at most; hyper's limit too.
pub(super) const MOST_FIELDS: usize = 100;

/// Takes a whole head off the front of `received`; `None` where there is none yet.
///
/// The fields share the memory of `received`, nothing is copied.
pub(super) fn take(received: &mut BytesMut) -> Result<Option<Response<()>>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let outcome = parser.parse_response_with_uninit_headers(&mut parsed, received, &mut fields)?;
    let httparse::Status::Complete(length) = outcome else {
        return if received.len() < LARGEST_HEAD { Ok(None) } else { Err(Malformed::TooLarge) };
    };
    if length > LARGEST_HEAD {
        return Err(Malformed::TooLarge);
    }
    let mut head = Response::new(());
    *head.status_mut() = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Malformed::Forbidden)?;
    *head.version_mut() = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    keep_reason(&mut head, parsed.reason);
    // The parser's slices end with its loan of the buffer; where they were remains.
    let count = parsed.headers.len();
    let mut places = [const { (0..0, 0..0) }; MOST_FIELDS];
    for (place, field) in places.iter_mut().zip(&*parsed.headers) {
        *place = (place_in(received, field.name.as_bytes()), place_in(received, field.value));
    }
    let bytes = received.split_to(length).freeze();
    *head.headers_mut() = fields_at(&bytes, &places[..count])?;
    Ok(Some(head))
}

/// In 32 bits each, since all [`MOST_FIELDS`] of them are made for every answer.
type Place = Range<u32>;

fn fields_at(head: &Bytes, places: &[(Place, Place)]) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::with_capacity(places.len());
    for (name, value) in places {
        let [name, value] = [name, value].map(|place| place.start as usize..place.end as usize);
        let name = HeaderName::from_bytes(&head[name]).map_err(|_| Malformed::Forbidden)?;
        let value = HeaderValue::from_maybe_shared(head.slice(value)).map_err(|_| Malformed::Forbidden)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The words after the status code, where they are not the usual ones: they go on to the caller.
fn keep_reason(head: &mut Response<()>, reason: Option<&str>) {
    if reason != head.status().canonical_reason()
        && let Some(reason) = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok())
    {
        head.extensions_mut().insert(reason);
    }
}

/// Where `part`, a slice of `whole`, lies in it. A head is far shorter than 32 bits can say.
#[allow(clippy::cast_possible_truncation, reason = "see above")]
fn place_in(whole: &[u8], part: &[u8]) -> Place {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start as u32..(start + part.len()) as u32
}
