//! `POST /accounts/{name}/refresh`: a token now, through the account's refresher, and in words what became of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::view::View;
use crate::token::Met;

/// Longer than one call to a token endpoint takes, and the classic one in the place of the stable one.
const PATIENCE: Duration = Duration::from_secs(25);

#[derive(Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    force: bool,
}

#[derive(Serialize)]
pub(super) struct Outcome {
    outcome: &'static str,
    message: String,
}

pub(super) async fn refresh(
    State(view): State<Arc<View>>,
    Path(name): Path<String>,
    Query(wish): Query<Wish>,
) -> (StatusCode, Json<Outcome>) {
    let Some(account) = view.account(&name) else {
        let message = "no account has this name; /status lists them".to_owned();
        return (StatusCode::NOT_FOUND, Json(Outcome { outcome: "no_account", message }));
    };
    tracing::info!(account = account.name, force = wish.force, "the operator asks for a token");
    let (status, outcome, message) = words(account.token.refresh(wish.force, PATIENCE).await);
    (status, Json(Outcome { outcome, message }))
}

fn words(met: Met) -> (StatusCode, &'static str, String) {
    let now = Instant::now();
    match met {
        Met::New(token) => {
            let (generation, left) = (token.generation(), token.remaining(now).as_secs());
            (StatusCode::OK, "new", format!("a new token, generation {generation}, good for {left} s"))
        }
        Met::Same(token) => {
            let left = token.remaining(now).as_secs();
            let message = format!(
                "WeChat handed out the same token, good for another {left} s; ?force=true ends it and brings another, at \
                 most once in 30 s and 20 times a day"
            );
            (StatusCode::OK, "same", message)
        }
        Met::Failed(failure) => (StatusCode::BAD_GATEWAY, "failed", format!("no token: {failure}")),
        Met::Withheld(spent) => {
            (StatusCode::TOO_MANY_REQUESTS, "withheld", format!("WeChat was not asked: {spent}; try again later"))
        }
        Met::NothingToForce => {
            let message =
                "the account uses the classic endpoint, where each fetch brings a new token; leave ?force out";
            (StatusCode::BAD_REQUEST, "nothing_to_force", message.to_owned())
        }
        Met::TimedOut => {
            let message = "no answer yet; the fetch goes on, and /status will say what it brought".to_owned();
            (StatusCode::GATEWAY_TIMEOUT, "timed_out", message)
        }
    }
}
