//! Sockets and connections: listening, permits, workers, draining. Knows nothing of tokens.
//!
//! One acceptor a listener hands each connection to the worker that has the fewest; a worker is a thread with a
//! current-thread runtime, and a connection stays on its worker (architecture.md §2). With `SO_REUSEPORT` instead, few long-lived
//! callers could all land on one worker.

mod accept;
mod caller_io;
mod connection;
mod drive;
mod handshake;
mod open;
mod permits;
mod plan;
mod protocol;
mod pulse;
mod rest;
mod running;
mod socket;
mod stream;
mod tls;
mod waiting;
mod worker;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};

pub use crate::address::{Address, UnixAddress};
pub use open::Connections;
pub use plan::{BindError, Listener, Plan};
pub use running::Server;
pub use tls::{TlsFileError, TlsFiles};

/// How long a new connection is given for its first request when the drain begins: the request may be on its way.
const FRESH: Duration = Duration::from_secs(1);

/// Answers requests. Each worker has one of its own.
pub trait Handler: 'static {
    /// What its answers consist of.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Unpin + 'static;

    /// Answers one request. It is dropped in the middle when the caller goes away.
    fn handle(
        &self,
        request: Request<Incoming>,
        from: &Arrival,
    ) -> impl Future<Output = Response<Self::Body>> + use<Self>;
}

/// Where a request came in.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The listener's number in [`Plan::listeners`].
    pub listener: usize,
    /// The caller's address; `None` on a Unix socket.
    pub peer: Option<IpAddr>,
    /// The DNS names in the caller's certificate, in lower case; none where no certificate was asked for. (A certificate
    /// that its CA did not sign ends the handshake.)
    pub names: Rc<[String]>,
}

/// The threads of a server.
#[derive(Debug, Clone, Copy)]
pub struct Threads {
    /// What they are called, each with its number behind.
    pub name: &'static str,
    /// How many there are; at least 1.
    pub count: usize,
}

/// What connections may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Callers' connections at once; beyond them, callers wait in the kernel's queue.
    pub connections: usize,
    /// Bytes of a head beyond which it is refused without being parsed. The gateway's own limit is lower and gives a
    /// better answer.
    pub head_size: usize,
    /// Deadlines.
    pub timeouts: Timeouts,
}

/// How long a caller may keep a connection without moving on.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From a head's first byte to its end.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Without taking any of an answer's bytes; in HTTP/2, without making room for 16 KiB of it.
    pub send: Duration,
}
