//! One new connection to Redis: TCP, TLS or a Unix socket, straight or to the master that the sentinels name.
//!
//! TLS is the house's own; the library gets a stream that is ready, and brings no TLS of its own.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::config::{Redis, RedisAddress, Sentinels};
use crate::egress::{self, TlsError, authority};
use crate::secret::{ExposeSecret, SecretString, scrub};

/// Makes connections. Clones share the TLS settings.
#[derive(Clone)]
pub(super) struct Connector {
    config: Redis,
    tls: Option<TlsConnector>,
}

impl Connector {
    pub(super) fn new(config: &Redis) -> Result<Self, TlsError> {
        let tls = if matches!(config.address, RedisAddress::Tcp { tls: true, .. }) {
            let mut tls = egress::with_roots(config.ca_file.as_deref(), "store.ca_file")?;
            tls.alpn_protocols.clear(); // RESP has no name there
            Some(TlsConnector::from(Arc::new(tls)))
        } else {
            None
        };
        Ok(Self { config: config.clone(), tls })
    }

    /// Where Redis is said to be.
    pub(super) fn place(&self) -> String {
        match (&self.config.sentinels, &self.config.address) {
            (Some(sentinels), _) => format!("the sentinels' master {:?}", sentinels.master_name),
            (None, RedisAddress::Tcp { host, port, .. }) => authority(host, *port),
            (None, RedisAddress::Unix(path)) => path.display().to_string(),
        }
    }

    /// What an error says, less what it must not say.
    pub(super) fn plain(&self, error: &RedisError) -> String {
        let sentinels = self.config.sentinels.as_ref().and_then(|sentinels| sentinels.password.as_ref());
        let secrets: Vec<&SecretString> = self.config.password.iter().chain(sentinels).collect();
        scrub(&error.to_string(), &secrets)
    }

    /// A connection that is ready for commands, within the time that is allowed for it.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, String> {
        match (&self.config.sentinels, &self.config.address) {
            (Some(sentinels), _) => {
                let (host, port) = self.ask_sentinels(sentinels).await?;
                let mut connection =
                    self.within(self.tcp(&host, port, self.name_of_master(&host), self.login())).await?;
                self.within(self.demand_master(&mut connection)).await?;
                Ok(connection)
            }
            (None, RedisAddress::Tcp { host, port, .. }) => {
                self.within(self.tcp(host, *port, host, self.login())).await
            }
            (None, RedisAddress::Unix(path)) => {
                let connecting = async {
                    let stream = UnixStream::connect(path).await.map_err(|error| error.to_string())?;
                    self.open(stream, self.login()).await
                };
                self.within(connecting).await
            }
        }
    }

    /// The first answer of any sentinel: they are asked at once, since one that is away must not use up the time.
    async fn ask_sentinels(&self, sentinels: &Sentinels) -> Result<(String, u16), String> {
        let mut asking = JoinSet::new();
        for (host, port) in sentinels.addresses.clone() {
            let (connector, name, password) = (self.clone(), sentinels.master_name.clone(), sentinels.password.clone());
            asking.spawn(async move {
                let answer = connector.within(connector.ask_sentinel(&host, port, &name, password)).await;
                answer.map_err(|cause| format!("the sentinel at {}: {cause}", authority(&host, port)))
            });
        }
        let mut cause = "there is no sentinel".to_owned();
        while let Some(answer) = asking.join_next().await {
            match answer.map_err(|error| error.to_string()).flatten() {
                Ok(master) => return Ok(master),
                Err(error) => cause = error,
            }
        }
        Err(cause)
    }

    async fn ask_sentinel(
        &self,
        host: &str,
        port: u16,
        master_name: &str,
        password: Option<SecretString>,
    ) -> Result<(String, u16), String> {
        let mut connection = self.tcp(host, port, host, login(None, password.as_ref(), 0)).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(master_name);
        let answer: Result<Option<(String, u16)>, _> = question.query_async(&mut connection).await;
        answer.map_err(|error| self.plain(&error))?.ok_or_else(|| "knows no master of that name".to_owned())
    }

    /// A sentinel may name a master that is one no more.
    async fn demand_master(&self, connection: &mut MultiplexedConnection) -> Result<(), String> {
        let role: Result<redis::Value, _> = redis::cmd("ROLE").query_async(connection).await;
        let redis::Value::Array(role) = role.map_err(|error| self.plain(&error))? else {
            return Err("no role".to_owned());
        };
        match role.into_iter().next().map(redis::from_redis_value::<String>) {
            Some(Ok(role)) if role == "master" => Ok(()),
            _ => Err("it is no master; a failover may be under way".to_owned()),
        }
    }

    /// The name in the master's certificate: that in the URL. Sentinels mostly name addresses, which no certificate has.
    fn name_of_master<'a>(&'a self, host: &'a str) -> &'a str {
        match &self.config.address {
            RedisAddress::Tcp { host, .. } => host,
            RedisAddress::Unix(_) => host,
        }
    }

    async fn tcp(
        &self,
        host: &str,
        port: u16,
        name: &str,
        login: RedisConnectionInfo,
    ) -> Result<MultiplexedConnection, String> {
        let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(tls) = &self.tls else { return self.open(stream, login).await };
        let name = ServerName::try_from(name.to_owned()).map_err(|_| "TLS: the host is not a valid name".to_owned())?;
        let stream = tls.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
        self.open(stream, login).await
    }

    async fn open<S>(&self, stream: S, login: RedisConnectionInfo) -> Result<MultiplexedConnection, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = AsyncConnectionConfig::new().set_response_timeout(None); // each command has its own
        let opened = MultiplexedConnection::new_with_config(&login, stream, config).await;
        let (connection, driver) = opened.map_err(|error| self.plain(&error))?;
        tokio::spawn(driver); // it ends with the last handle of the connection
        Ok(connection)
    }

    fn login(&self) -> RedisConnectionInfo {
        login(self.config.username.as_deref(), self.config.password.as_ref(), self.config.database)
    }

    async fn within<T>(&self, connecting: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let Ok(outcome) = timeout(self.config.connect_timeout, connecting).await else {
            let limit: Duration = self.config.connect_timeout;
            return Err(format!("no connection within {}", humantime::format_duration(limit)));
        };
        outcome
    }
}

fn login(username: Option<&str>, password: Option<&SecretString>, database: u32) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default().set_db(database.into()).set_skip_set_lib_name();
    if let Some(username) = username {
        login = login.set_username(username);
    }
    if let Some(password) = password {
        login = login.set_password(password.expose_secret());
    }
    login
}
