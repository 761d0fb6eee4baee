//! Names → addresses by asking name servers, past the machine's hosts file.
//!
//! For a gateway on the machine whose hosts entry leads callers to it: the system's resolver would lead the gateway there
//! as well.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;

/// The longest that an answer is believed, whatever its TTL: where a name leads is known that soon after a change.
const BELIEVED: Duration = Duration::from_secs(60);
/// The same for the answer that there is no such name. Long enough for a burst of requests to ask once.
const DISBELIEVED: Duration = Duration::from_secs(1);
/// Answers kept: two families for a handful of names.
const KEPT: u64 = 64;

/// Which name servers are asked, and how.
#[derive(Debug, Clone)]
pub(super) struct NameServers {
    config: ResolverConfig,
    options: ResolverOpts,
}

impl NameServers {
    /// `servers`, or those of /etc/resolv.conf where there are none. A lookup has `patience`.
    ///
    /// # Errors
    /// /etc/resolv.conf cannot be read, or names none.
    pub(super) fn new(servers: &[SocketAddr], patience: Duration) -> io::Result<Self> {
        let (config, mut options) = match servers {
            [] => read_system_conf().map_err(io::Error::other)?,
            servers => {
                let servers = servers.iter().map(name_server).collect();
                (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
            }
        };
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6; // the whitelist at WeChat is one of IPv4 addresses
        options.positive_max_ttl = Some(BELIEVED);
        options.negative_max_ttl = Some(DISBELIEVED);
        options.cache_size = KEPT;
        // A question that is lost is asked again while the connect deadline lasts.
        options.attempts = 2;
        options.timeout = patience / 3;
        Ok(Self { config, options })
    }

    /// A resolver with sockets and a memory of its own. It belongs to the runtime that it is first used on.
    pub(super) fn resolver(&self) -> io::Result<TokioResolver> {
        TokioResolver::builder_with_config(self.config.clone(), TokioRuntimeProvider::default())
            .with_options(self.options.clone())
            .build()
            .map_err(io::Error::other)
    }
}

/// The addresses of `host`, each with port 0.
pub(super) async fn look_up(resolver: &TokioResolver, host: &str) -> io::Result<Vec<SocketAddr>> {
    let found = resolver.lookup_ip(host).await.map_err(io::Error::other)?;
    Ok(found.iter().map(|ip| SocketAddr::new(ip, 0)).collect())
}

/// Asked by UDP, and by TCP where the answer is too long for that.
fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}
