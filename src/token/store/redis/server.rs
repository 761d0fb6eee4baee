//! The one connection to Redis that all accounts share, made anew when it is lost.

use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::connect::Connector;
use crate::config;
use crate::egress::TlsError;
use crate::token::store::StoreError;

/// After a failure, nobody waits for Redis for this long: requests that need a new token meanwhile must not pay a
/// time-out each.
const REST: Duration = Duration::from_secs(1);

/// A Redis, or the master that the sentinels name.
pub struct RedisServer {
    connector: Connector,
    prefix: String,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    resting: Option<(Instant, String)>,
}

impl RedisServer {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// TLS is wanted, and there is nothing to hold Redis's certificate against.
    pub fn new(config: &config::Redis) -> Result<Self, TlsError> {
        Ok(Self {
            connector: Connector::new(config)?,
            prefix: config.prefix.clone(),
            timeout: config.timeout,
            state: Mutex::default(),
        })
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where it is, for errors and the log: `Redis at 10.0.0.1:6379: `.
    pub(super) fn place(&self) -> String {
        format!("Redis at {}: ", self.connector.place())
    }

    /// One command. It goes out once more where a kept connection turns out to be dead: every script can be run twice.
    pub(super) async fn run(&self, command: &Cmd) -> Result<Value, StoreError> {
        let mut may_repeat = true;
        loop {
            let (connection, kept) = self.connection().await?;
            match self.try_run(connection, command).await {
                Ok(value) => return Ok(value),
                Err(Failed::Connection(_)) if kept && may_repeat => {
                    may_repeat = false;
                    self.state.lock().await.connection = None;
                }
                Err(Failed::Connection(cause) | Failed::Other(cause)) => return Err(self.rest(cause).await),
            }
        }
    }

    async fn try_run(&self, mut connection: MultiplexedConnection, command: &Cmd) -> Result<Value, Failed> {
        let answer = timeout(self.timeout, connection.send_packed_command(command)).await;
        let value = answer.map_err(|_| self.too_slow())?.map_err(|error| self.failed(error))?;
        value.extract_error().map_err(|error| self.failed(error))
    }

    fn too_slow(&self) -> Failed {
        Failed::Other(format!("no answer within {}", humantime::format_duration(self.timeout)))
    }

    fn failed(&self, error: RedisError) -> Failed {
        let cause = self.connector.plain(&error);
        if error.is_io_error() || error.is_connection_dropped() {
            Failed::Connection(cause)
        } else {
            Failed::Other(cause)
        }
    }

    /// The connection, and whether it was there before.
    async fn connection(&self) -> Result<(MultiplexedConnection, bool), StoreError> {
        let mut state = self.state.lock().await; // whoever comes meanwhile gets the same outcome
        if let Some((until, cause)) = &state.resting
            && Instant::now() < *until
        {
            return Err(self.unreachable(cause.clone()));
        }
        if let Some(connection) = &state.connection {
            return Ok((connection.clone(), true));
        }
        match self.connector.connect().await {
            Ok(connection) => {
                *state = State { connection: Some(connection.clone()), resting: None };
                Ok((connection, false))
            }
            Err(cause) => {
                state.resting = Some((Instant::now() + REST, cause.clone()));
                Err(self.unreachable(cause))
            }
        }
    }

    /// Gives the connection up, also after an error of Redis's own: it may be a master no more.
    async fn rest(&self, cause: String) -> StoreError {
        *self.state.lock().await = State { connection: None, resting: Some((Instant::now() + REST, cause.clone())) };
        self.unreachable(cause)
    }

    fn unreachable(&self, cause: String) -> StoreError {
        StoreError::Unreachable { place: self.place(), cause }
    }
}

/// Why a command got no answer.
enum Failed {
    /// The connection broke.
    Connection(String),
    /// Redis does not answer, or answers with an error.
    Other(String),
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisServer").field(&self.connector.place()).finish()
    }
}
