//! The connections of one worker that wait for their next request: last in, first out, and not for long.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::Keeping;
use super::http1::Connection;

/// The idle connections, the most recently used last.
pub(super) struct Pool {
    idle: RefCell<VecDeque<(Instant, Box<Connection>)>>,
    /// Requests that found none idle, those who wait longest first.
    waiting: RefCell<VecDeque<oneshot::Sender<Box<Connection>>>>,
    keeping: Keeping,
    sweeping: Cell<bool>,
}

impl Pool {
    pub(super) fn new(keeping: Keeping) -> Rc<Self> {
        Rc::new(Self { idle: RefCell::default(), waiting: RefCell::default(), keeping, sweeping: Cell::new(false) })
    }

    /// How long a new connection may be used: the last quarter is drawn, so that those which a burst has made do not all
    /// end at once.
    pub(super) fn life(&self) -> Duration {
        self.keeping.life.mul_f64(1.0 - fastrand::f64() / 4.0)
    }

    /// The connection that was used last, if it is still good. `surely`: also by a look of its own at the socket, for a
    /// request that must not be lost with it. Without that, the news that it has ended may still wait in the reactor.
    pub(super) fn take(&self, surely: bool) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        while let Some((since, connection)) = idle.pop_back() {
            if since.elapsed() >= self.keeping.idle {
                idle.clear(); // all the others have waited longer
                return None;
            }
            if if surely { connection.is_usable() } else { connection.seems_usable() } {
                return Some(connection);
            }
        }
        None
    }

    /// The next connection that is given back and that nobody has waited longer for.
    pub(super) fn next_given_back(&self) -> oneshot::Receiver<Box<Connection>> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.borrow_mut();
        // So that those who gave up do not gather here while nothing is given back.
        while waiting.front().is_some_and(oneshot::Sender::is_closed) {
            waiting.pop_front();
        }
        waiting.push_back(sender);
        receiver
    }

    /// Gives a connection back: to whoever waits for one, else to the idle ones, unless it is old.
    pub(super) fn put(self: &Rc<Self>, connection: Box<Connection>) {
        let now = Instant::now();
        if connection.has_ended(now) {
            return;
        }
        let Some(connection) = self.hand_over(connection) else { return };
        if self.keeping.connections == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= self.keeping.connections {
            idle.pop_front();
        }
        idle.push_back((now, connection));
        drop(idle);
        if !self.sweeping.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self), self.keeping.idle));
        }
    }

    /// `None` where somebody has taken it.
    fn hand_over(&self, mut connection: Box<Connection>) -> Option<Box<Connection>> {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(request) = waiting.pop_front() {
            match request.send(connection) {
                Ok(()) => return None,
                Err(refused) => connection = refused, // its request gave up
            }
        }
        Some(connection)
    }
}

/// Closes connections whose time has passed or that the other side has closed, until none is left.
async fn sweep(pool: Weak<Pool>, timeout: Duration) {
    loop {
        sleep(timeout.max(Duration::from_millis(100)) / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle.borrow_mut();
        idle.retain(|(since, connection)| since.elapsed() < timeout && connection.is_usable());
        if idle.is_empty() {
            pool.sweeping.set(false);
            return;
        }
    }
}
