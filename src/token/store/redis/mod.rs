//! A token in Redis, shared by all replicas (architecture.md §4).
//!
//! An account has these keys, each behind the prefix and the appid: `token`, the fence and the sealed token, which ends
//! with the token's life; `claim`, who may fetch, which ends with the lease; `fence`, the count of claims; `classic` and
//! `forced`, the budgets. Every step that looks and then writes is one script, which Redis runs alone.

mod connect;
mod scripts;
mod seal;
mod server;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{FromRedisValue, Value, from_redis_value};
use serde::{Deserialize, Serialize};

use self::seal::Seal;
pub use self::server::RedisServer;
use super::{Answer, Claim, LEASE, Published, Store, StoreError, Stored};
use crate::secret::SecretString;
use crate::token::failure::Failure;
use crate::token::issuer::Fetch;
use crate::token::spent::Spent;

/// From one look for another replica's token to the next. A superseded classic token lives for some five minutes more
/// (wechat.md §1), and who is refused looks at once.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A failure keeps others from asking for at most this long, however long its own replica waits: an operator who has
/// mended something and starts a replica anew must not wait for a day.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// One account's keys in Redis.
pub struct RedisStore {
    server: Arc<RedisServer>,
    seal: Seal,
    /// What all keys of the account begin with.
    keys: String,
    unreadable_said: AtomicBool,
}

/// A failure as other replicas are told it.
#[derive(Serialize, Deserialize)]
struct Told {
    errcode: Option<i64>,
    what: String,
}

impl RedisStore {
    /// The keys of `appid`. Tokens are sealed with a key made from the account's `secret`.
    ///
    /// # Errors
    /// None with a secret of any length; the library's signature has one.
    pub fn new(
        server: Arc<RedisServer>,
        appid: &str,
        secret: &SecretString,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        // In braces, so that a cluster keeps an account's keys together.
        let keys = format!("{}{{{appid}}}:", server.prefix());
        Ok(Self { server, seal: Seal::derive(secret, appid)?, keys, unreadable_said: AtomicBool::new(false) })
    }

    async fn run(&self, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Result<Vec<Value>, StoreError> {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(keys.len());
        for key in keys {
            command.arg(format!("{}{key}", self.keys));
        }
        for argument in arguments {
            command.arg(*argument);
        }
        match self.server.run(&command).await? {
            Value::Array(answer) => Ok(answer),
            _ => Err(self.strange()),
        }
    }

    async fn look(&self) -> Result<Option<Stored>, StoreError> {
        let answer = self.run(scripts::READ, &["token"], &[]).await?;
        Ok(if answer.is_empty() { None } else { self.stored(&answer)? })
    }

    async fn ask(&self, known: u64) -> Result<Claim, StoreError> {
        let (asked, lease) = (known.to_string(), LEASE.as_millis().to_string());
        let keys = ["token", "claim", "fence"];
        let answer = self.run(scripts::CLAIM, &keys, &[asked.as_bytes(), lease.as_bytes()]).await?;
        let (what, rest) = answer.split_first().ok_or_else(|| self.strange())?;
        match self.value::<String>(what)?.as_str() {
            "granted" => Ok(Claim::Granted(self.item(rest, 0)?)),
            "held" => Ok(Claim::Held),
            "failed" => {
                let told: Told = serde_json::from_str(&self.item::<String>(rest, 0)?).map_err(|_| self.strange())?;
                Ok(Claim::Failed(Failure::told(told.errcode, told.what), milliseconds(self.item(rest, 1)?)))
            }
            "newer" => match self.stored(rest)? {
                Some(stored) => Ok(Claim::Newer(stored)),
                // A token that nobody can read here is no token: it must not keep this replica from fetching.
                None => Box::pin(self.ask(self.item(rest, 0)?)).await,
            },
            _ => Err(self.strange()),
        }
    }

    async fn put(&self, token: &Stored) -> Result<Published, StoreError> {
        let sealed = self.seal.seal(token).map_err(|_| self.strange())?;
        let (fence, left) = (token.fence.to_string(), token.left.as_millis().max(1).to_string());
        let arguments = [fence.as_bytes(), &sealed, left.as_bytes()];
        let answer = self.run(scripts::PUBLISH, &["token", "claim"], &arguments).await?;
        let newer = if answer.is_empty() { None } else { self.stored(&answer)? };
        Ok(newer.map_or(Published::InForce, Published::Superseded))
    }

    /// Fence, sealed token and milliseconds left → a token; `None`, and a word in the log, where it cannot be opened.
    fn stored(&self, answer: &[Value]) -> Result<Option<Stored>, StoreError> {
        let fence = self.item(answer, 0)?;
        let sealed: Vec<u8> = self.item(answer, 1)?;
        let stored = self.seal.open(fence, sealed, milliseconds(self.item(answer, 2)?));
        if stored.is_none() && !self.unreadable_said.swap(true, Ordering::Relaxed) {
            let place = self.place();
            tracing::warn!(
                "the token at {place} cannot be opened and is ignored; give all replicas the same AppSecret for this account"
            );
        }
        Ok(stored)
    }

    fn item<T: FromRedisValue>(&self, answer: &[Value], index: usize) -> Result<T, StoreError> {
        self.value(answer.get(index).ok_or_else(|| self.strange())?)
    }

    fn value<T: FromRedisValue>(&self, value: &Value) -> Result<T, StoreError> {
        from_redis_value(value.clone()).map_err(|_| self.strange())
    }

    fn strange(&self) -> StoreError {
        StoreError::Corrupt { place: self.place() }
    }

    fn place(&self) -> String {
        format!("{}{}token", self.server.place(), self.keys)
    }
}

impl Store for RedisStore {
    fn read(&self) -> Answer<'_, Option<Stored>> {
        Box::pin(self.look())
    }

    fn claim(&self, known: u64) -> Answer<'_, Claim> {
        Box::pin(self.ask(known))
    }

    fn renew(&self, fence: u64) -> Answer<'_, ()> {
        Box::pin(async move {
            let (fence, lease) = (fence.to_string(), LEASE.as_millis().to_string());
            self.run(scripts::RENEW, &["claim"], &[fence.as_bytes(), lease.as_bytes()]).await.map(drop)
        })
    }

    fn publish<'a>(&'a self, token: &'a Stored) -> Answer<'a, Published> {
        Box::pin(self.put(token))
    }

    fn release<'a>(&'a self, fence: u64, failed: Option<(&'a Failure, Duration)>) -> Answer<'a, ()> {
        Box::pin(async move {
            let told = failed.map(|(failure, pause)| {
                let told = Told { errcode: failure.errcode, what: failure.what.clone() };
                (serde_json::to_string(&told).unwrap_or_default(), pause.min(LONGEST_PAUSE).as_millis().to_string())
            });
            let (told, pause) = told.unwrap_or_default();
            let arguments = [fence.to_string().into_bytes(), told.into_bytes(), pause.into_bytes()];
            self.run(scripts::RELEASE, &["claim"], &arguments.each_ref().map(Vec::as_slice)).await.map(drop)
        })
    }

    fn spend(&self, fetch: Fetch) -> Answer<'_, Result<(), Spent>> {
        Box::pin(async move {
            let (script, key) = match fetch {
                Fetch::Stable => return Ok(Ok(())), // WeChat allows 10,000 a minute (wechat.md §1): nothing to share
                Fetch::Classic => (scripts::SPEND_CLASSIC, "classic"),
                Fetch::Forced => (scripts::SPEND_FORCED, "forced"),
            };
            let answer = self.run(script, &[key], &[]).await?;
            match self.item::<String>(&answer, 0)?.as_str() {
                "ok" => Ok(Ok(())),
                "rate" => Ok(Err(Spent::Rate(fetch))),
                "soon" => Ok(Err(Spent::ForcedTooSoon)),
                "today" => Ok(Err(Spent::ForcedToday)),
                _ => Err(self.strange()),
            }
        })
    }

    fn look_every(&self) -> Option<Duration> {
        Some(LOOK_EVERY)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("keys", &self.keys).finish_non_exhaustive()
    }
}

fn milliseconds(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or_default())
}
