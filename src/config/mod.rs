//! What the operator wrote → what the program may trust.
//!
//! Two steps: `section` holds the file and the environment as they were written, `validate`
//! turns them into the [`Config`] below and reports every wrong value at once. A [`Config`] is plain
//! data: it names no run-time type, and nothing in it is checked again later.

mod disk;
mod environment;
mod load;
mod problem;
mod secret_source;
mod section;
mod url;
mod validate;
mod value;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

pub use environment::Environment;
pub use load::{Loaded, Source, load, parse};
pub use problem::{Problem, Problems};
pub(crate) use url::known_addresses;
pub(crate) use value::checked_name;

/// Everything that the program may trust about its configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[listen]` or `[[listen]]`: at least one.
    pub listeners: Vec<Listener>,
    /// `[server]`: limits that all listeners share.
    pub server: Server,
    /// `[admin]`: health for orchestrators, on a listener of its own.
    pub admin: Admin,
    /// `[body]`: how request bodies are kept until they are sent.
    pub body: Body,
    /// `[upstream]`: where WeChat is.
    pub upstream: Upstream,
    /// `[heal]`: when a request is sent a second time.
    pub heal: Heal,
    /// `[token]`: deadlines and margins of every account's token.
    pub token: Token,
    /// `[store]`: where tokens survive a restart, and who shares them.
    pub store: Store,
    /// `[[account]]`: at least one; names and appids are unique.
    pub accounts: Vec<Account>,
    /// `[[caller]]`: names are unique.
    pub callers: Vec<Caller>,
    /// `[log]`.
    pub log: Log,
    /// `[traces]`: where spans of requests go.
    pub traces: Traces,
}

/// One address that callers connect to.
#[derive(Debug, Clone)]
pub struct Listener {
    /// `address`: a TCP address or `unix:` and a path; default `127.0.0.1:8080`.
    pub address: ListenAddress,
    /// `reuse_port`: whether other processes may listen there too (`SO_REUSEPORT`); TCP only; default false.
    pub reuse_port: bool,
    /// `tls`: certificate and key for callers that speak TLS; `None` for clear text.
    pub tls: Option<ListenTls>,
    /// `account`: the name of the account that this listener speaks for; it exists.
    pub account: Option<String>,
    /// `token_endpoint`: how the token endpoints answer here.
    pub token_endpoint: TokenEndpoint,
    /// `hosts`: further names that may stand in `Host` on a loopback listener, in lower case, without port.
    pub hosts: Vec<String>,
    /// `admit`: how callers show who they are; empty where nobody has to.
    pub admit: Vec<Admit>,
    /// `browsers`: `true` switches off the rules against browsers and DNS rebinding (architecture.md §3.2).
    pub browsers: bool,
}

/// Where a listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix {
        /// The socket file.
        path: PathBuf,
        /// `mode`: its permissions; default `0660`.
        mode: u32,
        /// `owner`: `user`, `user:group` or `:group`, by name or number; by default whoever runs wxgate.
        owner: Owner,
    },
}

/// The owner of a file, by number; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: Option<u32>,
    /// The group.
    pub group: Option<u32>,
}

/// TLS for callers. The files are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenTls {
    /// `certificate`: the chain, PEM, the leaf first; it can be read.
    pub certificate: PathBuf,
    /// `private_key`: PEM; it can be read.
    pub private_key: PathBuf,
    /// `client_ca`: the CA whose certificates callers must present, PEM; it can be read.
    pub client_ca: Option<PathBuf>,
}

/// What `/cgi-bin/token` and `/cgi-bin/stable_token` answer at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEndpoint {
    /// A stand-in that is worth nothing outside this gateway (the default).
    Placeholder,
    /// The real token with its remaining life; never on a TCP listener beyond loopback.
    Real,
    /// 403.
    Refuse,
}

/// Limits that all listeners share.
#[derive(Debug, Clone)]
pub struct Server {
    /// `workers`: threads that carry requests; default one a core; 1 … 256.
    pub workers: usize,
    /// `connections`: callers' connections at once, over all listeners, at least one for each; default 16,384.
    pub connections: usize,
    /// `requests`: requests in flight at once, over all listeners; default 4,096.
    pub requests: usize,
    /// `head_size`: bytes of a request's line and fields; default 64 KiB; 1 KiB … 1 MiB.
    pub head_size: usize,
    /// `head_timeout`: from a head's first byte to its end; default 15 s.
    pub head_timeout: Duration,
    /// `idle_timeout`: how long a kept-alive connection may be silent; default 75 s.
    pub idle_timeout: Duration,
    /// `send_timeout`: how long a caller may take none of the answer's bytes (HTTP/2: make no room for 16 KiB of
    /// it); default 30 s.
    pub send_timeout: Duration,
    /// `stop_delay`: how long a stop goes on serving, not ready any more, before it drains; default 0 s.
    pub stop_delay: Duration,
    /// `drain_timeout`: how long a stop waits for requests in flight; default 25 s.
    pub drain_timeout: Duration,
}

/// The admin listener.
#[derive(Debug, Clone)]
pub struct Admin {
    /// `address`; `None` (written `"off"`) for no admin listener; default `127.0.0.1:8081`.
    pub address: Option<ListenAddress>,
    /// `token`: what shows that somebody beyond this machine may change something; at least 16 bytes.
    pub token: Option<SecretString>,
    /// `hosts`: further names that may stand in `Host` where the address is a loopback one, in lower case, without port.
    pub hosts: Vec<String>,
}

/// How request bodies are kept until they are sent.
#[derive(Debug, Clone)]
pub struct Body {
    /// `memory`: bytes of one body that stay in memory; the rest goes to a file; default 1 MiB.
    pub memory: usize,
    /// `memory_total`: bytes of all bodies together that are in memory, also on their way to and from files; beyond, even
    /// small ones go to files; default 256 MiB.
    pub memory_total: usize,
    /// `limit`: bytes of one body at most (413 beyond); default 64 MiB.
    pub limit: u64,
    /// `directory`: where the unlinked temporary files are made; default `/var/tmp`; it exists and is writable.
    pub directory: PathBuf,
    /// `idle_timeout`: the longest silence in the middle of a body; default 30 s.
    pub idle_timeout: Duration,
}

/// Where WeChat is and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// `base_urls`, or the one `base_url`: scheme and authority only, in the order in which they are tried, none twice; 1 …
    /// 8; default `https://api.weixin.qq.com`.
    pub base_urls: Vec<BaseUrl>,
    /// `cool_down`: how long one that failed is passed over; default 30 s.
    pub cool_down: Duration,
    /// `ca_file`: PEM certificates trusted besides the system's roots; it can be read.
    pub ca_file: Option<PathBuf>,
    /// `resolver` and `name_servers`: who says where a name leads.
    pub resolver: NameResolver,
    /// `proxy`: an `http://` forward proxy that is asked to CONNECT.
    pub proxy: Option<Proxy>,
    /// `connect_timeout`: name resolution, TCP, CONNECT and TLS together; default 3 s.
    pub connect_timeout: Duration,
    /// `first_byte_timeout`: from the request's last byte to the answer's head; default 55 s.
    pub first_byte_timeout: Duration,
    /// `idle_body_timeout`: the longest silence in the middle of an answer; default 30 s.
    pub idle_body_timeout: Duration,
    /// `idle_timeout`: how long an unused connection is kept; default 5 s (wechat.md §4: WeChat closes them within seconds).
    pub idle_timeout: Duration,
    /// `idle_connections`: unused connections that each worker keeps, for each of `base_urls`; default 256.
    pub idle_connections: usize,
    /// `connection_life`: how long a connection is used, from its making on, before another takes its place; default 2 min.
    pub connection_life: Duration,
}

/// Who says where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameResolver {
    /// `resolver = "system"`: whatever programs on this machine ask, its hosts file included (the default).
    System,
    /// `resolver = "dns"`: these `name_servers` (default port 53), or those of [`RESOLV_CONF`] where there are none.
    Dns(Vec<SocketAddr>),
}

/// Where a machine lists its name servers.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";

impl Upstream {
    /// The files that it is made of besides the configuration.
    pub fn files(&self) -> Vec<PathBuf> {
        let listed = self.resolver == NameResolver::Dns(Vec::new());
        self.ca_file.iter().cloned().chain(listed.then(|| RESOLV_CONF.into())).collect()
    }
}

/// A scheme and an authority, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// A name or an address, in lower case; an IPv6 address without its brackets.
    pub host: String,
    /// The port, also when it is the scheme's own.
    pub port: u16,
}

/// A forward proxy, with the credentials that its URL may carry.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// A name or an address, as in [`BaseUrl`].
    pub host: String,
    /// The port; default 80.
    pub port: u16,
    /// `user:password`, percent-decoded, for `Proxy-Authorization: Basic`.
    pub credentials: Option<SecretString>,
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        let credentials = |proxy: &Self| proxy.credentials.as_ref().map(|text| text.expose_secret().to_owned());
        (&self.host, self.port) == (&other.host, other.port) && credentials(self) == credentials(other)
    }
}

impl Eq for Proxy {}

/// When a request is sent a second time.
#[derive(Debug, Clone)]
pub struct Heal {
    /// `errcodes` that mean "this token is bad"; default 40001, 42001, 40014 (wechat.md §2).
    pub errcodes: Vec<i64>,
    /// `pause` before a request goes out again with a token that WeChat says is alive; default 500 ms.
    pub pause: Duration,
}

/// Deadlines and margins of every account's token.
#[derive(Debug, Clone)]
pub struct Token {
    /// `fetch_timeout`: one call to a token endpoint; default 10 s.
    pub fetch_timeout: Duration,
    /// `wait_timeout`: how long a request waits for a token; default 8 s.
    pub wait_timeout: Duration,
    /// `margin`: how long before its expiry a token is replaced; default by the endpoint (architecture.md §4).
    pub margin: Option<Duration>,
}

/// Where tokens survive a restart, and who shares them.
#[derive(Debug, Clone)]
pub enum Store {
    /// `kind = "memory"`: nowhere (the default).
    Memory,
    /// `kind = "file"`: one file an account in `directory`, mode 0600; the directory exists and is writable.
    File {
        /// `directory`.
        directory: PathBuf,
    },
    /// `kind = "redis"`: all replicas share one token an account.
    Redis(Redis),
}

/// A Redis, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Redis {
    /// `url`: where it is; with sentinels, only the name in the master's certificate and whether TLS is spoken count.
    pub address: RedisAddress,
    /// The user in `url`; `None` for Redis's default user.
    pub username: Option<String>,
    /// `password`, else that in `url`.
    pub password: Option<SecretString>,
    /// The path of `url`, or `db` in its query: the number of the database; default 0.
    pub database: u32,
    /// `sentinels` and `master_name`: who is asked where the master is.
    pub sentinels: Option<Sentinels>,
    /// `ca_file`: PEM certificates trusted besides the system's roots; it can be read.
    pub ca_file: Option<PathBuf>,
    /// `prefix`: what all keys begin with; default `wxgate:`.
    pub prefix: String,
    /// `connect_timeout`: name resolution, TCP, TLS and login together; default 1 s; at most 2 s.
    pub connect_timeout: Duration,
    /// `timeout`: one command; default 1 s; at most 2 s.
    pub timeout: Duration,
}

/// Where a Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddress {
    /// `redis://` or `rediss://`.
    Tcp {
        /// A name or an address, as in [`BaseUrl`].
        host: String,
        /// The port; default 6379.
        port: u16,
        /// Whether TLS is spoken, to sentinels too.
        tls: bool,
    },
    /// `unix:` and a path.
    Unix(PathBuf),
}

/// Who knows where the master is.
#[derive(Debug, Clone)]
pub struct Sentinels {
    /// `sentinels`: hosts and ports; at least one.
    pub addresses: Vec<(String, u16)>,
    /// `master_name`.
    pub master_name: String,
    /// `sentinel_password`.
    pub password: Option<SecretString>,
}

/// An appid and its secret.
#[derive(Debug, Clone)]
pub struct Account {
    /// `name`: `[A-Za-z0-9_.-]{1,64}`, not only dots; default the appid.
    pub name: String,
    /// `appid`.
    pub appid: String,
    /// `secret`: the AppSecret.
    pub secret: SecretString,
    /// `token`: which endpoint hands the tokens out.
    pub token: TokenKind,
    /// `default`: whether requests that select no account use this one; true where it is the only account.
    pub default: bool,
    /// `placeholder_key`: what placeholders are signed with, instead of a key made from the secret.
    pub placeholder_key: Option<SecretString>,
}

/// One way in which a listener lets callers show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// A virtual secret at the token endpoints and in calls that carry a secret, and the placeholder that it brought.
    Placeholder,
    /// `Authorization: Bearer` and a virtual secret.
    Bearer,
    /// A DNS name in its TLS certificate.
    Certificate,
    /// Its address.
    Network,
}

/// Somebody who calls, and what it may do.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `name`: `[A-Za-z0-9_.-]{1,64}`.
    pub name: String,
    /// `secrets`: SHA-256 of each of its virtual secrets.
    pub secrets: Vec<[u8; 32]>,
    /// `certificates`: DNS names in its certificates, in lower case.
    pub certificates: Vec<String>,
    /// `networks`: where it calls from.
    pub networks: Vec<IpNet>,
    /// `accounts`: the accounts that it may use; empty for all; they exist.
    pub accounts: Vec<String>,
    /// `allow`: patterns of paths that it may call; empty for all.
    pub allow: Vec<String>,
    /// `deny`: patterns of paths that it may not call.
    pub deny: Vec<String>,
    /// `report_only`: what is beyond its accounts and paths is logged, and let through.
    pub report_only: bool,
    /// `rate`: how fast it may call.
    pub rate: Option<Rate>,
}

/// So many requests in a time, and as many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub requests: NonZeroU32,
    /// In which time: a second, a minute or an hour.
    pub per: Duration,
}

/// Which token endpoint an account uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// The stable endpoint, or the classic one where the issuer has no stable endpoint (the default).
    Auto,
    /// `/cgi-bin/stable_token`.
    Stable,
    /// `/cgi-bin/token`.
    Classic,
}

/// Where spans of requests go, over OTLP/HTTP.
#[derive(Debug, Clone)]
pub struct Traces {
    /// `endpoint`: an `http` or `https` URL with a path and no query; `None` for no traces, and always so in a build without
    /// the feature `otlp`.
    pub endpoint: Option<Url>,
    /// `sample`: which part of those requests is traced whose caller did not decide; 0 … 1; default 1.
    pub sample: f64,
    /// `service_name`: the resource's `service.name`; default `wxgate`.
    pub service_name: String,
    /// `headers` of each export: names in lower case, and values that can stand in a field.
    pub headers: Vec<(String, SecretString)>,
    /// `ca_file`: PEM certificates trusted besides the system's roots; it can be read.
    pub ca_file: Option<PathBuf>,
    /// `timeout`: one export; default 10 s.
    pub timeout: Duration,
}

impl PartialEq for Traces {
    fn eq(&self, other: &Self) -> bool {
        let Self { endpoint, sample, service_name, headers, ca_file, timeout } = self;
        let exposed = |(name, value): &'_ (String, SecretString)| (name.clone(), value.expose_secret().to_owned());
        (endpoint, sample, service_name) == (&other.endpoint, &other.sample, &other.service_name)
            && (ca_file, timeout) == (&other.ca_file, &other.timeout)
            && headers.iter().map(exposed).eq(other.headers.iter().map(exposed))
    }
}

/// How the log is written.
#[derive(Debug, Clone)]
pub struct Log {
    /// `level`: default `info`.
    pub level: LogLevel,
    /// `format`: default `text`.
    pub format: LogFormat,
    /// `access`: which requests get a line on standard output; default `errors`.
    pub access: AccessLines,
}

/// Which requests get a line in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLines {
    /// None.
    Off,
    /// Those that went wrong or called for a heal.
    Errors,
    /// Every one.
    All,
}

/// The least severe line that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// For people or for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogFormat {
    Text,
    Json,
}
