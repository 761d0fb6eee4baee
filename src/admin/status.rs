//! `/status`: how it goes, as JSON (docs/operations.md).

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::time::Instant;

use super::health::reason;
use super::traffic::{Errcode, Failed, Path, Traffic};
use super::trouble::{self, Trouble};
use super::units::timestamp;
use super::view::View;
use crate::egress::Standing;
use crate::token::{Brought, Fetched, Listed, Snapshot};

/// How many endpoints are shown: the busiest.
const ENDPOINTS: usize = 20;

#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    now: String,
    started_at: String,
    uptime_seconds: u64,
    troubles: Vec<Trouble>,
    accounts: Vec<AccountStatus>,
    traffic: Traffic,
    errcodes: Vec<Errcode>,
    endpoints: Vec<Path>,
    failures: Vec<Failed>,
    callers: Vec<CallerStatus>,
    unknown_callers: u64,
    levels: Vec<LevelStatus>,
    upstreams: Vec<UpstreamStatus>,
}

#[derive(Serialize)]
struct AccountStatus {
    name: String,
    appid: String,
    ready: bool,
    summary: String,
    troubles: Vec<Trouble>,
    token: Option<TokenStatus>,
    fetching: bool,
    next_refresh_seconds: Option<u64>,
    last_refresh: Option<Refresh>,
    died_early: usize,
    forced_left: usize,
    heals: Heals,
    requests: u64,
    failed: u64,
}

#[derive(Serialize)]
struct TokenStatus {
    generation: u64,
    endpoint: &'static str,
    age_seconds: u64,
    seconds_left: u64,
    accepted: bool,
}

#[derive(Serialize)]
struct Refresh {
    at: String,
    reason: &'static str,
    endpoint: &'static str,
    brought: &'static str,
    errcode: Option<i64>,
    message: Option<String>,
}

#[derive(Serialize)]
struct Heals {
    attempted: u64,
    healed: u64,
    failed: u64,
}

#[derive(Serialize)]
struct CallerStatus {
    name: String,
    admitted: u64,
    refused: u64,
    reported: u64,
    limited: u64,
}

#[derive(Serialize)]
struct UpstreamStatus {
    host: String,
    up: bool,
    since: Option<String>,
    reason: Option<String>,
}

#[derive(Serialize)]
struct LevelStatus {
    name: &'static str,
    now: u64,
    limit: Option<u64>,
}

pub(super) async fn status(State(view): State<Arc<View>>) -> Json<Status> {
    Json(Status::of(&view))
}

impl Status {
    fn of(view: &View) -> Self {
        let now = Instant::now();
        let mut history = view.history();
        history.gather(now);
        let upstreams = (view.upstreams)();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            now: timestamp(SystemTime::now()),
            started_at: timestamp(view.started_at),
            uptime_seconds: now.duration_since(view.started).as_secs(),
            troubles: [trouble::of_upstreams(&upstreams), trouble::of_levels(&view.levels)].concat(),
            accounts: view.accounts.load().iter().map(|account| AccountStatus::of(view, account, now)).collect(),
            traffic: Traffic::of(&history),
            errcodes: history.errcodes().into_iter().map(Errcode::of).collect(),
            endpoints: history.endpoints(ENDPOINTS).into_iter().map(Path::of).collect(),
            failures: history.failures().map(Failed::of).collect(),
            callers: (view.callers)().iter().map(|name| CallerStatus::of(view, name)).collect(),
            unknown_callers: view.metrics.unknown_callers().get(),
            levels: view
                .levels
                .iter()
                .map(|level| LevelStatus { name: level.name, now: level.read().now, limit: level.read().limit })
                .collect(),
            upstreams: upstreams.into_iter().map(UpstreamStatus::of).collect(),
        }
    }
}

impl UpstreamStatus {
    fn of(standing: Standing) -> Self {
        let Standing { host, up, since, reason } = standing;
        Self { host, up, since: since.map(timestamp), reason }
    }
}

impl AccountStatus {
    fn of(view: &View, account: &Listed, now: Instant) -> Self {
        let snapshot = account.token.slot().load();
        let totals = view.observations.account(&account.name).totals();
        let heals = view.metrics.heals(&account.name);
        let count = |failed_alone: bool| {
            let counted = totals.outcomes.iter().filter(|(outcome, _)| !failed_alone || outcome.has_failed());
            counted.map(|(_, count)| count).sum()
        };
        Self {
            name: account.name.clone(),
            appid: account.appid.clone(),
            ready: snapshot.usable(now).is_some(),
            summary: reason(&snapshot, now),
            troubles: trouble::of_account(&account.appid, &snapshot, now),
            token: TokenStatus::of(&snapshot, now),
            fetching: snapshot.fetching,
            next_refresh_seconds: snapshot.next.map(|next| next.saturating_duration_since(now).as_secs()),
            last_refresh: snapshot.last.as_ref().map(Refresh::of),
            died_early: snapshot.died_early(now),
            forced_left: snapshot.forced_left(now),
            heals: Heals { attempted: heals.attempted.get(), healed: heals.healed.get(), failed: heals.failed.get() },
            requests: count(false),
            failed: count(true),
        }
    }
}

impl TokenStatus {
    /// Of a token that can be used.
    fn of(snapshot: &Snapshot, now: Instant) -> Option<Self> {
        let token = snapshot.usable(now)?;
        Some(Self {
            generation: token.generation(),
            endpoint: token.minted_by().name(),
            age_seconds: now.saturating_duration_since(token.fetched_at()).as_secs(),
            seconds_left: token.remaining(now).as_secs(),
            accepted: token.was_accepted(),
        })
    }
}

impl Refresh {
    fn of(fetched: &Fetched) -> Self {
        let (brought, failure) = match &fetched.brought {
            Brought::New => ("new", None),
            Brought::Same => ("same", None),
            Brought::Nothing(failure) => ("nothing", Some(failure)),
        };
        Self {
            at: timestamp(fetched.at),
            reason: fetched.reason.name(),
            endpoint: fetched.endpoint.name(),
            brought,
            errcode: failure.and_then(|failure| failure.errcode),
            message: failure.map(ToString::to_string),
        }
    }
}

impl CallerStatus {
    fn of(view: &View, name: &str) -> Self {
        let counters = view.metrics.caller(name);
        Self {
            name: name.to_owned(),
            admitted: counters.admitted.get(),
            refused: counters.refused.get(),
            reported: counters.reported.get(),
            limited: counters.limited.get(),
        }
    }
}
