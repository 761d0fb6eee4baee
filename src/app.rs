//! The composition root: a configuration → a running gateway. The one file that knows every room.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response};

use crate::admin::{Admin, AdminError};
use crate::config::{self, Admit, Config, ListenAddress};
use crate::egress::{Egress, EgressError, host_field, origin};
use crate::gateway::{
    Account, Accounts, AdmitMethod, BodyLimits, CallerSettings, Callers, Door, Gateway, Heal, InFlight, MemoryBudget,
    PathList, Peer, PlaceholderKey, Rate, ReplyBody, Rules,
};
use crate::metrics::Metrics;
use crate::observe::Observations;
use crate::secret::in_query;
use crate::server::{
    Address, Arrival, BindError, Bound, Control, Handler, Limits, Listener, Stage, Timeouts, TlsFiles, UnixAddress,
};
use crate::token::{FileStore, HttpIssuer, MemoryStore, Refresher, Settings, Store, TokenHandle};
use crate::upstream::{ConnectError, Deadlines, Upstream};

/// Why the gateway did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address for callers cannot be had.
    #[error("{0}; is another wxgate running? Change listen.address, or end the other program")]
    Bind(#[from] BindError),
    /// The admin address cannot be had.
    #[error("{0}; change admin.address, or set it to \"off\"")]
    Admin(#[from] AdminError),
    /// There is no way out to WeChat.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The operating system refused something.
    #[error("{0}")]
    System(#[from] io::Error),
    /// A task that must not end has ended. Requests in flight were finished; a new process starts clean.
    #[error("a task that owns a token, or the admin listener, has ended by a fault in wxgate; start it again")]
    Fault,
    /// A part of the configuration cannot be used. The configuration's own checks leave none that is known.
    #[error("{0}: cannot be used")]
    Unusable(&'static str),
}

/// A gateway with its sockets bound, ready to run.
pub struct App {
    bound: Bound,
    admin: Option<Admin>,
    refreshers: Vec<Refresher<HttpIssuer>>,
    shared: Shared,
}

/// What all workers share.
#[derive(Clone)]
struct Shared {
    config: Arc<Config>,
    egress: Egress,
    accounts: Arc<Accounts>,
    callers: Arc<Callers>,
    doors: Arc<[Door]>,
    host: HeaderValue,
    body_budget: Arc<MemoryBudget>,
    in_flight: Arc<InFlight>,
    observations: Arc<Observations>,
}

impl App {
    /// Binds every address and prepares everything else; nothing is sent to WeChat yet.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn bind(config: Config) -> Result<Self, AppError> {
        let bound = Bound::bind(config.listeners.iter().map(server_listener))?;
        let egress = Egress::prepare(&config.upstream, tcp(bound.addresses())).await?;
        let mut accounts = Vec::with_capacity(config.accounts.len());
        let mut refreshers = Vec::with_capacity(config.accounts.len());
        let mut health = Vec::with_capacity(config.accounts.len());
        let http = egress.issuer_http()?;
        let metrics = Metrics::default();
        let observations = Observations::new(config.server.workers);
        for account in &config.accounts {
            let issuer = issuer(&config, account, http.clone());
            let (refresher, token) =
                Refresher::new(refresher_settings(&config, account), issuer, store(&config, account));
            health.push((account.name.clone(), token.clone()));
            accounts.push(gateway_account(account, token, &metrics, &observations)?);
            refreshers.push(refresher);
        }
        let callers = Callers::new(config.callers.iter().map(caller_settings).collect(), &metrics);
        let seen = Arc::clone(&observations);
        let admin = config.admin.address.map(|address| Admin::bind(address, health, metrics, seen)).transpose()?;
        let default = config.accounts.iter().find(|account| account.default).map(|account| account.name.as_str());
        let host = HeaderValue::from_str(&host_field(&config.upstream.base_url));
        let shared = Shared {
            accounts: Arc::new(Accounts::new(accounts, default)),
            callers: Arc::new(callers),
            doors: config.listeners.iter().zip(bound.addresses()).map(|(l, bound)| door(&config, l, bound)).collect(),
            host: host.map_err(|_| AppError::Unusable("upstream.base_url"))?,
            body_budget: MemoryBudget::new(config.body.memory_total),
            in_flight: InFlight::new(config.server.requests),
            observations,
            config: Arc::new(config),
            egress,
        };
        Ok(Self { bound, admin, refreshers, shared })
    }

    /// Where callers come in, with real ports, in the order of the configuration.
    pub fn listeners(&self) -> &[Address] {
        self.bound.addresses()
    }

    /// The TCP addresses among them.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        tcp(self.listeners())
    }

    /// The admin address, with its real port.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::address)
    }

    /// Serves until `control` drains and the last answer is out, or until it ends. Refreshing goes on meanwhile.
    ///
    /// # Errors
    /// What the operating system refuses before the first connection is accepted, or [`AppError::Fault`].
    pub async fn run(self, control: &Control) -> Result<(), AppError> {
        let Self { bound, admin, refreshers, shared } = self;
        let mut slow = tokio::task::JoinSet::new();
        for refresher in refreshers {
            slow.spawn(refresher.run());
        }
        if let Some(admin) = admin {
            slow.spawn(admin.serve());
        }
        let limits = limits(&shared.config);
        let mut serving = pin!(bound.serve(limits, control, move || worker(&shared)));
        tokio::select! {
            served = &mut serving => Ok(served?),
            Some(_) = slow.join_next() => {
                // Without it the tokens would end one after the other, and nobody would know why.
                control.advance(Stage::Draining);
                serving.await?;
                Err(AppError::Fault)
            }
        }
    }
}

/// A worker's gateway as the server sees it.
struct Worker {
    gateway: Gateway,
    doors: Arc<[Door]>,
}

impl Handler for Worker {
    type Body = ReplyBody;

    async fn handle(&self, request: Request<Incoming>, from: &Arrival) -> Response<ReplyBody> {
        let peer = Peer { address: from.peer, names: &from.names };
        self.gateway.handle(request, &self.doors[from.listener], peer).await
    }
}

fn worker(shared: &Shared) -> Result<Worker, ConnectError> {
    let config = &shared.config;
    let deadlines = Deadlines {
        connect: config.upstream.connect_timeout,
        first_byte: config.upstream.first_byte_timeout,
        idle_body: config.upstream.idle_body_timeout,
    };
    let upstream = &config.upstream;
    let gateway = Gateway {
        accounts: Arc::clone(&shared.accounts),
        callers: Arc::clone(&shared.callers),
        upstream: Upstream::new(&shared.egress, deadlines, upstream.idle_connections, upstream.idle_timeout)?,
        host: shared.host.clone(),
        body: BodyLimits {
            memory: config.body.memory,
            limit: config.body.limit,
            directory: config.body.directory.clone(),
            idle: config.body.idle_timeout,
            budget: Arc::clone(&shared.body_budget),
        },
        heal: Heal { errcodes: config.heal.errcodes.clone(), pause: config.heal.pause },
        token_wait: config.token.wait_timeout,
        in_flight: Arc::clone(&shared.in_flight),
        observer: shared.observations.observer(),
    };
    Ok(Worker { gateway, doors: Arc::clone(&shared.doors) })
}

fn limits(config: &Config) -> Limits {
    let server = &config.server;
    Limits {
        workers: server.workers,
        connections: server.connections,
        // Above the gateway's own limit, whose answer says what to do; hyper's says 431 and no more.
        head_size: 2 * server.head_size.max(8 * 1024),
        timeouts: Timeouts { head: server.head_timeout, idle: server.idle_timeout, send: server.send_timeout },
    }
}

fn server_listener(listener: &config::Listener) -> Listener {
    let address = match &listener.address {
        ListenAddress::Tcp(address) => Address::Tcp(*address),
        ListenAddress::Unix { path, mode, owner } => {
            Address::Unix(UnixAddress { path: path.clone(), mode: *mode, owner: (owner.user, owner.group) })
        }
    };
    let tls = listener.tls.as_ref().map(|tls| TlsFiles {
        certificate: tls.certificate.clone(),
        private_key: tls.private_key.clone(),
        client_ca: tls.client_ca.clone(),
    });
    Listener { address, tls }
}

/// The TCP addresses that `config` asks for; port 0 is none yet.
pub(crate) fn configured_addresses(config: &Config) -> Vec<SocketAddr> {
    tcp(&config.listeners.iter().map(|listener| server_listener(listener).address).collect::<Vec<_>>())
}

fn tcp(addresses: &[Address]) -> Vec<SocketAddr> {
    let tcp = addresses.iter().filter_map(|address| match address {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    });
    tcp.collect()
}

fn door(config: &Config, listener: &config::Listener, bound: &Address) -> Door {
    Door {
        rules: Rules {
            browsers: listener.browsers,
            loopback: matches!(bound, Address::Tcp(address) if address.ip().to_canonical().is_loopback()),
            hosts: listener.hosts.clone(),
            upstream_host: config.upstream.base_url.host.clone(),
            head_size: config.server.head_size,
        },
        account: listener.account.clone(),
        token_endpoint: listener.token_endpoint,
        admits: listener.admit.iter().map(admit_method).collect(),
    }
}

fn admit_method(admit: &Admit) -> AdmitMethod {
    match admit {
        Admit::Placeholder => AdmitMethod::Placeholder,
        Admit::Bearer => AdmitMethod::Bearer,
        Admit::Certificate => AdmitMethod::Certificate,
        Admit::Network => AdmitMethod::Network,
    }
}

fn caller_settings(caller: &config::Caller) -> CallerSettings {
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

fn gateway_account(
    account: &config::Account,
    token: TokenHandle,
    metrics: &Metrics,
    observations: &Observations,
) -> Result<Account, AppError> {
    let key = account.placeholder_key.as_ref().unwrap_or(&account.secret);
    Ok(Account {
        name: account.name.clone(),
        appid: account.appid.clone(),
        secret: account.secret.clone(),
        secret_in_query: in_query(&account.secret),
        placeholder_key: PlaceholderKey::derive(key).map_err(|_| AppError::Unusable("account.placeholder_key"))?,
        heals: metrics.heals(&account.name),
        seen: observations.account(&account.name),
        token,
    })
}

/// The issuer of an account; `wxgate check` uses it too.
pub(crate) fn issuer(config: &Config, account: &config::Account, http: reqwest::Client) -> HttpIssuer {
    HttpIssuer::new(
        http,
        origin(&config.upstream.base_url),
        account.appid.clone(),
        account.secret.clone(),
        config.token.fetch_timeout,
        config.heal.errcodes.clone(),
    )
}

fn refresher_settings(config: &Config, account: &config::Account) -> Settings {
    Settings { account: account.name.clone(), kind: account.token, margin: config.token.margin }
}

fn store(config: &Config, account: &config::Account) -> Box<dyn Store> {
    match &config.store {
        config::Store::Memory => Box::new(MemoryStore),
        config::Store::File { directory } => Box::new(FileStore::new(directory, &account.appid)),
    }
}
