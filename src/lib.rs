//! wxgate: a reverse proxy for WeChat's server API that owns the `access_token`.
//!
//! A request's path: [`server`] accepts the connection, [`gateway`] finds the account, takes the body in, puts the token
//! of [`token`] into the query, sends the request through [`upstream`], looks at the answer with what [`wechat`] knows,
//! and, when WeChat refused the token, waits for a newer one and sends it once more. [`app`] builds all of it from
//! [`config`]. The drawing is in `docs/architecture.md`.

pub mod address;
pub mod admin;
pub mod app;
pub mod browser;
pub mod cli;
pub mod config;
pub mod egress;
pub mod gateway;
pub mod metrics;
pub mod observe;
pub mod reload;
pub mod sandbox;
pub mod secret;
pub mod server;
pub mod stage;
pub mod supervisor;
pub mod telemetry;
pub mod token;
pub mod upstream;
pub mod wechat;
