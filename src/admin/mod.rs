//! For the operator, on a listener of its own: health, metrics, status, and a refresh on demand. Looking never calls
//! WeChat.

mod guard;
mod health;
mod levels;
mod refresh;
mod requests;
mod status;
mod tokens;
mod traffic;
mod trouble;
mod units;
mod view;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::connect_info::Connected;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::IncomingStream;

use guard::{Peer, Rules};
pub use view::Shown;
use view::View;

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
    view: Arc<View>,
    rules: Arc<Rules>,
}

impl Admin {
    /// Listens on `address`, to show what there is.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn bind(address: SocketAddr, hosts: Vec<String>, shown: Shown) -> Result<Self, AdminError> {
        let bind = || {
            let socket = TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok((socket, address))
        };
        let (socket, address) = bind().map_err(|cause| AdminError { address, cause })?;
        let rules = Arc::new(Rules { loopback: address.ip().to_canonical().is_loopback(), hosts });
        Ok(Self { socket, address, view: Arc::new(View::new(shown)), rules })
    }

    /// The address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        let routes = routes(Arc::clone(&self.view), self.rules).into_make_service_with_connect_info::<Peer>();
        let served = async { axum::serve(tokio::net::TcpListener::from_std(self.socket)?, routes).await };
        let outcome = tokio::select! {
            outcome = served => outcome,
            () = self.view.sample() => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "the admin listener has ended");
        }
    }
}

fn routes(view: Arc<View>, rules: Arc<Rules>) -> Router {
    let changing = Router::new()
        .route("/accounts/{name}/refresh", post(refresh::refresh))
        .route_layer(from_fn_with_state(Arc::clone(&rules), guard::change));
    Router::new()
        .route("/livez", get("ok\n"))
        .route("/readyz", get(health::readyz))
        .route("/startupz", get(health::startupz))
        .route("/metrics", get(metrics))
        .route("/status", get(status::status))
        .merge(changing)
        .with_state(view)
        .layer(from_fn_with_state(rules, guard::look))
}

async fn metrics(State(view): State<Arc<View>>) -> Result<impl IntoResponse, StatusCode> {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = view.openmetrics().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text))
}

impl Connected<IncomingStream<'_, tokio::net::TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, tokio::net::TcpListener>) -> Self {
        Self(Some(stream.remote_addr().ip()))
    }
}
