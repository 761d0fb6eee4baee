//! Owning tokens: nothing of HTTP serving, routes or callers.
//!
//! An account's token lives in a [`Slot`], which requests read without a lock. One
//! [`Refresher`] task an account does all fetching; a request that WeChat refused reports the
//! generation it used through a [`TokenHandle`] and gets a [`Remedy`] back (architecture.md §4).

mod budget;
mod demand;
mod failure;
mod fetch;
mod http_issuer;
mod issuer;
mod obedience;
mod orders;
mod record;
mod refresher;
mod rejection;
mod roster;
mod schedule;
mod settings;
mod sharing;
mod slot;
mod spent;
mod standing;
mod store;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub use failure::Failure;
pub use http_issuer::HttpIssuer;
pub use issuer::{Fetch, Issued, Issuer, Liveness};
pub use orders::Orders;
pub use record::{Brought, FetchCounts, FetchResult, Fetched, Reason, Unhealed};
pub use refresher::Refresher;
pub use roster::{Listed, Roster};
pub use schedule::lifetime;
pub use settings::Settings;
pub use slot::{EARLY_DEATHS, Slot, Snapshot, Token, Unavailable};
pub use spent::Spent;
pub use store::{
    Answer, Claim, FileStore, LEASE, MemoryStore, Published, RedisServer, RedisStore, Store, StoreError, Stored,
};

/// What a request may do with an account's token: read it, wait for it, and say how WeChat took it.
#[derive(Debug, Clone)]
pub struct TokenHandle {
    slot: Arc<Slot>,
    rejections: mpsc::UnboundedSender<Rejection>,
    demands: mpsc::UnboundedSender<Demand>,
}

/// "WeChat refused this generation": one request's report, and where its answer goes.
///
/// The queue of these is unbounded in type, and bounded by the requests in flight.
#[derive(Debug)]
pub(crate) struct Rejection {
    generation: u64,
    reported_at: Instant,
    reply: oneshot::Sender<Remedy>,
}

/// One refresh that is asked for.
#[derive(Debug)]
pub(crate) struct Demand {
    force: bool,
    reply: oneshot::Sender<Met>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Met {
    /// Another token than before.
    New(Arc<Token>),
    /// WeChat handed out the same token again.
    Same(Arc<Token>),
    /// WeChat handed out none.
    Failed(Arc<Failure>),
    /// It is not allowed now.
    Withheld(Spent),
    /// The issuer has no forced refresh: each fetch of a classic token brings a new one.
    NothingToForce,
    /// No answer in time; the fetch goes on.
    TimedOut,
}

/// What can be done for a request whose token WeChat refused.
#[derive(Debug, Clone)]
pub enum Remedy {
    /// There is a newer token: send again with it.
    Newer(Arc<Token>),
    /// WeChat itself does not call the token dead: send again with it after a short pause.
    Alive(Arc<Token>),
    /// The fetch failed, now or within its back-off.
    Failed(Arc<Failure>),
    /// A fetch is not allowed yet.
    Withheld(Spent),
    /// No answer within the request's deadline.
    TimedOut,
}

impl TokenHandle {
    /// The slot behind this handle, for those who only look.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// A usable token; where there is none, the one that the fetch under way brings, for at most `wait`.
    ///
    /// # Errors
    /// [`Unavailable`]: the remembered failure at once, or that `wait` passed.
    pub async fn usable(&self, wait: Duration) -> Result<Arc<Token>, Unavailable> {
        self.slot.usable(wait).await
    }

    /// Reports that WeChat refused the token of `generation`, and waits at most `wait` for a remedy.
    ///
    /// A report about an older generation than the current one costs nothing: the newer token is the answer.
    pub async fn rejected(&self, generation: u64, wait: Duration) -> Remedy {
        if let Some(token) = self.slot.newer_than(generation) {
            return Remedy::Newer(token);
        }
        let (reply, answer) = oneshot::channel();
        if self.rejections.send(Rejection { generation, reported_at: Instant::now(), reply }).is_err() {
            return Remedy::TimedOut; // the refresher has stopped: the process is ending
        }
        match tokio::time::timeout(wait, answer).await {
            Ok(Ok(remedy)) => remedy,
            _ => Remedy::TimedOut,
        }
    }

    /// Fetches a token now. With `force`, the stable endpoint is told to end the token in use. Waits at most `wait`.
    pub async fn refresh(&self, force: bool, wait: Duration) -> Met {
        let (reply, met) = oneshot::channel();
        if self.demands.send(Demand { force, reply }).is_err() {
            return Met::TimedOut; // the refresher has stopped: the process is ending
        }
        match tokio::time::timeout(wait, met).await {
            Ok(Ok(met)) => met,
            _ => Met::TimedOut,
        }
    }
}
