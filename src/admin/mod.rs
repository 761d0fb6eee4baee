//! Health for orchestrators, on a listener of its own: `/livez` and `/readyz`. Neither ever calls WeChat.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::token::{Snapshot, TokenHandle};

/// The admin address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct AdminError {
    address: SocketAddr,
    cause: io::Error,
}

/// A bound admin listener.
pub struct Admin {
    socket: TcpListener,
    address: SocketAddr,
    accounts: Arc<[(String, TokenHandle)]>,
}

impl Admin {
    /// Listens on `address`, for the accounts of these names.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn bind(address: SocketAddr, accounts: Vec<(String, TokenHandle)>) -> Result<Self, AdminError> {
        let bind = || {
            let socket = TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address, accounts: accounts.into() })
        };
        bind().map_err(|cause| AdminError { address, cause })
    }

    /// The address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        let routes = Router::new().route("/livez", get("ok\n")).route("/readyz", get(readyz)).with_state(self.accounts);
        let served = async { axum::serve(tokio::net::TcpListener::from_std(self.socket)?, routes).await };
        if let Err(error) = served.await {
            tracing::error!(%error, "the admin listener has ended");
        }
    }
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
    State(accounts): State<Arc<[(String, TokenHandle)]>>,
    Query(selection): Query<Selection>,
) -> (StatusCode, Json<Readiness>) {
    let now = Instant::now();
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
