//! What one request notes of its steps, while it is on its way.

use std::cell::{Ref, RefCell};
use std::time::SystemTime;

use hyper::header::HeaderValue;
use tokio::time::Instant;

use super::parent::Parent;
use crate::observe::traces::Wait;

/// The error of a sending after which the request went out once more by itself: its connection or its place was dead.
const UNANSWERED: &str = "unanswered";

/// One request.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) parent: Option<Parent>,
    /// What vendors say of the trace.
    pub(super) state: String,
    /// One moment by both clocks: what follows is measured by the one that never jumps.
    pub(super) begun: (Instant, SystemTime),
    steps: RefCell<Vec<Noted>>,
}

/// One step.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) what: What,
    pub(super) begun: Instant,
    /// `None` while it lasts.
    pub(super) ended: Option<Instant>,
}

/// What a step is.
#[derive(Debug)]
pub(super) enum What {
    Wait(Wait),
    Sending(Sending),
}

/// One sending to WeChat.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// The value of `Host`; `None` where there was no connection.
    pub(super) host: Option<HeaderValue>,
    pub(super) status: Option<u16>,
    /// Why there was no answer.
    pub(super) error: Option<&'static str>,
    pub(super) errcode: Option<i64>,
    pub(super) rid: Option<Box<str>>,
    pub(super) generation: Option<u64>,
}

impl Notes {
    pub(super) fn new(parent: Option<Parent>, state: String) -> Self {
        Self { parent, state, begun: (Instant::now(), SystemTime::now()), steps: RefCell::default() }
    }

    /// All steps, in their order.
    pub(super) fn steps(&self) -> Ref<'_, Vec<Noted>> {
        self.steps.borrow()
    }

    pub(super) fn begin_step(&self, what: What) {
        self.steps.borrow_mut().push(Noted { what, begun: Instant::now(), ended: None });
    }

    /// Steps follow each other: the last one is the one that lasts.
    pub(super) fn end_step(&self) {
        if let Some(last) = self.steps.borrow_mut().last_mut() {
            last.ended = Some(Instant::now());
        }
    }

    /// The sending under way is now written to the host of this name. When it was written to one before, that one did not
    /// answer.
    pub(super) fn goes_to(&self, host: &HeaderValue) {
        let mut is_next = false;
        self.with_sending(|sending| {
            is_next = sending.host.is_some();
            if is_next {
                sending.error = Some(UNANSWERED);
            } else {
                sending.host = Some(host.clone());
            }
        });
        if is_next {
            self.end_step();
            self.begin_step(What::Sending(Sending { host: Some(host.clone()), ..Sending::default() }));
        }
    }

    /// Changes the last sending.
    pub(super) fn with_sending(&self, change: impl FnOnce(&mut Sending)) {
        let mut steps = self.steps.borrow_mut();
        let last = steps.iter_mut().rev().find_map(|step| match &mut step.what {
            What::Sending(sending) => Some(sending),
            What::Wait(_) => None,
        });
        if let Some(last) = last {
            change(last);
        }
    }
}
