//! How many connections are made at once, and what a request does that finds none idle.
//!
//! In a burst each request would otherwise begin a handshake of its own. All of them would be slow; with some thousands,
//! none would end within the connect deadline, and nobody would ever be answered. So a request waits for a place to make
//! a connection, or for one that another request gives back, whichever comes first; those who wait longest go first.

use tokio::sync::Semaphore;

use super::connect::ConnectError;
use super::http1::Connection;
use super::pool::Pool;

/// Connections that one worker makes at once: some 50 ms of a core with TLS, and 1,000 a second where each takes 100 ms.
const AT_ONCE: usize = 128;

/// The places for making connections.
pub(super) struct Connecting {
    places: Semaphore,
}

/// A connection, and where it came from.
pub(super) enum Found {
    New(Box<Connection>),
    /// It has carried a request before, and may be dead like any that was idle.
    Used(Box<Connection>),
}

impl Connecting {
    pub(super) fn new() -> Self {
        Self { places: Semaphore::new(AT_ONCE) }
    }

    /// What `make` makes when there is a place, or what is given back to `pool` before.
    pub(super) async fn find(
        &self,
        pool: &Pool,
        make: impl Future<Output = Result<Box<Connection>, ConnectError>>,
    ) -> Result<Found, ConnectError> {
        let given_back = async { pool.next_given_back().await };
        let place = tokio::select! {
            biased; // what has been given to us must not be lost
            Ok(connection) = given_back, if self.places.available_permits() == 0 => {
                return Ok(Found::Used(connection));
            }
            place = self.places.acquire() => place,
        };
        let made = make.await;
        drop(place);
        made.map(Found::New)
    }

    /// What `make` makes when there is a place.
    pub(super) async fn make(
        &self,
        make: impl Future<Output = Result<Box<Connection>, ConnectError>>,
    ) -> Result<Box<Connection>, ConnectError> {
        let _place = self.places.acquire().await;
        make.await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Notify;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;
    use crate::egress::OpenConnections;
    use crate::upstream::Keeping;
    use crate::upstream::stream::Stream;

    const KEEPING: Keeping = Keeping { connections: 8, idle: Duration::from_secs(60), life: Duration::from_secs(120) };

    /// Requests that look for a connection, and what became of them.
    struct Burst {
        connecting: Connecting,
        pool: Rc<Pool>,
        /// Handshakes that were begun.
        begun: Cell<usize>,
        /// Ends one handshake.
        end_one: Notify,
        new: Cell<usize>,
        given_back: Cell<usize>,
    }

    impl Burst {
        fn new() -> Rc<Self> {
            Rc::new(Self {
                connecting: Connecting::new(),
                pool: Pool::new(KEEPING),
                begun: Cell::default(),
                end_one: Notify::new(),
                new: Cell::default(),
                given_back: Cell::default(),
            })
        }

        async fn request(self: Rc<Self>) {
            let handshake = async {
                self.begun.set(self.begun.get() + 1);
                self.end_one.notified().await;
                Ok(connection().await)
            };
            let count = match self.connecting.find(&self.pool, handshake).await {
                Ok(Found::New(_)) => &self.new,
                Ok(Found::Used(_)) => &self.given_back,
                Err(error) => panic!("{error}"),
            };
            count.set(count.get() + 1);
        }
    }

    async fn connection() -> Box<Connection> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        Connection::new(Stream::plain(stream), KEEPING.life, OpenConnections::default().enter())
    }

    /// Until no task has anything left to do but wait.
    async fn settled(burst: &Burst, expected: (usize, usize, usize)) {
        let seen = || (burst.begun.get(), burst.new.get(), burst.given_back.get());
        for _ in 0..100_000 {
            if seen() == expected {
                break;
            }
            yield_now().await;
        }
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(seen(), expected, "begun, new, given back");
    }

    #[tokio::test]
    async fn a_burst_makes_few_connections_at_once_and_takes_up_what_is_given_back() {
        let burst = Burst::new();
        let requests = async {
            for _ in 0..AT_ONCE + 3 {
                spawn_local(Rc::clone(&burst).request());
            }
            settled(&burst, (AT_ONCE, 0, 0)).await;
            burst.pool.put(connection().await);
            settled(&burst, (AT_ONCE, 0, 1)).await;
            burst.end_one.notify_one();
            settled(&burst, (AT_ONCE + 1, 1, 1)).await;
        };
        LocalSet::new().run_until(requests).await;
    }

    #[tokio::test]
    async fn a_request_that_gave_up_waiting_takes_nothing_from_those_behind_it() {
        let burst = Burst::new();
        let requests = async {
            for _ in 0..AT_ONCE {
                spawn_local(Rc::clone(&burst).request());
            }
            settled(&burst, (AT_ONCE, 0, 0)).await;
            let gone = spawn_local(Rc::clone(&burst).request());
            settled(&burst, (AT_ONCE, 0, 0)).await;
            spawn_local(Rc::clone(&burst).request());
            settled(&burst, (AT_ONCE, 0, 0)).await;
            gone.abort();
            settled(&burst, (AT_ONCE, 0, 0)).await;
            burst.pool.put(connection().await);
            settled(&burst, (AT_ONCE, 0, 1)).await;
        };
        LocalSet::new().run_until(requests).await;
    }
}
