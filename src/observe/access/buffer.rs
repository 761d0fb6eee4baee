//! One worker's lines on their way to the thread that writes them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::sleep;

use super::line::Lines;
use super::writer::AccessLog;
use crate::observe::seen::Seen;

/// Handed over when it has grown to this …
const FULL: usize = 16 * 1024;
/// … or when its first line is this old.
const OLD: Duration = Duration::from_millis(250);

/// Lines that are not handed over yet.
#[derive(Debug)]
pub(in crate::observe) struct Buffer {
    log: AccessLog,
    lines: RefCell<Lines>,
    bytes: RefCell<Vec<u8>>,
    count: Cell<u64>,
    begun: Notify,
}

impl Buffer {
    /// A buffer whose lines are handed over in time, on the runtime of this worker.
    pub(in crate::observe) fn new(log: AccessLog) -> Rc<Self> {
        let buffer = Rc::new(Self {
            lines: RefCell::new(Lines::new(log.format())),
            log,
            bytes: RefCell::default(),
            count: Cell::new(0),
            begun: Notify::new(),
        });
        tokio::task::spawn_local(hand_over_in_time(Rc::clone(&buffer)));
        buffer
    }

    pub(in crate::observe) fn add(&self, seen: &Seen<'_>) {
        let mut bytes = self.bytes.borrow_mut();
        if bytes.is_empty() {
            bytes.reserve(FULL + FULL / 8);
            self.begun.notify_one();
        }
        self.lines.borrow_mut().write(&mut bytes, seen, SystemTime::now());
        self.count.set(self.count.get() + 1);
        if bytes.len() >= FULL {
            drop(bytes);
            self.hand_over();
        }
    }

    fn hand_over(&self) {
        let bytes = self.bytes.take();
        if !bytes.is_empty() {
            self.log.write(bytes, self.count.take());
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// Costs nothing while there are no lines. It ends with the worker's runtime, and the last lines go then.
async fn hand_over_in_time(buffer: Rc<Buffer>) {
    loop {
        buffer.begun.notified().await;
        sleep(OLD).await;
        buffer.hand_over();
    }
}
