//! For the operator, on a listener of its own: `/livez`, `/readyz`, `/metrics`. None of them ever calls WeChat.

mod requests;
mod tokens;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::observe::Observations;
use crate::token::{Roster, Snapshot};
use requests::Requests;
use tokens::Tokens;

/// The admin address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct AdminError {
    address: SocketAddr,
    cause: io::Error,
}

/// Adds to `metrics` what is looked up at each scrape.
pub fn collect(metrics: &mut Metrics, accounts: Arc<Roster>, observations: Arc<Observations>) {
    metrics.collect(Tokens(accounts));
    metrics.collect(Requests(observations));
}

/// A bound admin listener.
pub struct Admin {
    socket: TcpListener,
    address: SocketAddr,
    accounts: Arc<Roster>,
    metrics: Arc<Metrics>,
}

impl Admin {
    /// Listens on `address`, for these accounts and metrics.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn bind(address: SocketAddr, accounts: Arc<Roster>, metrics: Arc<Metrics>) -> Result<Self, AdminError> {
        let bind = || {
            let socket = TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok((socket, address))
        };
        let (socket, address) = bind().map_err(|cause| AdminError { address, cause })?;
        Ok(Self { socket, address, accounts, metrics })
    }

    /// The address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        let metrics = get(move || shown(Arc::clone(&self.metrics)));
        let routes = Router::new()
            .route("/livez", get("ok\n"))
            .route("/readyz", get(readyz))
            .with_state(self.accounts)
            .route("/metrics", metrics);
        let served = async { axum::serve(tokio::net::TcpListener::from_std(self.socket)?, routes).await };
        if let Err(error) = served.await {
            tracing::error!(%error, "the admin listener has ended");
        }
    }
}

async fn shown(metrics: Arc<Metrics>) -> Result<impl IntoResponse, StatusCode> {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = metrics.encode().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text))
}

/// Whether to send requests here, and if not, why.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    accounts: Vec<AccountReadiness>,
}

#[derive(Serialize)]
struct AccountReadiness {
    name: String,
    ready: bool,
    reason: String,
}

#[derive(Deserialize)]
struct Selection {
    account: Option<String>,
}

/// Ready when each account's first fetch has ended and at least one has a usable token: one frozen account does not take
/// the others out. With `?account=`, that account alone.
async fn readyz(
    State(accounts): State<Arc<Roster>>,
    Query(selection): Query<Selection>,
) -> (StatusCode, Json<Readiness>) {
    let (now, accounts) = (Instant::now(), accounts.load());
    let selected = accounts.iter().filter(|(name, _)| selection.account.as_ref().is_none_or(|wanted| wanted == name));
    let snapshots: Vec<_> = selected.map(|(name, handle)| (name, handle.slot().load())).collect();
    let ready = snapshots.iter().all(|(_, snapshot)| snapshot.started)
        && snapshots.iter().any(|(_, snapshot)| snapshot.usable(now).is_some());
    let accounts = snapshots.iter().map(|(name, snapshot)| AccountReadiness::of(name, snapshot, now)).collect();
    let status = match (snapshots.is_empty(), ready) {
        (true, _) => StatusCode::NOT_FOUND,
        (false, true) => StatusCode::OK,
        (false, false) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(Readiness { ready, accounts }))
}

impl AccountReadiness {
    fn of(name: &str, snapshot: &Snapshot, now: Instant) -> Self {
        let usable = snapshot.usable(now);
        let reason = match (usable, &snapshot.failure) {
            (Some(token), None) => format!("token for another {} s", token.remaining(now).as_secs()),
            (Some(token), Some(failure)) => {
                format!("token for another {} s, but no new one: {failure}", token.remaining(now).as_secs())
            }
            (None, Some(failure)) => format!("no token: {failure}"),
            (None, None) => "no token yet: WeChat is being asked".to_owned(),
        };
        Self { name: name.to_owned(), ready: usable.is_some(), reason }
    }
}
