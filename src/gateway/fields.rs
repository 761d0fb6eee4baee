//! Finding fields without a look-up by name: that hashes the name, some 90 instructions, and a message has few fields
//! (docs/performance.md).

use hyper::header::{self, GetAll, HeaderMap, HeaderName, HeaderValue};

use crate::browser::SEC_FETCH_SITE;

/// Selects an account.
const ACCOUNT: HeaderName = HeaderName::from_static("x-wxgate-account");

/// The values of all lines of one field, for one that is seldom there: the few names that there are, compared one by one.
pub(super) fn lines(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &HeaderValue> {
    headers.iter().filter(move |(found, _)| **found == name).map(|(_, value)| value)
}

/// What a request's fields say, and whether those are there that few requests have.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    /// Bytes of all of them as HTTP/1.1 writes them: name, colon, space, value, end of line.
    pub(super) size: usize,
    /// `Host`.
    pub(super) host: Values<'a>,
    /// `Transfer-Encoding`.
    pub(super) transfer_encoding: Values<'a>,
    /// It has `Origin`, or a `Sec-Fetch-Site` that no back end sends.
    pub(super) from_browser: bool,
    /// `X-Wxgate-Account`, which may come several times.
    accounts: Option<GetAll<'a, HeaderValue>>,
}

/// The values of a field that should have one at most.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values<'a> {
    /// It is not there.
    #[default]
    None,
    /// One.
    One(&'a HeaderValue),
    /// More than one, in several lines.
    Several,
}

impl<'a> Values<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = if *self == Self::None { Self::One(value) } else { Self::Several };
    }
}

impl<'a> Fields<'a> {
    /// Reads them all.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            fields.size += name.as_str().len() + value.len() + 4;
            match *name {
                header::HOST => fields.host.add(value),
                header::TRANSFER_ENCODING => fields.transfer_encoding.add(value),
                header::ORIGIN => fields.from_browser = true,
                _ if *name == SEC_FETCH_SITE => fields.from_browser |= value != "none",
                _ if *name == ACCOUNT => fields.accounts = Some(headers.get_all(ACCOUNT)),
                _ => {}
            }
        }
        fields
    }

    /// The names of accounts that it selects, as they are written.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &'a HeaderValue> {
        self.accounts.iter().flat_map(GetAll::iter)
    }
}
