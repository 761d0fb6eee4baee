//! Listening sockets: bound early, so that their real ports are known, and served later.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::Semaphore;

use super::accept::accept;
use super::stage::{Control, Stage};
use super::worker::Worker;
use super::{Handler, Limits};

/// Connections that the kernel keeps waiting while none is accepted; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4_096;

/// An address that could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub cause: io::Error,
}

/// Sockets that listen, and wait to be served.
#[derive(Debug)]
pub struct Bound {
    sockets: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

impl Bound {
    /// Listens on every address; port 0 takes a free one.
    ///
    /// # Errors
    /// The first address that cannot be had.
    pub fn bind(addresses: impl IntoIterator<Item = SocketAddr>) -> Result<Self, BindError> {
        let mut bound = Self { sockets: Vec::new(), addresses: Vec::new() };
        for address in addresses {
            let socket = listen(address).map_err(|cause| BindError { address, cause })?;
            bound.addresses.push(socket.local_addr().map_err(|cause| BindError { address, cause })?);
            bound.sockets.push(socket);
        }
        Ok(bound)
    }

    /// The addresses as they are, with their real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts and serves until `control` drains and the last answer is out, or until it ends. `handler` is called once
    /// on each worker's thread.
    ///
    /// # Errors
    /// A thread or a socket that the system refuses, or what `handler` fails with, before anything is accepted.
    pub async fn serve<H, E>(
        self,
        limits: Limits,
        control: &Control,
        handler: impl Fn() -> Result<H, E> + Send + Sync + 'static,
    ) -> io::Result<()>
    where
        H: Handler,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let handler = Arc::new(handler);
        let mut workers = Vec::with_capacity(limits.workers);
        for number in 0..limits.workers {
            workers.push(Worker::start(number, limits, control.follow(), Arc::clone(&handler)).await?);
        }
        let queues: Arc<[_]> = workers.iter().map(Worker::queue).collect();
        let permits = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        for (index, socket) in self.sockets.into_iter().enumerate() {
            let listener = tokio::net::TcpListener::from_std(socket)?;
            tokio::spawn(accept(listener, index, Arc::clone(&permits), Arc::clone(&queues), control.follow()));
        }
        drop(queues); // the acceptors alone keep the workers waiting for more
        control.reached(Stage::Draining).await;
        for worker in workers {
            worker.finished().await;
        }
        Ok(())
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?; // a restart must not wait for old connections' TIME_WAIT
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
