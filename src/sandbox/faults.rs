//! Faults on demand: what goes wrong, where, and how often.
//!
//! A fault is built from parts, and the parts add up: it may wait, answer with something else,
//! change how the answer is written, and hang up. The first fault in the list that matches a
//! request's path strikes it, and it alone.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use super::answer::Answer;
use super::errmsg::errmsg;
use super::gate::Gate;

/// Something that goes wrong with matching requests.
#[derive(Debug, Clone, Default)]
pub struct Fault {
    path: Option<String>,
    times: Option<u64>,
    pub(super) gate: Option<Gate>,
    pub(super) delay: Duration,
    pub(super) answer: Option<Reply>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) coding: Option<Coding>,
    pub(super) chunked: bool,
    pub(super) pace: Option<Pace>,
    pub(super) hang_up: Option<HangUp>,
}

/// What is answered instead.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Errcode(i64, String),
    Whole(Answer),
    /// The very bytes, after which the connection closes.
    Raw(Bytes),
}

/// A content coding of RFC 9110 §8.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// gzip
    Gzip,
    /// The zlib format, as RFC 9110 §8.4.1.2 has it.
    Deflate,
}

/// A slow body: so many bytes, then a gap, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Bytes a piece; 0 is taken as 1.
    pub bytes: usize,
    /// The time between two pieces.
    pub gap: Duration,
}

/// When the connection is cut off, always without notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// Before the first byte of an answer.
    Before,
    /// After 20 bytes of the head.
    AmidHead,
    /// After half of the body; `Content-Length` has promised all of it.
    AmidBody,
    /// After a whole answer that says nothing of closing.
    After,
}

impl Fault {
    /// A fault of one path, compared byte for byte, without the query.
    pub fn at(path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..Self::default() }
    }

    /// A fault of every path.
    pub fn anywhere() -> Self {
        Self::default()
    }

    /// Strikes the next `count` matching requests; without it, all until the faults are cleared.
    pub fn times(self, count: u64) -> Self {
        Self { times: Some(count), ..self }
    }

    /// Holds the request at the gate before anything is judged or answered.
    pub fn hold(self, gate: &Gate) -> Self {
        Self { gate: Some(gate.clone()), ..self }
    }

    /// Waits before the head of the answer; the token is judged after the wait.
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Answers with a WeChat error, in WeChat's words for it.
    pub fn errcode(self, errcode: i64) -> Self {
        self.errcode_saying(errcode, errmsg(errcode))
    }

    /// Answers with a WeChat error in words of one's own; a `rid` follows them.
    pub fn errcode_saying(self, errcode: i64, words: &str) -> Self {
        Self { answer: Some(Reply::Errcode(errcode, words.to_owned())), ..self }
    }

    /// Answers with this status, content type and body.
    pub fn status(self, status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self { answer: Some(Reply::Whole(Answer::new(status, content_type, body))), ..self }
    }

    /// Answers with HTTP 200 and this body, called JSON whatever it is.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.status(StatusCode::OK, HeaderValue::from_static("application/json; encoding=utf-8"), body)
    }

    /// Writes these very bytes in place of an answer, head and all, and closes the connection.
    pub fn raw(self, bytes: impl Into<Bytes>) -> Self {
        Self { answer: Some(Reply::Raw(bytes.into())), ..self }
    }

    /// Adds a header to the answer; may be called again, also with the same name.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Compresses the answer, whatever the request accepts.
    pub fn coding(self, coding: Coding) -> Self {
        Self { coding: Some(coding), ..self }
    }

    /// Sends the answer chunked, without a Content-Length.
    pub fn chunked(self) -> Self {
        Self { chunked: true, ..self }
    }

    /// Sends the body slowly.
    pub fn pace(self, bytes: usize, gap: Duration) -> Self {
        Self { pace: Some(Pace { bytes, gap }), ..self }
    }

    /// Cuts the connection.
    pub fn hang_up(self, when: HangUp) -> Self {
        Self { hang_up: Some(when), ..self }
    }

    fn matches(&self, path: &str) -> bool {
        self.times != Some(0) && self.path.as_deref().is_none_or(|wanted| wanted == path)
    }
}

/// The faults in force, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Faults {
    list: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Puts a fault in force, behind those that are.
    pub fn add(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// Ends all faults. Requests that wait at a gate or through a delay go on waiting.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How many faults are still in force.
    pub fn remaining(&self) -> usize {
        self.lock().len()
    }

    /// The fault that strikes a request of this path, used up by one.
    pub(super) fn strike(&self, path: &str) -> Fault {
        let mut list = self.lock();
        let Some(index) = list.iter().position(|fault| fault.matches(path)) else { return Fault::default() };
        let fault = list[index].clone();
        if let Some(times) = &mut list[index].times {
            *times -= 1;
            if *times == 0 {
                list.remove(index);
            }
        }
        fault
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errcode(faults: &Faults, path: &str) -> Option<i64> {
        match faults.strike(path).answer {
            Some(Reply::Errcode(errcode, _)) => Some(errcode),
            _ => None,
        }
    }

    #[test]
    fn a_fault_strikes_its_path_so_many_times_and_the_next_follows() {
        let faults = Faults::default();
        faults.add(Fault::at("/a").errcode(1).times(2));
        faults.add(Fault::at("/a").errcode(2).times(1));
        assert_eq!(errcode(&faults, "/b"), None);
        assert_eq!([(); 4].map(|()| errcode(&faults, "/a")), [Some(1), Some(1), Some(2), None]);
        assert_eq!(faults.remaining(), 0);
    }

    #[test]
    fn a_fault_without_a_count_lasts_until_it_is_cleared() {
        let faults = Faults::default();
        faults.add(Fault::anywhere().errcode(7));
        assert!((0..100).all(|_| errcode(&faults, "/x") == Some(7)));
        faults.clear();
        assert_eq!(errcode(&faults, "/x"), None);
    }
}
