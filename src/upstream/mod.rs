//! Connections to WeChat: one [`Upstream`] a worker, with its own pool, used from that worker's thread only.
//!
//! An exchange runs in the task of the caller that waits for it, over an HTTP client of our own ([`http1`]) and an idle
//! stack of our own. hyper-util's pooled client hops threads and rebuilds each URI, 7,300 instructions a request; hyper's
//! `client::conn` below it takes a second task and two channels, 13,000 (docs/performance.md).

mod alarm;
mod answer;
mod connect;
mod connecting;
pub mod http1;
mod origin;
mod pool;
mod read_ahead;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::body::Body;

pub use answer::{Answer, AnswerBody, BodyError};
pub use connect::ConnectError;

use crate::egress::Egress;
use connecting::Found;
use origin::Origin;

/// How long each part of an exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Name resolution, TCP, CONNECT and TLS together.
    pub connect: Duration,
    /// From the last byte written to the answer's head.
    pub first_byte: Duration,
    /// The longest silence in the middle of an answer.
    pub idle_body: Duration,
}

/// What a request body must be, so that it can go upstream. Its length is known, and stands in the request's head.
pub trait RequestBody:
    Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static
{
}
impl<B> RequestBody for B where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static
{
}

/// The way to WeChat from one worker.
pub struct Upstream {
    origin: Origin,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection, so nothing was sent.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No head within the first-byte deadline.
    #[error("no answer within {}", humantime::format_duration(*.0))]
    FirstByte(Duration),
    /// The connection ended before an answer's head had come.
    #[error("the connection ended before the answer: {0}")]
    BrokeOff(String),
    /// What came is not an HTTP answer.
    #[error("not an HTTP answer: {0}")]
    Invalid(http1::Malformed),
    /// Our own request body could not be read back.
    #[error("the request body could not be read: {0}")]
    Body(String),
}

impl Upstream {
    /// `idle_connections` are kept for `idle_timeout` at most.
    ///
    /// # Errors
    /// [`ConnectError`] where the upstream's name cannot be a TLS server name or stand in a URI.
    pub fn new(
        egress: &Egress,
        deadlines: Deadlines,
        idle_connections: usize,
        idle_timeout: Duration,
    ) -> Result<Self, ConnectError> {
        Ok(Self { origin: Origin::new(egress, deadlines, idle_connections, idle_timeout)? })
    }

    /// Sends a request, and waits for the answer's head. `head` is the request's, as bytes and with the length of what
    /// `body` makes; `method` is the one that stands in it.
    ///
    /// On a kept connection first. When that one dies before any byte of an answer, once more on a new one, if nothing
    /// was written yet or the request may be repeated (RFC 9110 §9.2.2): idle connections to WeChat die within seconds
    /// (wechat.md §4).
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send<B: RequestBody>(
        &self,
        method: &Method,
        head: Bytes,
        body: impl Fn() -> B,
    ) -> Result<Answer<B>, SendError> {
        let repeatable = method.is_idempotent();
        let to_head = *method == Method::HEAD;
        let found = match self.origin.kept_connection(!repeatable) {
            Some(kept) => Found::Used(kept),
            // Boxed, since few requests need it and its state would make every caller's connection larger.
            None => Box::pin(self.origin.connection(!repeatable)).await?,
        };
        let (connection, used) = match found {
            Found::New(connection) => (connection, false),
            Found::Used(connection) => (connection, true),
        };
        match self.origin.exchange(connection, head.clone(), body(), to_head).await {
            Ok(answer) => return Ok(answer),
            Err(failed) if used && failed.may_repeat(repeatable) => {
                tracing::debug!(error = %failed.error, "a kept connection was dead; once more on a new one");
            }
            Err(failed) => return Err(failed.error),
        }
        let connection = Box::pin(self.origin.new_connection()).await?;
        self.origin.exchange(connection, head, body(), to_head).await.map_err(|failed| failed.error)
    }
}
