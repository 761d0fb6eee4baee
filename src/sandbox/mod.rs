//! A WeChat in a box: both token endpoints, a spread of business endpoints, faults on demand.
//!
//! Used by the project's own tests, by `wxgate sandbox`, and fit for a user's CI. It behaves as
//! wechat.md says WeChat does, and keeps to itself: loopback only, no printing, no other room.
//!
//! ```no_run
//! # async fn test() -> std::io::Result<()> {
//! use wxgate::sandbox::{Fault, Sandbox, Settings};
//!
//! let wechat = Sandbox::start(Settings::default()).await?;
//! // … point a gateway at `wechat.base_url()`, then make WeChat misbehave:
//! wechat.world().kill_tokens();
//! wechat.world().faults().add(Fault::at("/cgi-bin/user/info").errcode(40001).times(1));
//! wechat.world().journal().wait_for("/cgi-bin/user/info", 2).await;
//! # Ok(())
//! # }
//! ```
//!
//! From outside the process the same is done over HTTP: see [`control`].

pub mod control;

mod answer;
mod answer_body;
mod call;
mod credentials;
mod endpoints;
mod errmsg;
mod faults;
mod gate;
mod journal;
mod ledger;
mod listen;
mod media;
mod multipart;
mod picture;
mod query;
mod service;
mod settings;
mod token_endpoints;
mod wire;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinHandle;

pub use faults::{Coding, Fault, Faults, HangUp, Pace};
pub use gate::Gate;
pub use journal::{Journal, Seen};
pub use ledger::{Fetches, Grant, Judgement, Kind, Ledger, Refusal, Rules};
pub use settings::{Account, DEFAULT_APPID, DEFAULT_SECRET, Settings, StableEndpoint};
pub use token_endpoints::{CLASSIC, STABLE};
pub use world::World;

/// A running sandbox. Dropping it closes its listener and all its connections.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    scheme: &'static str,
    world: Arc<World>,
    accepting: JoinHandle<()>,
}

impl Sandbox {
    /// Starts on 127.0.0.1, as tasks of the present tokio runtime.
    ///
    /// # Errors
    /// The port cannot be had.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = listen::bind(settings.port)?;
        let address = listener.local_addr()?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let manner = listen::Manner::new(settings.tls.as_deref(), settings.idle);
        let world = Arc::new(World::new(settings));
        let accepting = tokio::spawn(listen::accept(listener, manner, world.clone()));
        Ok(Self { address, scheme, world, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a gateway's `upstream.base_url` is to be: scheme and address.
    pub fn base_url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Its state: to drive it, and to see what it saw.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[cfg(test)]
mod tests;
