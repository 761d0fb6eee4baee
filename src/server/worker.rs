//! One thread, one current-thread runtime, and the connections that stay on it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};

use super::Handler;
use super::connection::{Accepted, serve};
use super::open::Share;
use crate::stage::{Follower, Stage};

/// A worker, seen from the thread that started it.
pub(super) struct Worker {
    queue: Queue,
    finished: oneshot::Receiver<()>,
}

/// Where connections for a worker are put. It is bounded by the permits.
#[derive(Clone)]
pub(super) struct Queue {
    sender: mpsc::UnboundedSender<Accepted>,
    load: Arc<AtomicUsize>,
}

impl Queue {
    /// How many connections the worker has.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(super) fn push(&self, accepted: Accepted) {
        self.load.fetch_add(1, Ordering::Relaxed);
        if self.sender.send(accepted).is_err() {
            self.load.fetch_sub(1, Ordering::Relaxed); // the worker has ended, and so does the connection
        }
    }
}

impl Worker {
    /// Starts the thread, and returns when its handler is made.
    pub(super) async fn start<H, E>(
        name: String,
        stage: Follower,
        handler: Arc<impl Fn() -> Result<H, E> + Send + Sync + 'static>,
    ) -> io::Result<Self>
    where
        H: Handler,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let (sender, incoming) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let (ready, is_ready) = oneshot::channel();
        let (finish, finished) = oneshot::channel();
        let counter = Arc::clone(&load);
        thread::Builder::new().name(name).spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async {
                match handler() {
                    Ok(handler) => {
                        let _ = ready.send(Ok(()));
                        work(incoming, Rc::new(handler), stage, &counter).await;
                    }
                    Err(error) => drop(ready.send(Err(io::Error::other(error)))),
                }
            });
            // File work and name resolution that nobody waits for any more must not hold the stop up.
            runtime.shutdown_background();
            let _ = finish.send(());
        })?;
        is_ready.await.unwrap_or_else(|_| Err(io::Error::other("a worker ended before it was ready")))?;
        Ok(Self { queue: Queue { sender, load }, finished })
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Waits until the worker has nothing left to do; no queue to it may be left.
    pub(super) async fn finished(self) {
        drop(self.queue);
        let _ = self.finished.await;
    }
}

/// Serves until every queue is gone and every connection has ended, or until the end is called.
async fn work<H: Handler>(
    mut incoming: mpsc::UnboundedReceiver<Accepted>,
    handler: Rc<H>,
    mut end: Follower,
    load: &Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    let serving = async {
        loop {
            tokio::select! {
                accepted = incoming.recv() => match accepted {
                    Some(accepted) => {
                        let share = Share::of(load);
                        connections.spawn_local(serve(accepted, Rc::clone(&handler), share));
                    }
                    None => break,
                },
                Some(ended) = connections.join_next() => log_panic(ended),
            }
        }
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    };
    tokio::select! {
        () = serving => {}
        () = end.reached(Stage::Ended) => {}
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked, which is a fault in wxgate; the connection is lost");
    }
}
