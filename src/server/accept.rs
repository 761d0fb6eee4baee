//! Takes connections in, one permit each, and hands them to the worker that has the fewest.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UnixListener};
use tokio::time::{Instant, sleep};

use super::Limits;
use super::connection::Accepted;
use super::open::Connections;
use super::permits::Permits;
use super::socket::AcceptedSocket;
use super::tls::ServerTls;
use super::worker::Queue;
use crate::address::ListeningSocket;
use crate::stage::{Control, Follower, Stage};

/// How long accepting rests when descriptors or memory run out: each try would fail at once.
const REST: Duration = Duration::from_millis(100);
/// How often the same trouble is logged.
const REPEAT_LOG: Duration = Duration::from_secs(10);

/// What one listener's connections get.
pub(super) struct Acceptor {
    pub(super) number: usize,
    pub(super) terms: Arc<ArcSwap<Terms>>,
    pub(super) permits: Permits,
    pub(super) connections: Connections,
    pub(super) workers: Arc<[Queue]>,
    /// What its connections follow.
    pub(super) control: Control,
}

/// What may change while a listener stays. A connection keeps what it began with.
pub(super) struct Terms {
    pub(super) tls: Option<ServerTls>,
    pub(super) limits: Limits,
}

/// A listener on the acceptor's runtime.
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Accepts until the drain begins, the whole gateway's or this listener's.
pub(super) async fn accept(socket: ListeningSocket, acceptor: Acceptor, mut stage: Follower) {
    let (listening, _file) = match socket {
        ListeningSocket::Tcp(socket) => (TcpListener::from_std(socket).map(Listening::Tcp), None),
        ListeningSocket::Unix(socket, file) => (UnixListener::from_std(socket).map(Listening::Unix), Some(file)),
    };
    match listening {
        Ok(listening) => tokio::select! {
            () = acceptor.accept_all(&listening) => {}
            () = acceptor.control.reached(Stage::Draining) => {}
            () = stage.reached(Stage::Draining) => {}
        },
        Err(error) => tracing::error!(%error, "a listener cannot be served"),
    }
    acceptor.control.advance(Stage::Draining);
}

impl Acceptor {
    /// The permit comes before the accept: beyond the limit, callers wait in the kernel's queue instead of taking memory.
    async fn accept_all(&self, listening: &Listening) {
        let mut logged: Option<Instant> = None;
        loop {
            let Some(permit) = self.permits.acquire().await else { return };
            match listening.next().await {
                Ok((socket, peer)) => {
                    let terms = self.terms.load();
                    let accepted = Accepted {
                        socket,
                        tls: terms.tls.as_ref().map(ServerTls::acceptor),
                        listener: self.number,
                        peer,
                        limits: terms.limits,
                        stage: self.control.follow(),
                        place: self.connections.enter(permit),
                    };
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
