//! One request's part in a trace, as the request sees it.

use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use super::notes::{Notes, Sending, What};
use super::parent::{Parent, state};
use super::queue::Queue;
use super::spans::spans;
use crate::observe::Seen;
use crate::observe::traces::Wait;

/// A request's steps, if it is sampled: one word for the many that are not.
#[derive(Debug)]
pub struct Trace(Option<Box<Sampled>>);

#[derive(Debug)]
struct Sampled {
    notes: Notes,
    queue: Arc<Queue>,
}

/// A step until it is dropped.
#[derive(Debug)]
pub struct Step<'a>(Option<&'a Notes>);

impl Trace {
    /// Nothing is noted.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// A request begins, with this head.
    pub(super) fn begin(queue: &Arc<Queue>, parent: Option<Parent>, headers: &HeaderMap) -> Self {
        let state = if parent.is_some() { state(headers) } else { String::new() };
        Self(Some(Box::new(Sampled { notes: Notes::new(parent, state), queue: Arc::clone(queue) })))
    }

    /// The request waits, until the step is dropped.
    pub fn wait(&self, wait: Wait) -> Step<'_> {
        self.step(|| What::Wait(wait))
    }

    /// The request is on its way to WeChat, until the step is dropped or [ended](Step::ended).
    pub fn sending(&self) -> Step<'_> {
        self.step(|| What::Sending(Sending::default()))
    }

    /// The sending under way is now written to the host of this name.
    pub fn goes_to(&self, host: &HeaderValue) {
        if let Some(notes) = self.notes() {
            notes.goes_to(host);
        }
    }

    /// The answer to the last sending, which had the token of this generation, was looked at.
    pub fn judged(&self, errcode: Option<i64>, rid: Option<&str>, generation: u64) {
        let Some(notes) = self.notes() else { return };
        notes.with_sending(|sending| {
            sending.errcode = errcode;
            sending.rid = rid.map(Into::into);
            sending.generation = Some(generation);
        });
    }

    /// The request has come to its end: its spans are handed over.
    pub fn end(&mut self, seen: &Seen<'_>) {
        if let Some(sampled) = self.0.take() {
            sampled.queue.put(spans(&sampled.notes, seen, Instant::now()));
        }
    }

    fn notes(&self) -> Option<&Notes> {
        self.0.as_deref().map(|sampled| &sampled.notes)
    }

    fn step(&self, what: impl FnOnce() -> What) -> Step<'_> {
        let notes = self.notes();
        if let Some(notes) = notes {
            notes.begin_step(what());
        }
        Step(notes)
    }
}

impl Step<'_> {
    /// The sending has ended: with the status of an answer, or for this reason without one.
    pub fn ended(self, outcome: impl FnOnce() -> Result<u16, &'static str>) {
        let Some(notes) = self.0 else { return };
        notes.with_sending(|sending| match outcome() {
            Ok(status) => sending.status = Some(status),
            Err(error) => sending.error = Some(error),
        });
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        if let Some(notes) = self.0 {
            notes.end_step();
        }
    }
}
