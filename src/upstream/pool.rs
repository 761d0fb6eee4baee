//! The connections of one worker that wait for their next request: last in, first out, and not for long.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, sleep};

use super::watched::Activity;

/// An open connection to WeChat.
pub(super) struct Connection<B> {
    pub(super) sender: SendRequest<B>,
    pub(super) activity: Rc<Activity>,
}

/// The idle connections, the most recently used last.
pub(super) struct Pool<B> {
    idle: RefCell<Vec<(Instant, Connection<B>)>>,
    capacity: usize,
    timeout: Duration,
    sweeping: Cell<bool>,
}

impl<B: 'static> Pool<B> {
    pub(super) fn new(capacity: usize, timeout: Duration) -> Rc<Self> {
        Rc::new(Self { idle: RefCell::default(), capacity, timeout, sweeping: Cell::new(false) })
    }

    /// The connection that was used last, if it is still good.
    pub(super) fn take(&self) -> Option<Connection<B>> {
        let mut idle = self.idle.borrow_mut();
        while let Some((since, connection)) = idle.pop() {
            if since.elapsed() >= self.timeout {
                idle.clear(); // all the others have waited longer
                return None;
            }
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn put(self: &Rc<Self>, connection: Connection<B>) {
        // Not ready means closed, or still busy with a request body that the answer did not wait for.
        if !connection.sender.is_ready() || self.capacity == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= self.capacity {
            idle.remove(0);
        }
        idle.push((Instant::now(), connection));
        drop(idle);
        if !self.sweeping.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self), self.timeout));
        }
    }
}

/// Closes connections whose time has passed, until none is left.
async fn sweep<B: 'static>(pool: Weak<Pool<B>>, timeout: Duration) {
    loop {
        sleep(timeout.max(Duration::from_millis(100)) / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle.borrow_mut();
        idle.retain(|(since, connection)| since.elapsed() < timeout && !connection.sender.is_closed());
        if idle.is_empty() {
            pool.sweeping.set(false);
            return;
        }
    }
}

/// A connection in use; it goes back to the pool when its answer has been read to the end.
pub(super) struct Lease<B> {
    connection: Connection<B>,
    pool: Weak<Pool<B>>,
}

impl<B: 'static> Lease<B> {
    pub(super) fn new(connection: Connection<B>, pool: &Rc<Pool<B>>) -> Self {
        Self { connection, pool: Rc::downgrade(pool) }
    }

    /// The answer has ended well. (A lease that is dropped instead closes the connection.)
    pub(super) fn release(self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.put(self.connection);
        }
    }
}
