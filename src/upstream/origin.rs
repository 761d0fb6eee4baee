//! One place that requests can go to: how to connect to it, the connections that are kept to it, one exchange with it.
//!
//! Which place a request goes to, and whether it goes to another one or once more to the same, is decided above, from
//! [`Failed`].

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::connect::{ConnectError, Connector};
use super::connecting::{Connecting, Found};
use super::http1::{Connection, Exchange, ExchangeError};
use super::pool::Pool;
use super::{Answer, Deadlines, RequestBody, SendError};
use crate::egress::{Egress, OpenConnections};

/// A place that requests can go to.
pub(super) struct Origin {
    connector: Connector,
    connecting: Connecting,
    pool: Rc<Pool>,
    open: OpenConnections,
    deadlines: Deadlines,
}

/// An exchange without an answer, and what the other side may have seen of it.
pub(super) struct Failed {
    pub(super) error: SendError,
    /// Some of the request was written: it may have been done.
    pub(super) written: bool,
    /// The connection ended without a byte of an answer, as one does that was closed while it was idle.
    pub(super) silent: bool,
}

impl Failed {
    /// Whether the request may go out once more; `repeatable` by its method.
    pub(super) fn may_repeat(&self, repeatable: bool) -> bool {
        !self.written || (self.silent && repeatable)
    }
}

impl Origin {
    pub(super) fn new(
        egress: &Egress,
        deadlines: Deadlines,
        idle_connections: usize,
        idle_timeout: Duration,
    ) -> Result<Self, ConnectError> {
        let connector = Connector::new(egress)?;
        Ok(Self {
            connector,
            connecting: Connecting::new(),
            pool: Pool::new(idle_connections, idle_timeout),
            open: egress.connections.clone(),
            deadlines,
        })
    }

    /// An idle connection, if there is one that is still good; `surely` as in [`Pool::take`].
    pub(super) fn kept_connection(&self, surely: bool) -> Option<Connection> {
        self.pool.take(surely)
    }

    /// A connection for a request that found none idle; `surely` as in [`Pool::take`]. The deadline is for waiting and
    /// connecting together.
    pub(super) async fn connection(&self, surely: bool) -> Result<Found, ConnectError> {
        let finding = async {
            match self.connecting.find(&self.pool, self.make()).await? {
                Found::Used(connection) if surely && !connection.is_usable() => {
                    self.connecting.make(self.make()).await.map(Found::New)
                }
                found => Ok(found),
            }
        };
        self.in_time(finding).await
    }

    /// A new connection, for a request that an old one has failed.
    pub(super) async fn new_connection(&self) -> Result<Connection, ConnectError> {
        self.in_time(self.connecting.make(self.make())).await
    }

    async fn make(&self) -> Result<Connection, ConnectError> {
        let stream = self.connector.connect().await?;
        Ok(Connection::new(stream, self.open.enter()))
    }

    async fn in_time<T>(&self, connecting: impl Future<Output = Result<T, ConnectError>>) -> Result<T, ConnectError> {
        let deadline = self.deadlines.connect;
        tokio::time::timeout(deadline, connecting).await.unwrap_or(Err(ConnectError::Timeout(deadline)))
    }

    /// One request, and the head of its answer. The connection goes to the idle ones when the answer has been read.
    pub(super) async fn exchange<B: RequestBody>(
        &self,
        connection: Connection,
        head: Bytes,
        body: B,
        to_head: bool,
    ) -> Result<Answer<B>, Failed> {
        let mut exchange = Exchange::new(connection, head, body, to_head);
        match poll_fn(|cx| exchange.poll_head(cx, self.deadlines.first_byte)).await {
            Ok(head) => Ok(Answer::new(head, exchange, Rc::downgrade(&self.pool), self.deadlines.idle_body)),
            Err(error) => Err(Failed {
                written: exchange.has_written(),
                silent: matches!(error, ExchangeError::Io(_)) && !exchange.has_read(),
                error: error.into(),
            }),
        }
    }
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
