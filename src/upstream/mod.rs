//! Connections to WeChat: one [`Upstream`] a worker, with its own pools, used from that worker's thread only. Where there
//! is more than one place to go to, a request that one of them did not get, or may get twice, goes on to the next.
//!
//! An exchange runs in the task of the caller that waits for it, over an HTTP client of our own ([`http1`]) and an idle
//! stack of our own. hyper-util's pooled client hops threads and rebuilds each URI, 7,300 instructions a request; hyper's
//! `client::conn` below it takes a second task and two channels, 8,000.

mod alarm;
mod answer;
mod connect;
mod connecting;
pub mod http1;
mod origin;
mod pool;
mod read_ahead;
mod stream;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::body::Body;
use hyper::header::HeaderValue;

pub use answer::{Answer, AnswerBody, BodyError};
pub use connect::ConnectError;

use crate::egress::{Egress, Health};
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

/// How long connections are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// Unused ones, to each origin …
    pub connections: usize,
    /// … and for how long.
    pub idle: Duration,
    /// How long a connection is used at all. The next one goes where the name leads then.
    pub life: Duration,
}

/// A request that can be sent, and sent again.
pub trait Request {
    /// What its body consists of.
    type Body: RequestBody;

    /// Its name in the log.
    fn id(&self) -> impl Display;

    /// Its method.
    fn method(&self) -> &Method;

    /// Appends its head, as bytes; `host` is the value of `Host`.
    fn push_head(&self, head: &mut Vec<u8>, host: &HeaderValue);

    /// Its body, from the beginning.
    fn body(&self) -> Self::Body;
}

/// What a request's body must be, so that it can go upstream. Its length is known, and stands in the request's head.
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
    /// In the order in which they are tried.
    origins: Box<[Origin]>,
    health: Arc<Health>,
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
    /// # Errors
    /// [`ConnectError`] where an upstream's name cannot be a TLS server name or stand in a URI, or its name servers cannot be
    /// asked.
    pub fn new(egress: &Egress, deadlines: Deadlines, keeping: Keeping) -> Result<Self, ConnectError> {
        let resolver = egress.resolver().map_err(|error| ConnectError::NameServers(error.to_string()))?;
        let origins = egress.origins.iter().map(|url| Origin::new(egress, url, resolver.clone(), deadlines, keeping));
        Ok(Self { origins: origins.collect::<Result<_, _>>()?, health: Arc::clone(&egress.health) })
    }

    /// Sends a request, and waits for the answer's head.
    ///
    /// It goes to the first origin that is up, and on to the next one only where nothing of it was sent, or where it may be
    /// repeated (RFC 9110 §9.2.2) and nothing of an answer has come.
    ///
    /// # Errors
    /// [`SendError`], of the last origin that it went to.
    pub async fn send<R: Request>(&self, request: &R) -> Result<Answer<R::Body>, SendError> {
        let mut tries = self.health.tries(request.method().is_idempotent());
        let mut place = tries.first();
        loop {
            let Some(origin) = self.origins.get(place.index()) else { return Err(ConnectError::Name.into()) };
            let failed = match origin.send(request).await {
                Ok(answer) => {
                    place.answered();
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            if let Some(fault) = failed.fault {
                place.failed(fault, &failed.error);
            }
            let next = if failed.may_move_on(request.method().is_idempotent()) { tries.next() } else { None };
            match next {
                Some(next) => place = next,
                None => return Err(failed.error),
            }
            tracing::debug!(request_id = %request.id(), error = %failed.error, "the next upstream is tried");
        }
    }
}
