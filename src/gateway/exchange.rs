//! One request from its head to its answer's last byte: what is noted on the way, and handed to the observer in the end,
//! whichever end that is.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use tokio::time::Instant;

use super::admit::{Caller, Peer};
use super::body::Outgoing;
use super::error::{Error, Kind};
use super::fields::lines;
use super::judge::Judged;
use super::retry::Retry;
use super::route::{Account, Action, Route};
use crate::observe::traces::{Step, Trace, Wait};
use crate::observe::{Class, End, Observer, OwnAnswer, RequestId, Seen};
use crate::upstream::Answer;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request on its way. It ends when it is dropped, with its answer or before it.
pub(super) struct Exchange {
    observer: Rc<Observer>,
    begun: Instant,
    /// The request's.
    pub(super) head: Parts,
    /// Bytes of the path that only named the account.
    prefix: Cell<usize>,
    id: RequestId,
    /// Who sent it.
    pub(super) peer: Peer,
    class: Cell<Class>,
    account: OnceCell<Arc<Account>>,
    caller: OnceCell<Arc<Caller>>,
    status: Cell<Option<u16>>,
    errcode: Cell<Option<i64>>,
    rid: Cell<Option<Box<str>>>,
    error: Cell<Option<Kind>>,
    generation: Cell<Option<u64>>,
    retry: Cell<Option<Retry>>,
    living_token_refused: Cell<bool>,
    upstream: Cell<Duration>,
    received: Cell<u64>,
    sent: Cell<u64>,
    end: Cell<End>,
    trace: Trace,
}

impl Exchange {
    /// The head has come.
    pub(super) fn begin(observer: &Rc<Observer>, head: Parts, peer: Peer) -> Self {
        let given = lines(&head.headers, REQUEST_ID).next().map(HeaderValue::as_bytes);
        let id = RequestId::new(given, || observer.next_id());
        let trace = observer.trace(&head.headers);
        Self {
            begun: Instant::now(),
            head,
            prefix: Cell::new(0),
            id,
            peer,
            class: Cell::new(Class::Unknown),
            account: OnceCell::new(),
            caller: OnceCell::new(),
            status: Cell::new(None),
            errcode: Cell::new(None),
            rid: Cell::new(None),
            error: Cell::new(None),
            generation: Cell::new(None),
            retry: Cell::new(None),
            living_token_refused: Cell::new(false),
            upstream: Cell::new(Duration::ZERO),
            received: Cell::new(0),
            sent: Cell::new(0),
            end: Cell::new(End::CallerLeft),
            trace,
            observer: Rc::clone(observer),
        }
    }

    /// Its name, for log lines about it.
    pub(super) fn id(&self) -> &RequestId {
        &self.id
    }

    /// Where it goes is known.
    pub(super) fn routed(&self, route: &Route<'_>) {
        self.prefix.set(self.head.uri.path().len().saturating_sub(route.path.len()));
        let (class, account) = match &route.action {
            Action::Token(account) => (Class::Token, Some(account)),
            Action::Secret(account, _) => (Class::Secret, Some(account)),
            Action::TokenAndSecret(account, _) => (Class::TokenAndSecret, Some(account)),
            Action::Nothing | Action::Foreign => (Class::Untouched, None),
            Action::TokenEndpoint(..) => (Class::TokenEndpoint, None),
        };
        self.class.set(class);
        account.into_iter().for_each(|account| self.uses(account));
    }

    /// The account, where only its call to a token endpoint names it.
    pub(super) fn uses(&self, account: &Arc<Account>) {
        let _ = self.account.set(Arc::clone(account));
    }

    /// Who calls is known.
    pub(super) fn identified(&self, caller: &Arc<Caller>) {
        let _ = self.caller.set(Arc::clone(caller));
    }

    /// Its body, of so many bytes, has come.
    pub(super) fn received(&self, bytes: u64) {
        self.received.set(bytes);
    }

    /// It is sent to WeChat, until the head of an answer has come.
    pub(super) fn is_sent(&self) -> Sending<'_> {
        Sending { time: &self.upstream, begun: Instant::now(), step: self.trace.sending() }
    }

    /// It is now written to the host of this name, unless no connection is found.
    pub(super) fn goes_to(&self, host: &HeaderValue) {
        self.trace.goes_to(host);
    }

    /// It waits for a token, until the step is dropped.
    pub(super) fn waits(&self, wait: Wait) -> Step<'_> {
        self.trace.wait(wait)
    }

    /// WeChat's answer to the token of this generation was looked at.
    pub(super) fn judged(&self, judged: &mut Judged, generation: u64) {
        self.trace.judged(judged.errcode, judged.rid.as_deref(), generation);
        self.generation.set(Some(generation));
        self.errcode.set(judged.errcode);
        self.rid.set(judged.rid.take());
    }

    /// WeChat refused its token, and takes it elsewhere.
    pub(super) fn token_lives(&self) {
        self.living_token_refused.set(true);
    }

    /// A heal that was called for has ended.
    pub(super) fn healing_ended(&self, retry: Retry) {
        self.retry.set(Some(retry));
    }

    /// The gateway answers itself.
    pub(super) fn failed(&self, kind: Kind) {
        self.error.set(Some(kind));
    }

    /// The answer goes out. The request's name goes with it where something is to be looked up in the log; all other
    /// answers are as WeChat sent them.
    pub(super) fn answered(&self, status: u16, headers: &mut HeaderMap) {
        self.status.set(Some(status));
        if self.error.get().is_none() && self.retry.get().is_none() || headers.contains_key(REQUEST_ID) {
            return;
        }
        if let Ok(id) = HeaderValue::try_from(self.id.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
    }

    /// So many bytes of the answer have gone.
    pub(super) fn sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }

    /// The answer has ended. The first word on it holds: of one that broke off, nothing is left to come either.
    pub(super) fn ended(&self, end: End) {
        if self.end.get() == End::CallerLeft {
            self.end.set(end);
        }
    }
}

/// A sending to WeChat that is under way.
pub(super) struct Sending<'a> {
    time: &'a Cell<Duration>,
    begun: Instant,
    step: Step<'a>,
}

impl Sending<'_> {
    /// Its time is WeChat's part of the request's.
    pub(super) fn ended(self, outcome: &Result<Answer<Outgoing>, Error>) {
        self.time.set(self.time.get() + self.begun.elapsed());
        self.step.ended(|| match outcome {
            Ok(answer) => Ok(answer.head.status.as_u16()),
            Err(error) => Err(error.kind().name()),
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let path = self.head.uri.path();
        let rid = self.rid.take();
        let account = self.account.get().map(|account| &*account.seen);
        let seen = Seen {
            account: account.map_or("", |account| account.name()),
            caller: self.caller.get().map(|caller| caller.name()),
            peer: self.peer.address,
            class: self.class.get(),
            method: self.head.method.as_str(),
            path: path.get(self.prefix.get()..).unwrap_or(path),
            status: self.status.get(),
            errcode: self.errcode.get(),
            rid: rid.as_deref(),
            error: self.error.get().map(|kind| OwnAnswer { number: kind as u8, name: kind.name() }),
            generation: self.generation.get(),
            retry: self.retry.get().map(Retry::name),
            living_token_refused: self.living_token_refused.get(),
            id: &self.id,
            whole: self.begun.elapsed(),
            upstream: self.upstream.get(),
            received: self.received.get(),
            sent: self.sent.get(),
            end: self.end.get(),
        };
        self.observer.note(account, &seen);
        self.trace.end(&seen);
    }
}
