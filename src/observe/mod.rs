//! What is seen of requests: counts, latencies, what failed lately. For metrics, the status, the access log and traces.
//!
//! Each worker writes through an [`Observer`] of its own, into places that no other worker writes: a request shares no
//! cache line with one on another core. [`Observations`] adds the workers up for whoever reads.

mod access;
mod histogram;
mod history;
mod lately;
mod outcome;
mod seen;
mod tally;
pub mod traces;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hyper::header::HeaderMap;

use access::Buffer;
pub use access::{AccessLog, Finish};
pub use histogram::{BOUNDS, Latencies};
pub use history::{History, RESOLUTION, SAMPLES, Sample};
use lately::Lately;
pub use lately::{Endpoint, Failure};
pub use outcome::{Class, Outcome};
pub use seen::{End, OwnAnswer, RequestId, Seen};
pub use tally::{AccountSeen, Totals};

use crate::config::AccessLines;
use traces::{Trace, Traces};

/// What all workers have seen.
#[derive(Debug)]
pub struct Observations {
    workers: usize,
    accounts: Mutex<BTreeMap<String, Arc<AccountSeen>>>,
    /// Requests that use no account of ours.
    nobody: Arc<AccountSeen>,
    /// What each worker noted lately; nothing where nobody gathers it.
    lately: Box<[Mutex<Lately>]>,
    gathered: AtomicBool,
    access: OnceLock<AccessLog>,
    /// Which requests get a line there.
    access_lines: AtomicU8,
    observers: AtomicUsize,
    /// Where requests' spans go.
    pub traces: Traces,
}

/// One worker's view.
#[derive(Debug)]
pub struct Observer {
    worker: usize,
    observations: Arc<Observations>,
    next_id: Cell<u64>,
    access: Option<Rc<Buffer>>,
}

impl Observations {
    /// For as many workers; more share.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers: workers.max(1),
            accounts: Mutex::default(),
            nobody: Arc::new(AccountSeen::new("", workers.max(1))),
            lately: (0..workers.max(1)).map(|_| Mutex::default()).collect(),
            gathered: AtomicBool::new(false),
            access: OnceLock::new(),
            access_lines: AtomicU8::new(AccessLines::Off as u8),
            observers: AtomicUsize::new(0),
            traces: Default::default(),
        })
    }

    /// What is seen of the account of this name: the same at each call.
    pub fn account(&self, name: &str) -> Arc<AccountSeen> {
        let mut accounts = self.lock();
        if let Some(known) = accounts.get(name) {
            return Arc::clone(known);
        }
        let account = Arc::new(AccountSeen::new(name, self.workers));
        accounts.insert(name.to_owned(), Arc::clone(&account));
        account
    }

    /// All accounts, and by the name "", the requests that use none.
    pub fn accounts(&self) -> Vec<Arc<AccountSeen>> {
        self.lock().values().chain([&self.nobody]).cloned().collect()
    }

    /// Writes lines from now on, to `log`; of the observers, those that come later. Once only.
    pub fn log_to(&self, log: AccessLog) {
        let _ = self.access.set(log);
    }

    /// Which requests get a line, from now on.
    pub fn log_lines(&self, lines: AccessLines) {
        self.access_lines.store(lines as u8, Ordering::Relaxed);
    }

    /// How many lines were lost.
    pub fn lines_lost(&self) -> u64 {
        self.access.get().map_or(0, AccessLog::lost)
    }

    fn lines(&self) -> AccessLines {
        match self.access_lines.load(Ordering::Relaxed) {
            lines if lines == AccessLines::All as u8 => AccessLines::All,
            lines if lines == AccessLines::Errors as u8 => AccessLines::Errors,
            _ => AccessLines::Off,
        }
    }

    /// The view of one more worker. With an access log, it is asked for on the worker's own runtime.
    pub fn observer(self: &Arc<Self>) -> Rc<Observer> {
        let worker = self.observers.fetch_add(1, Ordering::Relaxed) % self.workers;
        Rc::new(Observer {
            worker,
            observations: Arc::clone(self),
            next_id: Cell::new(fastrand::u64(..)),
            access: self.access.get().map(|log| Buffer::new(log.clone())),
        })
    }

    /// What the workers noted since the last call. What is not gathered is not noted.
    fn take_lately(&self) -> Vec<Lately> {
        self.gathered.store(true, Ordering::Relaxed);
        let take = |lately: &Mutex<Lately>| std::mem::take(&mut *lately.lock().unwrap_or_else(PoisonError::into_inner));
        self.lately.iter().map(take).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<AccountSeen>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer {
    /// A number that names a request: no two of one worker are the same, and those of two workers or of two runs hardly
    /// ever meet, for each begins anywhere.
    pub fn next_id(&self) -> u64 {
        // An odd step visits every number before the first comes again; this one makes neighbours look different.
        self.next_id.replace(self.next_id.get().wrapping_add(0x9E37_79B9_7F4A_7C15))
    }

    /// What a request with this head is to note of its steps.
    pub fn trace(&self, headers: &HeaderMap) -> Trace {
        self.observations.traces.begin(headers)
    }

    /// Takes note of a request that has ended, and of the account that it used.
    pub fn note(&self, account: Option<&AccountSeen>, seen: &Seen<'_>) {
        account.unwrap_or(&self.observations.nobody).tally(self.worker).add(seen);
        if self.observations.gathered.load(Ordering::Relaxed) {
            let lately = &self.observations.lately[self.worker];
            lately.lock().unwrap_or_else(PoisonError::into_inner).add(seen);
        }
        if let Some(access) = self.access.as_ref().filter(|_| access::wants(self.observations.lines(), seen)) {
            access.add(seen);
        }
    }
}
