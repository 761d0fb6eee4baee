//! The composition root: a configuration → a running gateway. The one room that knows all others.
//!
//! A configuration is [`prepared`] first, which may fail, and then put into force, which may not: at the start in
//! [`App::run`], later by a [`reload`].

mod error;
mod parts;
mod prepared;
mod reload;
mod stores;
mod tokens;
mod watch;
mod worker;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;

pub use error::AppError;
pub(crate) use parts::{configured_addresses, issuer};
pub(crate) use stores::Stores;

use crate::admin::{Admin, Shown};
use crate::config::{Config, Source};
use crate::gateway::{Kind, Setup};
use crate::observe::{AccessLog, Finish, Observations};
use crate::reload::{Reloader, Requests, reloads};
use crate::server::{Address, Connections, Plan, Server};
use crate::stage::{Control, Stage};
use crate::telemetry::Telemetry;
use prepared::{Counters, Prepared};
use reload::{Event, Follows, Reloads, Running, fixed};
use tokens::Tokens;
use worker::Worker;

/// A gateway with its sockets bound, ready to run.
pub struct App {
    prepared: Prepared,
    tokens: Tokens,
    counters: Counters,
    in_force: Arc<ArcSwap<Setup>>,
    connections: Connections,
    admin: Option<Admin>,
    reloads: (Reloader, Requests),
    follows: Option<Follows>,
    access: Option<Finish>,
}

impl App {
    /// Binds every address and prepares everything else; nothing is sent to WeChat yet.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn bind(config: Config) -> Result<Self, AppError> {
        let plan = Plan::bind(config.listeners.iter().map(parts::listener))?;
        let tokens = Tokens::new(Stores::new(&config.store)?);
        let counters = Counters { metrics: Arc::default(), observations: Observations::new(config.server.workers) };
        let prepared = Prepared::new(config, plan, &tokens, &counters, None).await?;
        let in_force = Arc::new(ArcSwap::new(Arc::clone(&prepared.setup)));
        counters.observations.log_lines(prepared.config.log.access);
        let connections = Connections::default();
        let reloads = reloads();
        let shown = shown(&tokens, &counters, &in_force, &connections, reloads.0.clone());
        let entrance = parts::entrance(&prepared.config.admin);
        let admin = entrance.map(|entrance| Admin::bind(entrance, shown)).transpose()?;
        Ok(Self { prepared, tokens, counters, in_force, connections, admin, reloads, follows: None, access: None })
    }

    /// Reloads are read from `source`, and the log follows them where there is one.
    #[must_use]
    pub fn following(self, source: Source, telemetry: Option<Telemetry>) -> Self {
        Self { follows: Some(Follows { source, telemetry }), ..self }
    }

    /// Writes the access log to `writer`.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn logging_to(self, writer: impl Write + Send + 'static) -> Result<Self, AppError> {
        let (log, finish) = AccessLog::start(self.prepared.config.log.format, writer)?;
        self.counters.observations.log_to(log);
        Ok(Self { access: Some(finish), ..self })
    }

    /// Asks this gateway for reloads, once it runs.
    pub fn reloader(&self) -> Reloader {
        self.reloads.0.clone()
    }

    /// Where callers come in, with real ports, in the order of the configuration.
    pub fn listeners(&self) -> Vec<&Address> {
        self.prepared.plan.listeners().map(|(_, address)| address).collect()
    }

    /// The TCP addresses among them.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        parts::tcp(self.listeners().into_iter())
    }

    /// The admin address, with its real port.
    pub fn admin_address(&self) -> Option<&Address> {
        self.admin.as_ref().map(Admin::address)
    }

    /// Serves until `control` drains and the last answer is out, or until it ends. Tokens that requests in flight need are
    /// fetched to the end.
    ///
    /// # Errors
    /// What the operating system refuses before the first connection is accepted, or [`AppError::Fault`].
    pub async fn run(self, control: &Control) -> Result<(), AppError> {
        let Self { prepared, mut tokens, counters, in_force, connections, admin, reloads, follows, access } = self;
        let (_reloader, requests) = reloads;
        let Prepared { config, plan, setup: _, origin, change } = prepared;
        tokens.apply(change); // what is slow begins first
        let mut admin_tasks = JoinSet::new();
        if let Some(admin) = admin {
            admin_tasks.spawn(admin.serve());
        }
        let starting = Server::start(config.server.workers, connections, control, {
            let (in_force, observations) = (Arc::clone(&in_force), Arc::clone(&counters.observations));
            move || Worker::new(Arc::clone(&in_force), observations.observer())
        });
        let mut server = starting.await?;
        server.apply(plan, &parts::limits(&config)).await;
        let reloads = Reloads::new(requests, follows);
        let mut running = Running { server, tokens, counters, in_force, origin, fixed: fixed(&config), reloads };
        let outcome = loop {
            tokio::select! {
                () = control.reached(Stage::Draining) => break Ok(()),
                Some(_) = admin_tasks.join_next() => break Err(AppError::Fault),
                event = running.event() => match event {
                    Event::Fault => break Err(AppError::Fault),
                    Event::Reload(request) => running.reload(request, control).await,
                },
            }
        };
        // Without its tokens or its admin listener it had better be replaced than go on.
        control.advance(Stage::Draining);
        running.finish().await;
        if let Some(access) = access {
            access.finish().await;
        }
        outcome
    }
}

/// What the operator may look at.
fn shown(
    tokens: &Tokens,
    counters: &Counters,
    in_force: &Arc<ArcSwap<Setup>>,
    connections: &Connections,
    reloader: Reloader,
) -> Shown {
    let callers = Arc::clone(in_force);
    Shown {
        accounts: tokens.roster(),
        callers: Box::new(move || callers.load().callers.names().map(str::to_owned).collect()),
        metrics: Arc::clone(&counters.metrics),
        observations: Arc::clone(&counters.observations),
        kinds: Kind::ALL.iter().map(|kind| kind.name()).collect(),
        levels: parts::levels(in_force, connections),
        reloader,
    }
}
