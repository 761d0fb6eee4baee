//! What happened lately: busiest endpoints, errcodes, failures. Each worker notes in a place of its own, whose lock nobody
//! else wants but for a moment every few seconds.

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;

use super::seen::{End, Seen};

/// How many endpoints a worker tells apart between two gatherings.
const ENDPOINTS: usize = 64;
/// How many errcodes.
const ERRCODES: usize = 64;
/// How many failures are kept.
pub(super) const FAILURES: usize = 50;
/// The longest text of a caller's that is kept, in bytes.
const LONGEST: usize = 128;

/// What one worker noted since it was gathered last.
#[derive(Debug, Default)]
pub(super) struct Lately {
    pub(super) endpoints: HashMap<Box<str>, Endpoint>,
    pub(super) errcodes: HashMap<i64, u64>,
    pub(super) failures: VecDeque<Failure>,
}

/// What requests to one path came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// How many.
    pub requests: u64,
    /// Those that went wrong.
    pub failed: u64,
    /// Those whose token WeChat refused although it takes it elsewhere: a wrong kind of token, or a back end that lags.
    pub living_tokens_refused: u64,
    /// The time of all of them together.
    pub microseconds: u64,
}

/// A request that went wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When it ended.
    pub at: SystemTime,
    /// See [`Seen`], as for all that follow.
    pub account: String,
    /// Who called.
    pub caller: Option<String>,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// The answer's status.
    pub status: Option<u16>,
    /// WeChat's errcode.
    pub errcode: Option<i64>,
    /// WeChat's name for it.
    pub rid: Option<String>,
    /// The kind of the gateway's own answer.
    pub error: Option<&'static str>,
    /// How a heal ended.
    pub retry: Option<&'static str>,
    /// Its name.
    pub id: String,
    /// Milliseconds from head to end.
    pub milliseconds: u64,
    /// How its answer ended.
    pub end: End,
}

impl Lately {
    pub(super) fn add(&mut self, seen: &Seen<'_>) {
        // What was refused before its account was known says nothing about endpoints, and its path may be anything.
        if seen.class != super::Class::Unknown {
            self.add_endpoint(seen);
        }
        if let Some(errcode) = seen.errcode.filter(|&errcode| errcode != 0) {
            let has_place = self.errcodes.len() < ERRCODES || self.errcodes.contains_key(&errcode);
            *self.errcodes.entry(if has_place { errcode } else { i64::MAX }).or_default() += 1;
        }
        if seen.failed() {
            if self.failures.len() >= FAILURES {
                self.failures.pop_front();
            }
            self.failures.push_back(Failure::of(seen));
        }
    }

    /// The busiest keep their places, however many others come: a new path takes the place of the least busy and goes on
    /// from its count (Metwally et al., "Space-Saving", 2005).
    fn add_endpoint(&mut self, seen: &Seen<'_>) {
        let path = shortened(seen.path);
        if let Some(endpoint) = self.endpoints.get_mut(path) {
            endpoint.add(seen);
            return;
        }
        let mut endpoint = Endpoint::default();
        if self.endpoints.len() >= ENDPOINTS {
            let least = self.endpoints.iter().min_by_key(|(_, endpoint)| endpoint.requests);
            if let Some((path, least)) = least.map(|(path, least)| (path.clone(), *least)) {
                self.endpoints.remove(&path);
                endpoint = least;
            }
        }
        endpoint.add(seen);
        self.endpoints.insert(path.into(), endpoint);
    }
}

impl Endpoint {
    fn add(&mut self, seen: &Seen<'_>) {
        self.take_in(&Self {
            requests: 1,
            failed: seen.failed().into(),
            living_tokens_refused: seen.living_token_refused.into(),
            microseconds: u64::try_from(seen.whole.as_micros()).unwrap_or(u64::MAX),
        });
    }

    pub(super) fn take_in(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.living_tokens_refused += other.living_tokens_refused;
        self.microseconds = self.microseconds.saturating_add(other.microseconds);
    }
}

impl Failure {
    fn of(seen: &Seen<'_>) -> Self {
        Self {
            at: SystemTime::now(),
            account: seen.account.to_owned(),
            caller: seen.caller.map(str::to_owned),
            method: shortened(seen.method).to_owned(),
            path: shortened(seen.path).to_owned(),
            status: seen.status,
            errcode: seen.errcode,
            rid: seen.rid.map(|rid| shortened(rid).to_owned()),
            error: seen.error.map(|own| own.name),
            retry: seen.retry,
            id: seen.id.to_string(),
            milliseconds: u64::try_from(seen.whole.as_millis()).unwrap_or(u64::MAX),
            end: seen.end,
        }
    }
}

/// At most the first [`LONGEST`] bytes.
fn shortened(text: &str) -> &str {
    let end = (0..=LONGEST.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::seen::test_seen;

    fn path(path: &str) -> Seen<'_> {
        Seen { path, ..test_seen() }
    }

    #[test]
    fn the_busiest_keep_their_places_however_many_others_come() {
        let mut lately = Lately::default();
        for n in 0..10_000 {
            lately.add(&path("/cgi-bin/user/get"));
            lately.add(&path(&format!("/random/{n}")));
        }
        assert_eq!(lately.endpoints.len(), ENDPOINTS);
        assert_eq!(lately.endpoints["/cgi-bin/user/get"].requests, 10_000);
    }

    #[test]
    fn nothing_grows_beyond_its_bound() {
        let mut lately = Lately::default();
        let long = "/é".repeat(10_000);
        for errcode in 1..10_000 {
            lately.add(&Seen { errcode: Some(errcode), ..path(&long) });
        }
        assert_eq!((lately.errcodes.len(), lately.failures.len()), (ERRCODES + 1, FAILURES));
        assert_eq!(lately.errcodes.values().sum::<u64>(), 9_999);
        let last = lately.failures.back().unwrap();
        assert_eq!((last.errcode, last.path.len() <= LONGEST), (Some(9_999), true));
    }

    #[test]
    fn what_was_refused_before_its_account_was_known_is_a_failure_and_no_endpoint() {
        let mut lately = Lately::default();
        let refused = Seen {
            class: crate::observe::Class::Unknown,
            error: Some(crate::observe::OwnAnswer { number: 5, name: "browser" }),
            ..path("/evil")
        };
        lately.add(&refused);
        assert!(lately.endpoints.is_empty() && lately.failures.len() == 1);
    }
}
