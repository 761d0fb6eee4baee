//! Connections at rest: of one that has been idle for a while, only the socket is kept.
//!
//! hyper holds two buffers of 8 KiB and its own state for each connection, whatever it does. Most kept connections do
//! nothing most of the time.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::FRESH;
use super::socket::Socket;

/// How long a connection is idle before it rests. A rest and the waking from it take 11,000 instructions, a third of a
/// request: at most once a second, and never on a connection that carries requests all the time.
pub(super) const REST: Duration = Duration::from_secs(1);

/// A connection at rest.
pub(super) struct Rest {
    pub(super) socket: Socket,
    /// What has come and is not yet a request.
    pub(super) read: Bytes,
    /// Since when it is idle.
    pub(super) since: Instant,
}

impl Rest {
    /// Waits for the first byte of a request, and returns it with the socket. `None` when there is nothing more to come, or
    /// the connection was idle for `longest` altogether, or is draining: then it is closed, in order.
    pub(super) async fn end(
        mut self,
        longest: Duration,
        draining: impl Future<Output = ()>,
    ) -> Option<(Socket, Bytes)> {
        let mut draining = pin!(draining);
        loop {
            // The beginning of a head may have come together with the request before it. Empty lines are none
            // (RFC 9112 §2.2); some callers send one behind a body.
            if let Some(begin) = self.read.iter().position(|byte| !b"\r\n".contains(byte)) {
                return Some((self.socket, self.read.slice(begin..)));
            }
            // A byte, and not word that there is something to read: in TLS that may be a message of its own, and an end
            // is answered here.
            let mut first = [0];
            let read = tokio::select! {
                biased;
                read = timeout_at(self.since + longest, self.socket.read(&mut first)) => read.unwrap_or(Ok(0)),
                () = &mut draining => Ok(0),
            };
            match read {
                Ok(0) => {
                    let _ = timeout(FRESH, self.socket.shutdown()).await;
                    return None;
                }
                Ok(_) => self.read = Bytes::copy_from_slice(&first),
                Err(error) => {
                    tracing::trace!(%error, "a caller's connection ended at rest");
                    return None;
                }
            }
        }
    }
}
