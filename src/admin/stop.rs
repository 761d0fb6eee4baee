//! `POST /stop`: as SIGTERM, for those who share no process namespace, such as the container of a Kubernetes job beside its
//! sidecar.

use axum::extract::State;
use axum::http::StatusCode;

use crate::stage::{Control, Stage};

pub(super) async fn stop(State(control): State<Control>) -> (StatusCode, &'static str) {
    control.advance(Stage::Leaving);
    (StatusCode::ACCEPTED, "stopping\n")
}
