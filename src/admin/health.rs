//! `/readyz` and `/startupz`: whether to send requests here, and if not, why.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::view::View;
use crate::stage::{Control, Stage};
use crate::token::Snapshot;

/// Whether to send requests here, and if not, why.
#[derive(Serialize)]
pub(super) struct Readiness {
    ready: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stopping: bool,
    accounts: Vec<AccountReadiness>,
}

#[derive(Serialize)]
struct AccountReadiness {
    name: String,
    ready: bool,
    reason: String,
}

#[derive(Deserialize)]
pub(super) struct Selection {
    account: Option<String>,
}

/// Ready when each account's first fetch has ended and at least one has a usable token: one frozen account does not take
/// the others out. Not ready any more when a stop has begun. With `?account=`, that account alone.
pub(super) async fn readyz(
    State(view): State<Arc<View>>,
    State(control): State<Control>,
    Query(selection): Query<Selection>,
) -> (StatusCode, Json<Readiness>) {
    let (now, accounts) = (Instant::now(), view.accounts.load());
    let selected =
        accounts.iter().filter(|account| selection.account.as_ref().is_none_or(|wanted| *wanted == account.name));
    let snapshots: Vec<_> = selected.map(|account| (&account.name, account.token.slot().load())).collect();
    let stopping = control.follow().has_reached(Stage::Leaving);
    let ready = !stopping
        && snapshots.iter().all(|(_, snapshot)| snapshot.started)
        && snapshots.iter().any(|(_, snapshot)| snapshot.usable(now).is_some());
    let accounts = snapshots.iter().map(|(name, snapshot)| AccountReadiness {
        name: (*name).clone(),
        ready: snapshot.usable(now).is_some(),
        reason: reason(snapshot, now),
    });
    let accounts = accounts.collect();
    let status = match (snapshots.is_empty(), ready) {
        (true, _) => StatusCode::NOT_FOUND,
        (false, true) => StatusCode::OK,
        (false, false) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(Readiness { ready, stopping, accounts }))
}

/// 200 when each account's first fetch has ended, whichever way.
pub(super) async fn startupz(State(view): State<Arc<View>>) -> (StatusCode, &'static str) {
    match view.accounts.load().iter().all(|account| account.token.slot().load().started) {
        true => (StatusCode::OK, "started\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting: WeChat is being asked for the first tokens\n"),
    }
}

/// How the account's token is, in words.
pub(super) fn reason(snapshot: &Snapshot, now: Instant) -> String {
    match (snapshot.usable(now), &snapshot.failure) {
        (Some(token), None) => format!("token for another {} s", token.remaining(now).as_secs()),
        (Some(token), Some(failure)) => {
            format!("token for another {} s, but no new one: {failure}", token.remaining(now).as_secs())
        }
        (None, Some(failure)) => format!("no token: {failure}"),
        (None, None) => "no token yet: WeChat is being asked".to_owned(),
    }
}
