//! Connections to WeChat: one [`Upstream`] a worker, with its own pool, used from that worker's thread only.
//!
//! hyper's client connection is driven directly instead of through hyper-util's pooled one: the pool there hops threads
//! and rebuilds each URI, 7,300 instructions a request (docs/performance.md).

mod answer;
mod connect;
mod pool;
mod watched;

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use hyper::{Request, StatusCode};
use tokio::time::{Instant, sleep_until};

pub use answer::{Answer, AnswerBody, BodyError};
pub use connect::ConnectError;

use crate::egress::Egress;
use connect::Connector;
use pool::{Connection, Lease, Pool};

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

/// What a request body must be, so that it can go upstream.
pub trait RequestBody: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static {}
impl<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static> RequestBody for B {}

/// The way to WeChat from one worker.
pub struct Upstream<B> {
    connector: Connector,
    pool: Rc<Pool<B>>,
    deadlines: Deadlines,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection.
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
    Invalid(String),
    /// Our own request body could not be read back.
    #[error("the request body could not be read: {0}")]
    Body(String),
}

/// A [`SendError`], and whether the request may go out once more.
struct Unanswered {
    error: SendError,
    /// Nothing of the request was written.
    unwritten: bool,
    /// The connection died before any byte of an answer.
    silent: bool,
}

impl<B: RequestBody> Upstream<B> {
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
        let connector = Connector::new(egress)?;
        Ok(Self { connector, pool: Pool::new(idle_connections, idle_timeout), deadlines })
    }

    /// Sends the request that `request` makes, and waits for the answer's head.
    ///
    /// On a kept connection first. When that one dies before any byte of an answer, once more on a new one, if nothing
    /// was written yet or the request is `repeatable` (RFC 9110 §9.2.2): idle connections to WeChat die within seconds
    /// (wechat.md §4).
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, repeatable: bool, request: impl Fn() -> Request<B>) -> Result<Answer<B>, SendError> {
        if !repeatable {
            // The news that a kept connection has ended may wait in the reactor, behind the request that is about to use
            // it. Letting it in first costs an epoll call; a request that must not be repeated would be lost otherwise.
            tokio::task::yield_now().await;
        }
        if let Some(kept) = self.pool.take() {
            match self.exchange(kept, request()).await {
                Ok(answer) => return Ok(answer),
                Err(failed) if failed.unwritten || (failed.silent && repeatable) => {
                    tracing::debug!(error = %failed.error, "a kept connection was dead; once more on a new one");
                }
                Err(failed) => return Err(failed.error),
            }
        }
        // Boxed, since few requests need it and its state would make every caller's connection larger.
        let connection = Box::pin(self.connect()).await?;
        self.exchange(connection, request()).await.map_err(|failed| failed.error)
    }

    async fn connect(&self) -> Result<Connection<B>, ConnectError> {
        let deadline = self.deadlines.connect;
        let connecting = tokio::time::timeout(deadline, self.connector.connect());
        connecting.await.unwrap_or(Err(ConnectError::Timeout(deadline)))
    }

    async fn exchange(&self, mut connection: Connection<B>, request: Request<B>) -> Result<Answer<B>, Unanswered> {
        let first_byte = self.deadlines.first_byte;
        let activity = Rc::clone(&connection.activity);
        activity.start();
        let mut sending = pin!(connection.sender.try_send_request(request));
        let mut deadline = pin!(sleep_until(activity.last_write() + first_byte));
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut sending => break outcome,
                () = &mut deadline => {
                    let due = activity.last_write() + first_byte; // a large body was still going out
                    if due <= Instant::now() {
                        let error = SendError::FirstByte(first_byte);
                        return Err(Unanswered { error, unwritten: false, silent: false });
                    }
                    deadline.as_mut().reset(due);
                }
            }
        };
        match outcome {
            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let error = SendError::Invalid("101 Switching Protocols, which nobody asked for".to_owned());
                Err(Unanswered { error, unwritten: false, silent: false })
            }
            Ok(answer) => {
                let lease = Lease::new(connection, &self.pool);
                Ok(Answer::new(answer, lease, self.deadlines.idle_body))
            }
            Err(failed) => Err(Unanswered {
                error: classify(failed.error()),
                unwritten: failed.message().is_some() || !activity.has_written(),
                silent: !activity.has_read(),
            }),
        }
    }
}

fn classify(error: &hyper::Error) -> SendError {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    if error.is_parse() {
        SendError::Invalid(cause)
    } else if error.is_user() {
        SendError::Body(cause)
    } else {
        SendError::BrokeOff(cause)
    }
}
