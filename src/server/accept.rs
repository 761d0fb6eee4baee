//! Takes connections in, one permit each, and hands them to the worker that has the fewest.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::Arrival;
use super::connection::Accepted;
use super::stage::{Follower, Stage};
use super::worker::Queue;

/// How long accepting rests when descriptors or memory run out: each try would fail at once.
const REST: Duration = Duration::from_millis(100);
/// How often the same trouble is logged.
const REPEAT_LOG: Duration = Duration::from_secs(10);

/// Accepts until the drain begins. The permit comes before the accept: beyond the limit, callers wait in the kernel's
/// queue instead of taking memory here.
pub(super) async fn accept(
    listener: TcpListener,
    index: usize,
    permits: Arc<Semaphore>,
    workers: Arc<[Queue]>,
    mut stage: Follower,
) {
    let accepting = async {
        let mut logged: Option<Instant> = None;
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            match listener.accept().await.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
                Ok((stream, peer)) => {
                    let arrival = Arrival { listener: index, peer };
                    if let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) {
                        worker.push(Accepted { stream, arrival, permit });
                    }
                }
                // The caller gave up while it waited.
                Err(error) if is_callers(&error) => {}
                Err(error) => {
                    if logged.is_none_or(|at| at.elapsed() >= REPEAT_LOG) {
                        logged = Some(Instant::now());
                        tracing::error!(%error, "connections cannot be accepted; raise the limit on open files (ulimit -n), or lower server.connections");
                    }
                    sleep(REST).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stage.reached(Stage::Draining) => {}
    }
}

fn is_callers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
