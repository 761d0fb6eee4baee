//! A refresher at work, and requests that use its token as the gateway does.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use wxgate::config::TokenKind;
use wxgate::sandbox::Rules;
use wxgate::secret::ExposeSecret;
use wxgate::token::{
    Fetch, MemoryStore, Refresher, Remedy, Settings, Snapshot, Store, Token, TokenHandle, Unavailable,
};

use crate::wechat::Wechat;

/// How long a request waits for a token; `token.wait_timeout` has this default.
pub const WAIT: Duration = Duration::from_secs(8);
/// Before a living token is tried again; `heal.pause` has this default.
const PAUSE: Duration = Duration::from_millis(500);

pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lets simulated time pass. The clock is paused: it jumps whenever nothing is left to do.
pub async fn pass(time: Duration) {
    sleep(time).await;
}

/// What became of one request.
#[derive(Debug)]
pub enum Outcome {
    /// WeChat took it.
    Accepted,
    /// WeChat took it the second time.
    Healed,
    /// WeChat refused it, and this was the remedy.
    Refused(Remedy),
    /// It was never sent.
    NoToken(Unavailable),
}

/// A request that has had its way.
pub struct Sent {
    /// The tokens that it was sent with, two at most.
    pub tokens: Vec<Arc<Token>>,
    pub outcome: Outcome,
}

/// A running refresher and the WeChat before it.
pub struct World {
    pub wechat: Wechat,
    pub token: TokenHandle,
    pub task: JoinHandle<()>,
}

impl World {
    /// With WeChat's own rules and a store in memory.
    pub fn start(kind: TokenKind) -> Self {
        Self::with(kind, None, Wechat::new(Rules::default()), Box::new(MemoryStore))
    }

    pub fn with(kind: TokenKind, margin: Option<Duration>, wechat: Wechat, store: Box<dyn Store>) -> Self {
        let settings = Settings { account: "main".to_owned(), kind, margin };
        let (refresher, token) = Refresher::new(settings, wechat.clone(), store);
        Self { wechat, token, task: tokio::spawn(refresher.run()) }
    }

    /// A request to a path that takes any good token.
    pub async fn request(&self) -> Outcome {
        request(&self.wechat, &self.token, false).await.outcome
    }

    /// A request to a path that wants another kind of token: it refuses every one.
    pub async fn request_to_hopeless_path(&self) -> Outcome {
        request(&self.wechat, &self.token, true).await.outcome
    }

    /// So many requests at once.
    pub async fn requests(&self, count: usize) -> Vec<Outcome> {
        let task = || {
            let (wechat, token) = (self.wechat.clone(), self.token.clone());
            tokio::spawn(async move { request(&wechat, &token, false).await.outcome })
        };
        let tasks: Vec<_> = (0..count).map(|_| task()).collect();
        let mut outcomes = Vec::with_capacity(count);
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    }

    /// The token in the slot, which a request has used with success.
    pub async fn accepted_token(&self) -> Arc<Token> {
        assert!(matches!(self.request().await, Outcome::Accepted));
        self.snapshot().token.clone().unwrap()
    }

    /// Every token dies, and normal mode brings a new one.
    pub fn kill(&self) {
        self.wechat.with_ledger(|ledger, now| ledger.kill_tokens(now));
    }

    /// Every token dies, and only force helps.
    pub fn kill_unnoticed(&self) {
        self.wechat.with_ledger(|ledger, now| ledger.kill_tokens_unnoticed(now));
    }

    /// Which endpoints `work` made the refresher ask.
    pub async fn fetches_during<F: Future>(&self, work: F) -> (F::Output, Vec<Fetch>) {
        let before = self.wechat.fetches().len();
        let output = work.await;
        (output, self.wechat.fetches().split_off(before))
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.token.slot().load()
    }

    /// The generation of the token in use.
    pub fn generation(&self) -> u64 {
        self.snapshot().usable(Instant::now()).unwrap().generation()
    }

    /// Reports that the token in use was refused.
    pub async fn reject(&self) -> Remedy {
        self.token.rejected(self.generation(), WAIT).await
    }
}

/// One request's way, as `gateway::Gateway` goes it: sent, and after a refusal once more at most.
pub async fn request(wechat: &Wechat, handle: &TokenHandle, hopeless: bool) -> Sent {
    let first = match handle.usable(WAIT).await {
        Ok(token) => token,
        Err(unavailable) => return Sent { tokens: Vec::new(), outcome: Outcome::NoToken(unavailable) },
    };
    let takes = |token: &Token| {
        let takes = !hopeless && wechat.takes(token.value());
        if takes {
            token.accept();
        }
        takes
    };
    if takes(&first) {
        return Sent { tokens: vec![first], outcome: Outcome::Accepted };
    }
    let remedy = handle.rejected(first.generation(), WAIT).await;
    let second = match &remedy {
        Remedy::Newer(token) => token.clone(),
        Remedy::Alive(token) => {
            sleep(PAUSE).await;
            token.clone()
        }
        Remedy::Failed(_) | Remedy::Withheld(_) | Remedy::TimedOut => {
            return Sent { tokens: vec![first], outcome: Outcome::Refused(remedy) };
        }
    };
    let outcome = if takes(&second) { Outcome::Healed } else { Outcome::Refused(remedy) };
    Sent { tokens: vec![first, second], outcome }
}

/// The token's text.
pub fn text(token: &Arc<Token>) -> &str {
    token.value().expose_secret()
}
