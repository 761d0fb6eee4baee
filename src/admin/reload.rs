//! `POST /reload`: the configuration is read again now, and what came of it is said.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::view::View;
use crate::reload::{Cause, Refused, Reloaded};

#[derive(Serialize)]
pub(super) struct Outcome {
    outcome: &'static str,
    /// What is wrong with it, each with its key.
    problems: Vec<String>,
    /// What works but is doubtful.
    warnings: Vec<String>,
    /// The keys whose new values take effect with the next start.
    needs_restart: Vec<String>,
}

pub(super) async fn reload(State(view): State<Arc<View>>) -> (StatusCode, Json<Outcome>) {
    match view.reloader.reload(Cause::Operator).await {
        Ok(Reloaded { warnings, needs_restart }) => {
            (StatusCode::OK, Json(Outcome { outcome: "in_force", problems: Vec::new(), warnings, needs_restart }))
        }
        Err(Refused(problems)) => {
            let outcome = Outcome { outcome: "refused", problems, warnings: Vec::new(), needs_restart: Vec::new() };
            (StatusCode::UNPROCESSABLE_ENTITY, Json(outcome))
        }
    }
}
