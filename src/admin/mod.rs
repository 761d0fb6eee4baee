//! For the operator, on a listener of its own: health, metrics, status; a refresh, a reload and a stop on demand. Looking
//! never calls WeChat.

mod guard;
mod health;
mod levels;
mod page;
mod refresh;
mod reload;
mod requests;
mod status;
mod stop;
mod tokens;
mod traffic;
mod trouble;
mod units;
mod upstreams;
mod view;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use tokio::net::{TcpListener, UnixListener};

use crate::address::{Address, Inherited, Listening, ListeningSocket};
use crate::secret::SecretString;
use crate::stage::{Control, Stage};
use guard::{AdminToken, Peer, Rules};
pub use view::Shown;
use view::View;

/// The admin address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct AdminError {
    address: Address,
    cause: io::Error,
}

/// Where the operator comes in, and who may change something.
#[derive(Debug)]
pub struct Entrance {
    /// Where.
    pub address: Address,
    /// Whether other processes may listen there too.
    pub reuse_port: bool,
    /// Further names for it on loopback, in lower case.
    pub hosts: Vec<String>,
    /// What shows that somebody beyond this machine may change something.
    pub token: Option<SecretString>,
}

/// A bound admin listener.
pub struct Admin {
    socket: ListeningSocket,
    address: Address,
    view: Arc<View>,
    rules: Arc<Rules>,
}

/// What routes need.
#[derive(Clone)]
struct Site {
    view: Arc<View>,
    control: Control,
}

impl Admin {
    /// Listens at `entrance`, to show what there is.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn bind(entrance: Entrance, inherited: &Inherited, shown: Shown) -> Result<Self, AdminError> {
        let Entrance { address, reuse_port, hosts, token } = entrance;
        let bound = inherited.listen(&address, reuse_port).and_then(|socket| Ok((socket.address(&address)?, socket)));
        let (address, socket) = bound.map_err(|cause| AdminError { address, cause })?;
        let loopback = matches!(&address, Address::Tcp(address) if address.ip().to_canonical().is_loopback());
        let rules = Arc::new(Rules { loopback, hosts, token: token.as_ref().map(AdminToken::new) });
        Ok(Self { socket, address, view: Arc::new(View::new(shown)), rules })
    }

    /// The address with its real port.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Serves until it is dropped; `control` begins a stop. Where another process may have the socket too, that one answers
    /// alone from then on.
    pub async fn serve(self, control: Control) {
        let site = Site { view: Arc::clone(&self.view), control: control.clone() };
        let routes = routes(site, self.rules).into_make_service_with_connect_info::<Peer>();
        let ListeningSocket { socket, file: _file, is_shared } = self.socket; // the file goes when nobody listens any more
        let served = async {
            match socket {
                Listening::Tcp(socket) => axum::serve(TcpListener::from_std(socket)?, routes).await,
                Listening::Unix(socket) => axum::serve(UnixListener::from_std(socket)?, routes).await,
            }
        };
        let outcome = tokio::select! {
            outcome = served => outcome,
            () = self.view.sample() => Ok(()),
            () = control.reached(Stage::Leaving), if is_shared => return std::future::pending().await,
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "the admin listener has ended");
        }
    }
}

fn routes(site: Site, rules: Arc<Rules>) -> Router {
    let changing = Router::new()
        .route("/accounts/{name}/refresh", post(refresh::refresh))
        .route("/reload", post(reload::reload))
        .route("/stop", post(stop::stop))
        .route_layer(from_fn_with_state(Arc::clone(&rules), guard::change));
    Router::new()
        .route("/", get(page::page))
        .route("/livez", get("ok\n"))
        .route("/readyz", get(health::readyz))
        .route("/startupz", get(health::startupz))
        .route("/metrics", get(metrics))
        .route("/status", get(status::status))
        .merge(changing)
        .with_state(site)
        .layer(from_fn_with_state(rules, guard::look))
}

async fn metrics(State(view): State<Arc<View>>) -> Result<impl IntoResponse, StatusCode> {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = view.openmetrics().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text))
}

impl FromRef<Site> for Arc<View> {
    fn from_ref(site: &Site) -> Self {
        Self::clone(&site.view)
    }
}

impl FromRef<Site> for Control {
    fn from_ref(site: &Site) -> Self {
        site.control.clone()
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(Some(stream.remote_addr().ip()))
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(_: IncomingStream<'_, UnixListener>) -> Self {
        Self(None)
    }
}
