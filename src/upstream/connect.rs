//! One new connection: resolve, TCP (both address families), CONNECT where there is a proxy, TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_service::Service;

use super::read_ahead::ReadAhead;
use super::stream::Stream;
use crate::config::BaseUrl;
use crate::egress::{Egress, Resolver, authority};

/// Why there is no connection. No text of these holds a URL.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The whole of it took too long.
    #[error("no connection within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// Name resolution or TCP.
    #[error("{0}")]
    Tcp(String),
    /// The forward proxy could not be reached, or refused to CONNECT.
    #[error("through upstream.proxy: {0}")]
    Proxy(String),
    /// The TLS handshake.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// The name servers cannot be used; found at start.
    #[error("{0}")]
    NameServers(String),
    /// The upstream's name is not one that TLS or a URI can carry.
    #[error("the upstream's host is not a valid name")]
    Name,
}

/// Makes connections to the upstream.
pub(super) struct Connector {
    tcp: HttpConnector<Resolver>,
    tunnel: Option<Tunnel<HttpConnector<Resolver>>>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    destination: Uri,
}

impl Connector {
    /// To `upstream`, whose name `resolver` looks up.
    pub(super) fn new(egress: &Egress, upstream: &BaseUrl, resolver: Resolver) -> Result<Self, ConnectError> {
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.set_nodelay(true);
        // Divided among the addresses of a name, so that one that is dead leaves time for the next. The other family begins
        // beside the first one after 300 ms (RFC 8305).
        tcp.set_connect_timeout(Some(egress.connect_timeout));
        tcp.enforce_http(false); // the destination says https, and TLS is ours
        let destination = destination(upstream)?;
        let tunnel = egress.proxy.as_ref().map(|proxy| {
            let tunnel = Tunnel::new(proxy.uri.clone(), tcp.clone());
            match &proxy.authorization {
                Some(authorization) => tunnel.with_auth(authorization.clone()),
                None => tunnel,
            }
        });
        let tls = if upstream.tls {
            let name = ServerName::try_from(upstream.host.clone()).map_err(|_| ConnectError::Name)?;
            Some((TlsConnector::from(Arc::clone(&egress.tls)), name))
        } else {
            None
        };
        Ok(Self { tcp, tunnel, tls, destination })
    }

    pub(super) async fn connect(&self) -> Result<Stream, ConnectError> {
        let socket = self.connect_tcp().await?;
        match &self.tls {
            None => Ok(Stream::plain(socket)),
            Some((tls, name)) => {
                let shaking = tls.connect(name.clone(), ReadAhead::new(socket));
                Ok(Stream::Tls(Box::new(shaking.await.map_err(ConnectError::Tls)?)))
            }
        }
    }

    async fn connect_tcp(&self) -> Result<TcpStream, ConnectError> {
        let destination = self.destination.clone();
        let stream = match &self.tunnel {
            None => self.tcp.clone().call(destination).await.map_err(|error| ConnectError::Tcp(deepest(&error)))?,
            Some(tunnel) => {
                let tunneling = tunnel.clone().call(destination);
                tunneling.await.map_err(|error| ConnectError::Proxy(with_cause(&error)))?
            }
        };
        Ok(stream.into_inner())
    }
}

/// With its port written out: a CONNECT names one even where the scheme has its own (RFC 9110 §9.3.6).
fn destination(url: &BaseUrl) -> Result<Uri, ConnectError> {
    let scheme = if url.tls { "https" } else { "http" };
    format!("{scheme}://{}", authority(&url.host, url.port)).parse().map_err(|_| ConnectError::Name)
}

/// The cause at the bottom of an error: hyper-util's own texts ("tcp connect error") say little.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn with_cause(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(_) => format!("{error}: {}", deepest(error)),
        None => error.to_string(),
    }
}
