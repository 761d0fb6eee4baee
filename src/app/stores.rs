//! Where the accounts' tokens are kept.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::AppError;
use crate::config::{self, Account};
use crate::egress::EgressError;
use crate::token::{FileStore, MemoryStore, RedisServer, RedisStore, Store};

/// The place for all accounts; `wxgate call` looks there too.
pub(crate) enum Stores {
    Memory,
    Files(PathBuf),
    Redis(Arc<RedisServer>),
}

impl Stores {
    /// Nothing is opened or connected yet.
    ///
    /// # Errors
    /// There is nothing to hold Redis's certificate against.
    pub(crate) fn new(config: &config::Store) -> Result<Self, AppError> {
        Ok(match config {
            config::Store::Memory => Self::Memory,
            config::Store::File { directory } => Self::Files(directory.clone()),
            config::Store::Redis(redis) => Self::Redis(Arc::new(RedisServer::new(redis).map_err(EgressError::Tls)?)),
        })
    }

    /// That of one account.
    ///
    /// # Errors
    /// None that is known.
    pub(crate) fn of(&self, account: &Account) -> Result<Box<dyn Store>, AppError> {
        Ok(match self {
            Self::Memory => Box::new(MemoryStore),
            Self::Files(directory) => Box::new(FileStore::new(directory, &account.appid)),
            Self::Redis(server) => {
                let store = RedisStore::new(Arc::clone(server), &account.appid, &account.secret);
                Box::new(store.map_err(|_| AppError::Unusable("account.secret"))?)
            }
        })
    }
}
