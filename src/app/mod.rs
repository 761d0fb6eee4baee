//! The composition root: a configuration → a running gateway. The one room that knows all others.
//!
//! A configuration is [`prepared`] first, which may fail, and then put into force, which may not: at the start in
//! [`App::run`], later by a [`reload`].

mod error;
mod operator;
mod parts;
mod prepared;
mod reload;
mod reloads;
mod running;
mod stores;
mod tokens;
mod watch;
mod worker;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch::{Receiver, Sender};
use tokio::task::JoinSet;

pub use error::AppError;
pub(crate) use parts::{configured_addresses, issuer};
pub(crate) use stores::Stores;

use crate::address::{Address, Inherited};
use crate::admin::Shown;
use crate::config::{Config, Source};
use crate::gateway::{Kind, Setup};
use crate::observe::{AccessLog, Finish, Observations};
use crate::reload::{Reloader, Requests, reloads};
use crate::server::{Connections, Plan, Server, Threads};
use crate::stage::{Control, Stage};
use crate::supervisor;
use crate::telemetry::Telemetry;
use operator::Operator;
use prepared::{Counters, Prepared};
use reloads::{Follows, Reloads, fixed};
use running::Running;
use tokens::Tokens;
use worker::Worker;

/// How long the parts of a stop take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopTimes {
    /// Serving on, not ready any more.
    pub delay: Duration,
    /// Finishing what is in flight.
    pub drain: Duration,
}

/// A gateway with its sockets bound, ready to run.
pub struct App {
    prepared: Prepared,
    tokens: Tokens,
    counters: Counters,
    in_force: Arc<ArcSwap<Setup>>,
    connections: Connections,
    operator: Option<Operator>,
    inherited: Inherited,
    stop_times: Sender<StopTimes>,
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
        Self::bind_beside(config, Inherited::default()).await
    }

    /// The same, where some of the sockets are there already.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn bind_beside(config: Config, inherited: Inherited) -> Result<Self, AppError> {
        let plan = Plan::bind(config.listeners.iter().map(parts::listener), &inherited)?;
        let tokens = Tokens::new(Stores::new(&config.store)?);
        let counters = Counters { metrics: Arc::default(), observations: Observations::new(config.server.workers) };
        let prepared = Prepared::new(config, plan, &tokens, &counters, None).await?;
        let in_force = Arc::new(ArcSwap::new(Arc::clone(&prepared.setup)));
        counters.observations.log_lines(prepared.config.log.access);
        let connections = Connections::default();
        let reloads = reloads();
        let shown = shown(&tokens, &counters, &in_force, &connections, reloads.0.clone());
        let operator = Operator::bind(&prepared.config, &inherited, shown)?;
        let stop_times = Sender::new(parts::stop_times(&prepared.config));
        Ok(Self {
            prepared,
            tokens,
            counters,
            in_force,
            connections,
            operator,
            inherited,
            stop_times,
            reloads,
            follows: None,
            access: None,
        })
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

    /// How long the parts of a stop take, by the configuration in force.
    pub fn stop_times(&self) -> Receiver<StopTimes> {
        self.stop_times.subscribe()
    }

    /// Sockets that were passed to this process and belong to none of its listeners.
    pub fn unclaimed(&self) -> Vec<&Address> {
        let claimed: Vec<_> = self.listeners().into_iter().chain(self.admin_address()).collect();
        self.inherited.unclaimed(&claimed).collect()
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
        self.operator.as_ref().and_then(Operator::address)
    }

    /// Serves until `control` drains and the last answer is out, or until it ends. Tokens that requests in flight need are
    /// fetched to the end.
    ///
    /// # Errors
    /// What the operating system refuses before the first connection is accepted, or [`AppError::Fault`].
    pub async fn run(self, control: &Control) -> Result<(), AppError> {
        let Self { prepared, mut tokens, counters, in_force, connections, operator, .. } = self;
        let Prepared { config, plan, setup: _, origin, change, exporter } = prepared;
        let observations = Arc::clone(&counters.observations);
        tokens.apply(change); // what is slow begins first
        observations.traces.put_into_force(exporter);
        let mut tasks = JoinSet::new();
        if let Some(operator) = operator {
            operator.serve(control.clone(), &mut tasks).await?;
        }
        tasks.spawn(supervisor::keep_watchdog_quiet());
        let threads = Threads { name: "worker", count: config.server.workers };
        let starting = Server::start(threads, connections, control, self.inherited, {
            let (in_force, observations) = (Arc::clone(&in_force), Arc::clone(&counters.observations));
            move || Worker::new(Arc::clone(&in_force), observations.observer())
        });
        let mut server = starting.await?;
        server.apply(plan, &parts::limits(&config)).await;
        let (_reloader, requests) = self.reloads;
        let (fixed, reloads) = (fixed(&config), Reloads::new(requests, self.follows));
        let stop_times = self.stop_times;
        let running = Running { server, tokens, counters, in_force, origin, fixed, stop_times, reloads, tasks };
        let outcome = running.run(control).await;
        let lines = async {
            if let Some(access) = self.access {
                access.finish().await;
            }
        };
        let spans = async {
            tokio::select! {
                () = observations.traces.finish() => {}
                () = control.reached(Stage::Ended) => {}
            }
        };
        tokio::join!(lines, spans);
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
    let (callers, way) = (Arc::clone(in_force), Arc::clone(in_force));
    Shown {
        accounts: tokens.roster(),
        callers: Box::new(move || callers.load().callers.names().map(str::to_owned).collect()),
        metrics: Arc::clone(&counters.metrics),
        observations: Arc::clone(&counters.observations),
        kinds: Kind::ALL.iter().map(|kind| kind.name()).collect(),
        levels: parts::levels(in_force, connections),
        reloader,
        upstreams: Arc::new(move || way.load().way.egress.health.standings()),
    }
}
