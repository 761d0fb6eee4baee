//! The way out to WeChat, which requests and token fetches share: where it is and which of that is down, trust, name
//! resolution, the forward proxy.
//!
//! WeChat's IP whitelist is checked on calls that carry the secret (wechat.md §1), so both kinds must leave by one way.

mod dns;
mod health;
mod issuer_http;
mod loops;
mod open;
mod resolver;
mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use hyper::Uri;
use hyper::header::HeaderValue;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::ClientConfig;

use dns::NameServers;
pub use health::{Fault, Health, Standing, Tries, Try};
pub use issuer_http::{CALLS_AT_ONCE, IssuerHttp};
pub use loops::OwnListeners;
pub use open::{OpenConnection, OpenConnections};
pub use resolver::Resolver;
pub use tls::TlsError;
pub(crate) use tls::{with_roots, without_roots};

use crate::config::{BaseUrl, NameResolver, Proxy, Upstream};
use crate::metrics::Metrics;
use crate::secret::{ExposeSecret, SecretString};

/// How connections to WeChat are made.
#[derive(Clone)]
pub struct Egress {
    /// Where requests go: to the first, or to those after it while it is down.
    pub origins: Arc<[BaseUrl]>,
    /// Which of them are down.
    pub health: Arc<Health>,
    /// What the upstream's certificate is held against; unused with a plain `http://` upstream.
    pub tls: Arc<ClientConfig>,
    /// The forward proxy, if there is one.
    pub proxy: Option<ForwardProxy>,
    /// Those that requests have made.
    pub connections: OpenConnections,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// Who is asked for names instead of the system.
    name_servers: Option<NameServers>,
    own: Arc<OwnListeners>,
}

/// A forward proxy in the form in which a request to it names it.
#[derive(Clone)]
pub struct ForwardProxy {
    /// `http://host:port`, without credentials.
    pub uri: Uri,
    /// The value of `Proxy-Authorization`; marked sensitive, so that its `Debug` hides it.
    pub authorization: Option<HeaderValue>,
}

/// Why there is no way out. All of these are found at start.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// Nothing to hold the upstream's certificate against, or an unreadable CA file.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The upstream is this gateway.
    #[error(
        "upstream: {host} is {address}, one of the gateway's own listeners; a request would go round for ever. Where a \
         hosts entry on this machine says so, upstream.resolver = \"dns\" does not read it; else give it another address"
    )]
    Loop {
        /// The upstream's host.
        host: String,
        /// What it stands for.
        address: SocketAddr,
    },
    /// Spans would come in as requests, which make spans.
    #[error(
        "traces.endpoint: {0} is one of the gateway's own listeners, which take requests for WeChat; give a collector's"
    )]
    OwnCollector(SocketAddr),
    /// There are no name servers to ask.
    #[error("upstream.resolver: no name servers out of /etc/resolv.conf: {0}; list some in upstream.name_servers")]
    NameServers(io::Error),
    /// A part of the configuration cannot be written as a URI.
    #[error("{key}: cannot be written as a URI")]
    Uri {
        /// The key.
        key: &'static str,
    },
    /// The HTTP library refused the settings.
    #[error("an HTTP stack could not be set up: {0}")]
    Http(String),
}

impl Egress {
    /// Prepares the way out. `own` are the addresses that the gateway itself listens on.
    ///
    /// # Errors
    /// [`EgressError`]; a name that does not resolve is none of them, since it may later.
    pub async fn prepare(config: &Upstream, own: Vec<SocketAddr>, metrics: &Metrics) -> Result<Self, EgressError> {
        let origins: Arc<[BaseUrl]> = config.base_urls.clone().into();
        let any_tls = origins.iter().any(|origin| origin.tls);
        let tls =
            if any_tls { with_roots(config.ca_file.as_deref(), "upstream.ca_file")? } else { tls::without_roots() };
        let counted = origins.iter().map(host_field).map(|host| (host.clone(), metrics.upstream_failovers(&host)));
        let egress = Self {
            health: Health::new(counted, config.cool_down),
            origins,
            tls: Arc::new(tls),
            proxy: config.proxy.as_ref().map(ForwardProxy::new).transpose()?,
            connections: OpenConnections::default(),
            connect_timeout: config.connect_timeout,
            name_servers: name_servers(&config.resolver, config.connect_timeout)?,
            own: Arc::new(OwnListeners::new(own)),
        };
        egress.refuse_loops(config.proxy.as_ref()).await?;
        Ok(egress)
    }

    /// Where connections go that are made here: to the proxy, where there is one.
    async fn refuse_loops(&self, proxy: Option<&Proxy>) -> Result<(), EgressError> {
        let first_hops: Vec<_> = match proxy {
            Some(proxy) => vec![(proxy.host.as_str(), proxy.port)],
            None => self.origins.iter().map(|origin| (origin.host.as_str(), origin.port)).collect(),
        };
        let resolver = self.resolver()?;
        let deadline = Instant::now() + self.connect_timeout; // for all: a start must not wait on slow names
        for (host, port) in first_hops {
            let addresses = match host.parse::<IpAddr>() {
                Ok(ip) => vec![SocketAddr::new(ip, port)],
                Err(_) => {
                    timeout_at(deadline, resolver.look_up(host)).await.ok().and_then(Result::ok).unwrap_or_default()
                }
            };
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address.ip(), port));
            if let Some(address) = addresses.into_iter().find(|&address| self.own.contains(address)) {
                return Err(EgressError::Loop { host: host.to_owned(), address });
            }
        }
        Ok(())
    }

    /// Names → addresses, less our own. The first hop is the proxy where there is one. For one runtime.
    ///
    /// # Errors
    /// [`EgressError::NameServers`].
    pub fn resolver(&self) -> Result<Resolver, EgressError> {
        let ports = match &self.proxy {
            Some(proxy) => vec![proxy.uri.port_u16().unwrap_or(80)],
            None => self.origins.iter().map(|origin| origin.port).collect(),
        };
        let name_servers = self.name_servers.as_ref();
        Resolver::new(Arc::clone(&self.own), ports, name_servers).map_err(EgressError::NameServers)
    }

    /// What token fetches go out over.
    ///
    /// # Errors
    /// [`EgressError::Http`].
    pub fn issuer_http(&self) -> Result<IssuerHttp, EgressError> {
        let origins = self.origins.iter().map(origin).collect();
        Ok(IssuerHttp::new(self.issuer_client()?, origins, Arc::clone(&self.health)))
    }

    fn issuer_client(&self) -> Result<reqwest::Client, EgressError> {
        let failed = |error: reqwest::Error| EgressError::Http(error.without_url().to_string());
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured((*self.tls).clone())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy() // the environment's HTTP_PROXY is not ours: one egress address for both ways
            .http1_only()
            .pool_max_idle_per_host(0) // a fetch every two hours; a kept connection would be a dead one
            .connect_timeout(self.connect_timeout) // the next origin needs its time too
            .dns_resolver(self.resolver()?);
        if let Some(proxy) = &self.proxy {
            let mut forward = reqwest::Proxy::all(proxy.uri.to_string()).map_err(failed)?;
            if let Some(authorization) = &proxy.authorization {
                forward = forward.custom_http_auth(authorization.clone());
            }
            builder = builder.proxy(forward);
        }
        builder.build().map_err(failed)
    }
}

fn name_servers(asked: &NameResolver, patience: Duration) -> Result<Option<NameServers>, EgressError> {
    match asked {
        NameResolver::System => Ok(None),
        NameResolver::Dns(servers) => NameServers::new(servers, patience).map(Some).map_err(EgressError::NameServers),
    }
}

impl ForwardProxy {
    fn new(proxy: &Proxy) -> Result<Self, EgressError> {
        let invalid = EgressError::Uri { key: "upstream.proxy" };
        let Ok(uri) = format!("http://{}", authority(&proxy.host, proxy.port)).parse() else { return Err(invalid) };
        let authorization = proxy.credentials.as_ref().map(basic).transpose().map_err(|()| invalid)?;
        Ok(Self { uri, authorization })
    }
}

/// RFC 7617 §2.
fn basic(credentials: &SecretString) -> Result<HeaderValue, ()> {
    let encoded = BASE64.encode(credentials.expose_secret().as_bytes());
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).map_err(|_| ())?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a reqwest error says about its cause: its own text carries the URL, and with it the secret.
pub(crate) fn cause_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// `host:port`, with brackets around an IPv6 address.
pub fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The authority as it stands in `Host`: without the scheme's own port (RFC 9110 §4.2.3).
pub fn host_field(url: &BaseUrl) -> String {
    let own_port = if url.tls { 443 } else { 80 };
    match authority(&url.host, url.port) {
        with_port if url.port != own_port => with_port,
        with_port => with_port.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(':').to_owned(),
    }
}

/// The URL with its scheme and without a slash at the end.
pub fn origin(url: &BaseUrl) -> String {
    format!("{}://{}", if url.tls { "https" } else { "http" }, host_field(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(tls: bool, host: &str, port: u16) -> BaseUrl {
        BaseUrl { tls, host: host.to_owned(), port }
    }

    #[test]
    fn the_schemes_own_port_is_left_out_of_the_host() {
        for (url, origin_text) in [
            (url(true, "api.weixin.qq.com", 443), "https://api.weixin.qq.com"),
            (url(true, "api.weixin.qq.com", 80), "https://api.weixin.qq.com:80"),
            (url(false, "127.0.0.1", 80), "http://127.0.0.1"),
            (url(false, "::1", 80), "http://[::1]"),
            (url(true, "::1", 8443), "https://[::1]:8443"),
        ] {
            assert_eq!(origin(&url), origin_text);
        }
    }

    #[test]
    fn proxy_credentials_are_hidden_in_debug_output() {
        let value = basic(&"user:pass".into()).unwrap();
        assert_eq!(value, "Basic dXNlcjpwYXNz");
        assert!(!format!("{value:?}").contains("dXNl"));
    }
}
