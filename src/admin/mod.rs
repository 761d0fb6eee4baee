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

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Incoming;
use tower_service::Service;

use crate::secret::SecretString;
use crate::stage::Control;
use guard::{AdminToken, Peer, Rules};
pub use view::Shown;
use view::View;

/// What answers consist of.
pub type AnswerBody = Body;

/// What the operator may look at and do, by the rules of one listener.
pub struct Admin {
    view: Arc<View>,
    rules: Arc<Rules>,
}

/// Who may look and who may change something.
#[derive(Debug)]
pub struct Entrance {
    /// Whether only this machine reaches it, by an address.
    pub loopback: bool,
    /// Further names for it on loopback, in lower case.
    pub hosts: Vec<String>,
    /// What shows that somebody beyond this machine may change something.
    pub token: Option<SecretString>,
}

/// Whoever answers the operator; cheap to clone.
#[derive(Clone)]
pub struct Desk(Router);

/// What routes need.
#[derive(Clone)]
struct Site {
    view: Arc<View>,
    control: Control,
}

impl Admin {
    /// Shows what there is at `entrance`.
    pub fn new(entrance: Entrance, shown: Shown) -> Self {
        let Entrance { loopback, hosts, token } = entrance;
        let rules = Rules { loopback, hosts, token: token.as_ref().map(AdminToken::new) };
        Self { view: Arc::new(View::new(shown)), rules: Arc::new(rules) }
    }

    /// Who answers; `control` begins a stop.
    pub fn desk(&self, control: Control) -> Desk {
        Desk(routes(Site { view: Arc::clone(&self.view), control }, Arc::clone(&self.rules)))
    }

    /// Samples what rises and falls, for ever.
    pub async fn sample(&self) {
        self.view.sample().await;
    }
}

impl Desk {
    /// Answers a request from this address; from `None` on a Unix socket.
    pub async fn answer(&self, mut request: Request<Incoming>, peer: Option<IpAddr>) -> Response {
        request.extensions_mut().insert(Peer(peer));
        match self.0.clone().call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
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
