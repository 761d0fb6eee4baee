//! One request, as it was when its answer's last byte had gone or its caller had left.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::outcome::Class;

/// What is known of a request in the end.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// The name of the account whose credential was used; empty where none was.
    pub account: &'a str,
    /// Who called, where the listener demands to know.
    pub caller: Option<&'a str>,
    /// From where; `None` on a Unix socket.
    pub peer: Option<IpAddr>,
    /// Which credential it took.
    pub class: Class,
    /// Its method.
    pub method: &'a str,
    /// Its path as it goes on, never its query, which may hold secrets that are not ours to know.
    pub path: &'a str,
    /// The answer's status; `None` where the caller left before there was one.
    pub status: Option<u16>,
    /// WeChat's errcode, where the answer was small enough to be looked at and had one.
    pub errcode: Option<i64>,
    /// WeChat's name for the request, by which its support finds it; in refusals only.
    pub rid: Option<&'a str>,
    /// The gateway's own answer.
    pub error: Option<OwnAnswer>,
    /// The generation of the token that it was sent with last.
    pub generation: Option<u64>,
    /// How a heal ended, where one was called for.
    pub retry: Option<&'static str>,
    /// WeChat refused a token there that it takes elsewhere.
    pub living_token_refused: bool,
    /// Its name.
    pub id: &'a RequestId,
    /// From its head to its end.
    pub whole: Duration,
    /// WeChat's part of that, until the answer's head; zero where nothing was sent.
    pub upstream: Duration,
    /// Bytes of its body.
    pub received: u64,
    /// Bytes of its answer's body.
    pub sent: u64,
    /// How its answer ended.
    pub end: End,
}

/// A kind of the gateway's own answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnAnswer {
    /// Counted from 0, and below 190.
    pub number: u8,
    /// Its name.
    pub name: &'static str,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With its last byte.
    Whole,
    /// The caller left before.
    CallerLeft,
    /// WeChat broke it off.
    BrokeOff,
}

/// A request's name in logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestId {
    /// Taken over from the caller's `X-Request-Id`.
    Given(Box<str>),
    /// Made here.
    Made(u64),
}

impl RequestId {
    /// The longest that is taken over.
    const LONGEST: usize = 64;

    /// `given` if it is sane: some letters, digits and marks that need no quoting anywhere; else one made of `number`.
    pub fn new(given: Option<&[u8]>, number: impl FnOnce() -> u64) -> Self {
        let is_plain = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&byte);
        let sane = given.filter(|id| (1..=Self::LONGEST).contains(&id.len()) && id.iter().all(is_plain));
        match sane.and_then(|id| std::str::from_utf8(id).ok()) {
            Some(id) => Self::Given(id.into()),
            None => Self::Made(number()),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(id) => f.write_str(id),
            Self::Made(number) => write!(f, "{number:016x}"),
        }
    }
}

impl Seen<'_> {
    /// Whether something went wrong: anything but WeChat's consent, whole.
    pub fn failed(&self) -> bool {
        self.error.is_some()
            || self.end == End::BrokeOff
            || self.errcode.is_some_and(|errcode| errcode != 0)
            || self.status.is_some_and(|status| status >= 400)
    }
}

/// A request that went well, for tests.
#[cfg(test)]
pub(super) fn test_seen() -> Seen<'static> {
    static ID: RequestId = RequestId::Made(7);
    Seen {
        account: "main",
        caller: None,
        peer: None,
        class: Class::Token,
        method: "GET",
        path: "/cgi-bin/user/get",
        status: Some(200),
        errcode: Some(0),
        rid: None,
        error: None,
        generation: Some(1),
        retry: None,
        living_token_refused: false,
        id: &ID,
        whole: Duration::from_millis(40),
        upstream: Duration::from_millis(39),
        received: 0,
        sent: 27,
        end: End::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_over_when_it_is_sane_and_made_when_it_is_not() {
        let id = |given: Option<&str>| RequestId::new(given.map(str::as_bytes), || 0xAB).to_string();
        for sane in ["1", "a1b2-c3_d4.e5:f6", "6aac0063/7ed08fb9+x==@y", &"x".repeat(64)] {
            assert_eq!(id(Some(sane)), sane);
        }
        for odd in ["", "a b", "a\"b", "a\nb", "a\\b", "é", "<script>", &"x".repeat(65)] {
            assert_eq!(id(Some(odd)), "00000000000000ab", "{odd}");
        }
        assert_eq!(id(None), "00000000000000ab");
    }
}
