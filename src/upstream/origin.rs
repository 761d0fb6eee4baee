//! One place that requests can go to: how to connect to it, the connections that are kept to it, one request to it.
//!
//! Whether a request then goes to another one is decided above, from [`Failed`].

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;

use hyper::Method;
use hyper::header::HeaderValue;
use tokio::time::Instant;

use super::connect::{ConnectError, Connector};
use super::connecting::{Connecting, Found};
use super::http1::{Connection, Exchange, ExchangeError};
use super::pool::Pool;
use super::{Answer, Deadlines, Keeping, Request, RequestBody, SendError};
use crate::config::BaseUrl;
use crate::egress::{Egress, Fault, OpenConnections, Resolver, host_field};

/// A place that requests can go to.
pub(super) struct Origin {
    /// The value of `Host`.
    host: HeaderValue,
    connector: Connector,
    connecting: Connecting,
    pool: Rc<Pool>,
    open: OpenConnections,
    deadlines: Deadlines,
    /// How many answers have come; wraps around.
    answers: Cell<usize>,
}

/// An exchange without an answer, and what the other side may have seen of it.
pub(super) struct Failed {
    pub(super) error: SendError,
    /// Some of the request was written: it may have been done.
    written: bool,
    /// Nothing of an answer has come.
    unanswered: bool,
    /// What that says about the place.
    pub(super) fault: Option<Fault>,
}

impl Failed {
    /// Whether the request may go to another place; `repeatable` by its method.
    pub(super) fn may_move_on(&self, repeatable: bool) -> bool {
        let is_ours = matches!(self.error, SendError::Body(_));
        !is_ours && (!self.written || (self.unanswered && repeatable))
    }

    /// Whether the connection was dead, as one is that was closed while it was idle, and the request may go out once more
    /// on another.
    fn may_repeat(&self, repeatable: bool) -> bool {
        let was_dead = self.unanswered && matches!(self.error, SendError::BrokeOff(_));
        !self.written || (was_dead && repeatable)
    }

    /// There is no connection; `is_fault`: of the place's making.
    fn unsent(error: ConnectError, is_fault: bool) -> Self {
        let fault = is_fault.then_some(Fault::Unreached);
        Self { error: error.into(), written: false, unanswered: true, fault }
    }

    /// A connection that ends is bad news of its place only where it was a new one.
    fn on_kept_connection(self) -> Self {
        let fault = self.fault.filter(|_| !matches!(self.error, SendError::BrokeOff(_)));
        Self { fault, ..self }
    }
}

impl Origin {
    /// At `url`, whose name `resolver` looks up.
    pub(super) fn new(
        egress: &Egress,
        url: &BaseUrl,
        resolver: Resolver,
        deadlines: Deadlines,
        keeping: Keeping,
    ) -> Result<Self, ConnectError> {
        Ok(Self {
            host: HeaderValue::try_from(host_field(url)).map_err(|_| ConnectError::Name)?,
            connector: Connector::new(egress, url, resolver)?,
            connecting: Connecting::new(),
            pool: Pool::new(keeping),
            open: egress.connections.clone(),
            deadlines,
            answers: Cell::default(),
        })
    }

    /// Sends a request, on a kept connection first. When that one dies before any byte of an answer, once more on a new
    /// one, if nothing was written yet or the request may be repeated (RFC 9110 §9.2.2): idle connections to WeChat die
    /// within seconds (wechat.md §4).
    pub(super) async fn send<R: Request>(&self, request: &R) -> Result<Answer<R::Body>, Failed> {
        let repeatable = request.method().is_idempotent();
        let found = match self.pool.take(!repeatable) {
            Some(kept) => Found::Used(kept),
            // Boxed, since few requests need it and its state would make every caller's connection larger.
            None => Box::pin(self.connection(!repeatable)).await?,
        };
        let (connection, used) = match found {
            Found::New(connection) => (connection, false),
            Found::Used(connection) => (connection, true),
        };
        match self.exchange(connection, request).await {
            Err(failed) if used && failed.may_repeat(repeatable) => {
                let (request_id, error) = (request.id(), &failed.error);
                tracing::debug!(%request_id, %error, "a kept connection was dead; once more on a new one");
            }
            outcome if used => return outcome.map_err(Failed::on_kept_connection),
            outcome => return outcome,
        }
        let connection = Box::pin(self.new_connection()).await?;
        self.exchange(connection, request).await
    }

    /// A connection for a request that found none idle; `surely` as in [`Pool::take`]. The deadline is for waiting and
    /// connecting together.
    async fn connection(&self, surely: bool) -> Result<Found, Failed> {
        let begun = Cell::default();
        let finding = async {
            match self.connecting.find(&self.pool, self.make(&begun)).await? {
                Found::Used(connection) if surely && !connection.is_usable() => {
                    self.connecting.make(self.make(&begun)).await.map(Found::New)
                }
                found => Ok(found),
            }
        };
        self.in_time(finding, &begun).await
    }

    /// A new connection, for a request that an old one has failed.
    async fn new_connection(&self) -> Result<Box<Connection>, Failed> {
        let begun = Cell::default();
        self.in_time(self.connecting.make(self.make(&begun)), &begun).await
    }

    /// Notes when it has `begun`.
    async fn make(&self, begun: &Cell<Option<Instant>>) -> Result<Box<Connection>, ConnectError> {
        begun.set(Some(Instant::now()));
        let stream = self.connector.connect().await?;
        Ok(Connection::new(stream, self.pool.life(), self.open.enter()))
    }

    async fn in_time<T>(
        &self,
        connecting: impl Future<Output = Result<T, ConnectError>>,
        begun: &Cell<Option<Instant>>,
    ) -> Result<T, Failed> {
        let deadline = self.deadlines.connect;
        match tokio::time::timeout(deadline, connecting).await {
            Ok(connected) => connected.map_err(|error| Failed::unsent(error, true)),
            // Where most of the time went into waiting for others, that says nothing about the place.
            Err(_) => {
                let had_time = begun.get().is_some_and(|begun| begun.elapsed() >= deadline / 2);
                Err(Failed::unsent(ConnectError::Timeout(deadline), had_time))
            }
        }
    }

    /// One request, and the head of its answer. The connection goes to the idle ones when the answer has been read.
    fn exchange<R: Request>(
        &self,
        connection: Box<Connection>,
        request: &R,
    ) -> impl Future<Output = Result<Answer<R::Body>, Failed>> {
        let to_head = *request.method() == Method::HEAD;
        let push_head = |head: &mut Vec<u8>| request.push_head(head, &self.host);
        let mut exchange = Exchange::new(connection, push_head, request.body(), to_head);
        let answers = self.answers.get();
        async move {
            match poll_fn(|cx| exchange.poll_head(cx, self.deadlines.first_byte)).await {
                Ok(head) => {
                    self.answers.set(self.answers.get().wrapping_add(1));
                    Ok(Answer::new(head, exchange, &self.pool, self.deadlines.idle_body))
                }
                Err(error) => Err(Failed {
                    // While others were answered it is not the place that is silent, but what was asked of it.
                    fault: (is_silence(&error, &exchange) && self.answers.get() == answers).then_some(Fault::Silent),
                    written: exchange.has_written(),
                    unanswered: !exchange.has_read(),
                    error: error.into(),
                }),
            }
        }
    }
}

/// Whether a request got no answer at all.
fn is_silence<B: RequestBody>(error: &ExchangeError, exchange: &Exchange<B>) -> bool {
    matches!(error, ExchangeError::Silent(_) | ExchangeError::Io(_)) && !exchange.has_read()
}

impl From<ExchangeError> for SendError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Silent(patience) => Self::FirstByte(patience),
            ExchangeError::Io(error) => Self::BrokeOff(error.to_string()),
            ExchangeError::Malformed(error) => Self::Invalid(error),
            ExchangeError::Body(error) => Self::Body(error),
        }
    }
}
