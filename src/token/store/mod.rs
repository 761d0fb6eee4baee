//! Where an account's token lives beyond this process, and who of those that share it may fetch (architecture.md §4).
//!
//! A store answers three questions: what is there ([`Store::read`]), who may fetch ([`Store::claim`], kept alive by
//! [`Store::renew`]), and which token is in force ([`Store::publish`], [`Store::release`]). Each claim has a *fence*, a
//! number greater than that of every claim before it. A token carries the fence of the claim under which it was fetched:
//! the greater one is the newer, and takes the place of the smaller one, never the other way round.

mod file;
mod memory;
mod redis;

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use super::failure::Failure;
use super::issuer::Fetch;
use super::spent::Spent;
use crate::secret::SecretString;

pub use file::FileStore;
pub use memory::MemoryStore;
pub use redis::{RedisServer, RedisStore};

/// How long a claim lasts without [`Store::renew`]. Whoever needs a token while its holder has died waits for this long,
/// so it is well below the 8 s that a request waits.
pub const LEASE: Duration = Duration::from_secs(5);

/// What a store answers.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// One account's store. Every call ends within a bounded time.
///
/// What has a default is for stores that nobody shares.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The stored token; `None` where there is none. One that has ended may still be there.
    fn read(&self) -> Answer<'_, Option<Stored>>;

    /// Puts a token in place of one with a smaller fence, and ends the claim that has this fence.
    fn publish<'a>(&'a self, token: &'a Stored) -> Answer<'a, Published>;

    /// Asks for the right to fetch. `known` is the greatest fence that the asker knows of.
    fn claim(&self, known: u64) -> Answer<'_, Claim> {
        Box::pin(async move { Ok(Claim::Granted(known + 1)) })
    }

    /// Makes the claim last for another [`LEASE`], if it has not been lost.
    fn renew(&self, _fence: u64) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Ends the claim without a token. With a failure, nobody asks WeChat again before its pause has passed.
    fn release<'a>(&'a self, _fence: u64, _failed: Option<(&'a Failure, Duration)>) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Takes one fetch for a rejection out of the budget that all who share the store have together.
    fn spend(&self, _fetch: Fetch) -> Answer<'_, Result<(), Spent>> {
        Box::pin(async { Ok(Ok(())) })
    }

    /// How often to look for a token that somebody else has published; `None` where nobody else can.
    fn look_every(&self) -> Option<Duration> {
        None
    }
}

/// A token as it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The fence of the claim under which it was fetched.
    pub fence: u64,
    /// The token.
    pub token: SecretString,
    /// The call that brought it.
    pub minted_by: Fetch,
    /// How long ago it was fetched.
    pub age: Duration,
    /// What is left of its life.
    pub left: Duration,
}

/// Whether one may fetch.
#[derive(Debug)]
pub enum Claim {
    /// Yes, under this fence, for a [`LEASE`].
    Granted(u64),
    /// No need: there is a token with a greater fence than the one that was known.
    Newer(Stored),
    /// No: another is fetching.
    Held,
    /// No: another has fetched in vain, and for so long nobody asks again.
    Failed(Failure, Duration),
}

/// What became of a token that was to be published.
#[derive(Debug)]
pub enum Published {
    /// It is in the store.
    InForce,
    /// One with a greater fence is there, and stays.
    Superseded(Stored),
}

/// Why the store could not be read or written. Its text names the place, never the content.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("{path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        cause: std::io::Error,
    },
    /// It cannot be reached, or does not do what it is asked for.
    #[error("{place}{cause}")]
    Unreachable {
        /// Where it is.
        place: String,
        /// What is wrong.
        cause: String,
    },
    /// What is there is not one of ours, or is damaged.
    #[error("{place}: not a stored token")]
    Corrupt {
        /// The file or the key.
        place: String,
    },
}
