//! Takes connections in, one permit each, and hands them to the worker that has the fewest.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::address::ListeningSocket;
use super::connection::Accepted;
use super::socket::AcceptedSocket;
use super::stage::{Follower, Stage};
use super::tls::ServerTls;
use super::worker::Queue;

/// How long accepting rests when descriptors or memory run out: each try would fail at once.
const REST: Duration = Duration::from_millis(100);
/// How often the same trouble is logged.
const REPEAT_LOG: Duration = Duration::from_secs(10);

/// What one listener's connections get.
pub(super) struct Acceptor {
    pub(super) index: usize,
    pub(super) tls: Option<ServerTls>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) workers: Arc<[Queue]>,
}

/// A listener on the acceptor's runtime.
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Accepts until the drain begins.
pub(super) async fn accept(socket: ListeningSocket, acceptor: Acceptor, mut stage: Follower) {
    let (listening, _file) = match socket {
        ListeningSocket::Tcp(socket) => (TcpListener::from_std(socket).map(Listening::Tcp), None),
        ListeningSocket::Unix(socket, file) => (UnixListener::from_std(socket).map(Listening::Unix), Some(file)),
    };
    match listening {
        Ok(listening) => tokio::select! {
            () = acceptor.accept_all(&listening) => {}
            () = stage.reached(Stage::Draining) => {}
        },
        Err(error) => tracing::error!(%error, "a listener cannot be served"),
    }
}

impl Acceptor {
    /// The permit comes before the accept: beyond the limit, callers wait in the kernel's queue instead of taking memory.
    async fn accept_all(&self, listening: &Listening) {
        let mut logged: Option<Instant> = None;
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            match listening.next().await {
                Ok((socket, peer)) => {
                    let tls = self.tls.as_ref().map(ServerTls::acceptor);
                    let accepted = Accepted { socket, tls, listener: self.index, peer, permit };
                    if let Some(worker) = self.workers.iter().min_by_key(|worker| worker.load()) {
                        worker.push(accepted);
                    }
                }
                // The caller gave up while it waited.
                Err(error) if is_callers(&error) => {}
                Err(error) => {
                    if logged.is_none_or(|at| at.elapsed() >= REPEAT_LOG) {
                        logged = Some(Instant::now());
                        tracing::error!(
                            %error,
                            "connections cannot be accepted; raise the limit on open files (ulimit -n), or lower \
                             server.connections"
                        );
                    }
                    sleep(REST).await;
                }
            }
        }
    }
}

impl Listening {
    /// The next connection, free of this runtime, and the caller's IP address, where it has one.
    async fn next(&self) -> io::Result<(AcceptedSocket, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((AcceptedSocket::Tcp(stream.into_std()?), Some(peer.ip().to_canonical())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((AcceptedSocket::Unix(stream.into_std()?), None))
            }
        }
    }
}

fn is_callers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
