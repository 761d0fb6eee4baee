//! What each room asks for, out of the configuration.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::StopTimes;
use crate::address::{Address, UnixAddress};
use crate::config::{self, Admit, Config, ListenAddress};
use crate::egress::{Egress, IssuerHttp};
use crate::gateway::{AdmitMethod, CallerSettings, Door, PathList, Rate, Rules, Setup, Way};
use crate::metrics::Level;
use crate::server::{Connections, Limits, Listener, Timeouts, TlsFiles};
use crate::token::{HttpIssuer, Settings};
use crate::upstream::{Deadlines, Keeping};

pub(super) fn limits(config: &Config) -> Limits {
    let server = &config.server;
    Limits {
        connections: server.connections,
        // Above the gateway's own limit, whose answer says what to do; hyper's says 431 and no more.
        head_size: 2 * server.head_size.max(8 * 1024),
        timeouts: Timeouts { head: server.head_timeout, idle: server.idle_timeout, send: server.send_timeout },
    }
}

pub(super) fn stop_times(config: &Config) -> StopTimes {
    StopTimes { delay: config.server.stop_delay, drain: config.server.drain_timeout }
}

pub(super) fn address(address: &ListenAddress) -> Address {
    match address {
        ListenAddress::Tcp(address) => Address::Tcp(*address),
        ListenAddress::Unix { path, mode, owner } => {
            Address::Unix(UnixAddress { path: path.clone(), mode: *mode, owner: (owner.user, owner.group) })
        }
    }
}

pub(super) fn listener(listener: &config::Listener) -> Listener {
    let tls = listener.tls.as_ref().map(|tls| TlsFiles {
        certificate: tls.certificate.clone(),
        private_key: tls.private_key.clone(),
        client_ca: tls.client_ca.clone(),
    });
    Listener { address: address(&listener.address), tls, reuse_port: listener.reuse_port }
}

/// The TCP addresses that `config` asks for; port 0 is none yet.
pub(crate) fn configured_addresses(config: &Config) -> Vec<SocketAddr> {
    let addresses: Vec<_> = config.listeners.iter().map(|asked| listener(asked).address).collect();
    tcp(addresses.iter())
}

pub(super) fn tcp<'a>(addresses: impl Iterator<Item = &'a Address>) -> Vec<SocketAddr> {
    let tcp = addresses.filter_map(|address| match address {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    });
    tcp.collect()
}

pub(super) fn door(config: &Config, listener: &config::Listener, bound: &Address) -> Door {
    Door {
        rules: Rules {
            browsers: listener.browsers,
            loopback: is_loopback(bound),
            hosts: listener.hosts.clone(),
            upstream_hosts: config.upstream.base_urls.iter().map(|url| url.host.clone()).collect(),
            head_size: config.server.head_size,
        },
        account: listener.account.clone(),
        token_endpoint: listener.token_endpoint,
        admits: listener.admit.iter().map(admit_method).collect(),
    }
}

/// Whether only this machine reaches it, by an IP address.
pub(super) fn is_loopback(address: &Address) -> bool {
    matches!(address, Address::Tcp(address) if address.ip().to_canonical().is_loopback())
}

fn admit_method(admit: &Admit) -> AdmitMethod {
    match admit {
        Admit::Placeholder => AdmitMethod::Placeholder,
        Admit::Bearer => AdmitMethod::Bearer,
        Admit::Certificate => AdmitMethod::Certificate,
        Admit::Network => AdmitMethod::Network,
    }
}

pub(super) fn caller(caller: &config::Caller) -> CallerSettings {
    CallerSettings {
        name: caller.name.clone(),
        secrets: caller.secrets.clone(),
        certificates: caller.certificates.clone(),
        networks: caller.networks.clone(),
        accounts: caller.accounts.clone(),
        paths: PathList::new(&caller.allow, &caller.deny),
        report_only: caller.report_only,
        rate: caller.rate.map(|rate| Rate { requests: rate.requests, per: rate.per }),
    }
}

pub(super) fn way(config: &Config, egress: Egress) -> Way {
    let upstream = &config.upstream;
    Way {
        egress,
        deadlines: Deadlines {
            connect: upstream.connect_timeout,
            first_byte: upstream.first_byte_timeout,
            idle_body: upstream.idle_body_timeout,
        },
        keeping: Keeping {
            connections: upstream.idle_connections,
            idle: upstream.idle_timeout,
            life: upstream.connection_life,
        },
    }
}

/// The issuer of an account; `wxgate check` uses it too.
pub(crate) fn issuer(config: &Config, account: &config::Account, http: IssuerHttp) -> HttpIssuer {
    HttpIssuer::new(
        http,
        account.appid.clone(),
        account.secret.clone(),
        config.token.fetch_timeout,
        config.heal.errcodes.clone(),
    )
}

pub(super) fn refresher(config: &Config, account: &config::Account) -> Settings {
    Settings { account: account.name.clone(), kind: account.token, margin: config.token.margin }
}

/// What rises and falls with the load.
pub(super) fn levels(in_force: &Arc<ArcSwap<Setup>>, connections: &Connections) -> Vec<Level> {
    let upstream = Arc::clone(in_force);
    let (in_flight, memory, connections) = (Arc::clone(in_force), Arc::clone(in_force), connections.clone());
    vec![
        Level::new("in_flight_requests", "requests in flight", Some("server.requests"), move || {
            in_flight.load().in_flight.level()
        }),
        Level::new("connections", "callers' connections", Some("server.connections"), move || connections.level()),
        Level::new("upstream_connections", "connections to WeChat", None, move || {
            (upstream.load().way.egress.connections.count() as u64, None)
        }),
        Level::new("body_memory_bytes", "bytes of memory for requests' bodies", Some("body.memory_total"), move || {
            memory.load().body.budget.level()
        }),
    ]
}
