//! Takes connections in, one permit each, and hands them to the worker that has the fewest.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use super::Limits;
use super::connection::Accepted;
use super::open::Connections;
use super::permits::Permits;
use super::tls::ServerTls;
use super::waiting::{Connection, Waiting};
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

/// Accepts until the drain begins, the whole gateway's or this listener's.
pub(super) async fn accept(socket: ListeningSocket, acceptor: Acceptor, mut stage: Follower) {
    let ListeningSocket { socket, file: _file, is_shared } = socket;
    let waiting = match Waiting::at(socket) {
        Ok(waiting) => waiting,
        Err(error) => {
            tracing::error!(%error, "a listener cannot be served");
            return acceptor.control.advance(Stage::Draining);
        }
    };
    let draining = async {
        stage.reached(Stage::Leaving).await;
        acceptor.control.advance(Stage::Leaving);
        stage.reached(Stage::Draining).await;
    };
    tokio::select! {
        () = acceptor.accept_all(&waiting) => {}
        () = acceptor.control.reached(Stage::Draining) => {}
        () = draining => {}
    }
    if !is_shared {
        acceptor.accept_rest(waiting);
    }
    acceptor.control.advance(Stage::Draining);
}

impl Acceptor {
    /// The permit comes before the accept: beyond the limit, callers wait in the kernel's queue instead of taking memory.
    async fn accept_all(&self, waiting: &Waiting) {
        let mut logged: Option<Instant> = None;
        loop {
            let Some(permit) = self.permits.acquire().await else { return };
            match waiting.next().await {
                Ok(connection) => self.hand_on(connection, permit),
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

    /// What has come before the drain, and still waits in the kernel's queue, would be reset when the socket is closed.
    fn accept_rest(&self, waiting: Waiting) {
        for connection in waiting.rest() {
            let Some(permit) = self.permits.try_acquire() else { return };
            self.hand_on(connection, permit);
        }
    }

    /// To the worker that has the fewest.
    fn hand_on(&self, (socket, peer): Connection, permit: OwnedSemaphorePermit) {
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
}

fn is_callers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
