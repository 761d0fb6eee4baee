//! Listening sockets: bound early, so that their real ports are known, and served later.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::accept::{Acceptor, accept};
use super::address::{Address, ListeningSocket};
use super::stage::{Control, Stage};
use super::tls::{ServerTls, TlsFileError, TlsFiles};
use super::worker::Worker;
use super::{Handler, Limits};

/// A listener as it is asked for.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Where.
    pub address: Address,
    /// With TLS, or in clear.
    pub tls: Option<TlsFiles>,
}

/// A listener that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refuses the address.
    #[error("cannot listen on {address}: {cause}")]
    Address {
        /// The address.
        address: Address,
        /// What the system said.
        cause: io::Error,
    },
    /// Its certificate cannot be used.
    #[error("cannot serve TLS on {address}: {cause}")]
    Tls {
        /// The address.
        address: Address,
        /// What is wrong.
        cause: TlsFileError,
    },
}

/// Sockets that listen, and wait to be served.
pub struct Bound {
    listeners: Vec<(ListeningSocket, Option<ServerTls>)>,
    addresses: Vec<Address>,
}

impl Bound {
    /// Listens everywhere.
    ///
    /// # Errors
    /// The first listener that cannot be had.
    pub fn bind(listeners: impl IntoIterator<Item = Listener>) -> Result<Self, BindError> {
        let mut bound = Self { listeners: Vec::new(), addresses: Vec::new() };
        for Listener { address, tls } in listeners {
            let tls = tls.map(ServerTls::load).transpose();
            let tls = tls.map_err(|cause| BindError::Tls { address: address.clone(), cause })?;
            let socket = ListeningSocket::bind(&address).and_then(|socket| Ok((socket.address(&address)?, socket)));
            let (address, socket) = socket.map_err(|cause| BindError::Address { address, cause })?;
            bound.addresses.push(address);
            bound.listeners.push((socket, tls));
        }
        Ok(bound)
    }

    /// The addresses as they are, with their real ports.
    pub fn addresses(&self) -> &[Address] {
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
        for (index, (socket, tls)) in self.listeners.into_iter().enumerate() {
            if let Some(tls) = tls.clone() {
                let control = control.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = tls.follow() => {}
                        () = control.reached(Stage::Draining) => {}
                    }
                });
            }
            let acceptor = Acceptor { index, tls, permits: Arc::clone(&permits), workers: Arc::clone(&queues) };
            tokio::spawn(accept(socket, acceptor, control.follow()));
        }
        drop(queues); // the acceptors alone keep the workers waiting for more
        control.reached(Stage::Draining).await;
        for worker in workers {
            worker.finished().await;
        }
        Ok(())
    }
}
