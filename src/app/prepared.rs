//! A configuration made ready to be put into force: all that can fail is done, and nothing has changed yet.
//!
//! A start and a reload go the same way; a start has nothing before it.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use super::error::AppError;
use super::parts;
use super::tokens::{Change, Tokens};
use crate::config::{self, Config};
use crate::egress::Egress;
use crate::gateway::{
    Account, Accounts, BodyLimits, Callers, Door, Heal, InFlight, MemoryBudget, PlaceholderKey, Setup, Way,
};
use crate::metrics::Metrics;
use crate::observe::Observations;
use crate::observe::traces::Exporter;
use crate::secret::in_query;
use crate::server::Plan;
use crate::token::TokenHandle;

/// What counts, as long as the process lives.
pub(super) struct Counters {
    pub(super) metrics: Arc<Metrics>,
    pub(super) observations: Arc<Observations>,
}

/// What is about to be put into force.
pub(super) struct Prepared {
    pub(super) config: Config,
    pub(super) plan: Plan,
    pub(super) setup: Arc<Setup>,
    pub(super) origin: Origin,
    pub(super) change: Change,
    /// Where spans are to go.
    pub(super) exporter: Option<Exporter>,
}

/// What is in force already.
pub(super) struct Before<'a> {
    pub(super) setup: &'a Setup,
    pub(super) origin: &'a Origin,
    /// The listeners from which requests may still come.
    pub(super) listeners: Vec<usize>,
}

/// What a [`Way`] was made of; the same again makes the same way.
#[derive(PartialEq)]
pub(super) struct Origin {
    upstream: config::Upstream,
    /// The content of its files, less what cannot be read.
    files: Vec<Option<Vec<u8>>>,
    own: Vec<SocketAddr>,
}

impl Prepared {
    pub(super) async fn new(
        config: Config,
        plan: Plan,
        tokens: &Tokens,
        counters: &Counters,
        before: Option<Before<'_>>,
    ) -> Result<Self, AppError> {
        let origin = Origin::of(&config, &plan);
        let same = before.as_ref().filter(|before| *before.origin == origin).map(|before| &before.setup.way);
        let way = match same {
            Some(way) => Arc::clone(way),
            None => Arc::new(new_way(&config, &origin, &counters.metrics).await?),
        };
        let exporter = Exporter::prepare(&config.traces, &origin.own)?;
        let change = tokens.plan(&config, &way.egress.issuer_http()?)?;
        let setup = setup(&config, &plan, &change.handles, way, counters, before.as_ref())?;
        Ok(Self { plan, setup: Arc::new(setup), origin, change, exporter, config })
    }
}

impl Origin {
    fn of(config: &Config, plan: &Plan) -> Self {
        let files = config.upstream.files().iter().map(|file| fs::read(file).ok()).collect();
        let own = parts::tcp(plan.listeners().map(|(_, address)| address));
        Self { upstream: config.upstream.clone(), files, own }
    }
}

async fn new_way(config: &Config, origin: &Origin, metrics: &Metrics) -> Result<Way, AppError> {
    let way = parts::way(config, Egress::prepare(&config.upstream, origin.own.clone(), metrics).await?);
    // Each worker makes its own from it later, and must not fail then.
    way.upstream().map_err(|_| AppError::Unusable("upstream.base_urls"))?;
    Ok(way)
}

fn setup(
    config: &Config,
    plan: &Plan,
    tokens: &[TokenHandle],
    way: Arc<Way>,
    counters: &Counters,
    before: Option<&Before<'_>>,
) -> Result<Setup, AppError> {
    let before_it = before.map(|before| before.setup);
    let accounts = config.accounts.iter().zip(tokens).map(|(account, token)| gateway_account(account, token, counters));
    let default = config.accounts.iter().find(|account| account.default).map(|account| account.name.as_str());
    let callers = config.callers.iter().map(parts::caller).collect();
    let memory = config.body.memory_total;
    Ok(Setup {
        accounts: Accounts::new(accounts.collect::<Result<_, _>>()?, default),
        callers: match before_it {
            Some(before) => Callers::after(&before.callers, callers, &counters.metrics),
            None => Callers::new(callers, &counters.metrics),
        },
        doors: doors(config, plan, before),
        way,
        body: BodyLimits {
            memory: config.body.memory,
            limit: config.body.limit,
            directory: config.body.directory.clone(),
            idle: config.body.idle_timeout,
            budget: before_it.map_or_else(|| MemoryBudget::new(memory), |before| before.body.budget.with_limit(memory)),
        },
        heal: Heal { errcodes: config.heal.errcodes.clone(), pause: config.heal.pause },
        token_wait: config.token.wait_timeout,
        in_flight: before_it.map_or_else(
            || InFlight::new(config.server.requests),
            |before| before.in_flight.with_limit(config.server.requests),
        ),
    })
}

/// The doors of all listeners that are to be, and of those that will accept no more, as long as requests come from there.
fn doors(config: &Config, plan: &Plan, before: Option<&Before<'_>>) -> Vec<(usize, Arc<Door>)> {
    let mut doors: Vec<_> = plan
        .listeners()
        .zip(&config.listeners)
        .map(|((number, address), listener)| (number, Arc::new(parts::door(config, listener, address))))
        .collect();
    for (number, door) in before.iter().flat_map(|before| &before.setup.doors) {
        let is_planned = doors.iter().any(|(planned, _)| planned == number);
        if !is_planned && before.is_some_and(|before| before.listeners.contains(number)) {
            doors.push((*number, Arc::clone(door)));
        }
    }
    doors
}

fn gateway_account(account: &config::Account, token: &TokenHandle, counters: &Counters) -> Result<Account, AppError> {
    let key = account.placeholder_key.as_ref().unwrap_or(&account.secret);
    Ok(Account {
        name: account.name.clone(),
        appid: account.appid.clone(),
        secret: account.secret.clone(),
        secret_in_query: in_query(&account.secret),
        placeholder_key: PlaceholderKey::derive(key).map_err(|_| AppError::Unusable("account.placeholder_key"))?,
        heals: counters.metrics.heals(&account.name),
        seen: counters.observations.account(&account.name),
        token: token.clone(),
    })
}
