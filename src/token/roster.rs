//! The accounts whose tokens there are, for those who only look.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::TokenHandle;

/// An account on the roster.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its appid.
    pub appid: String,
    /// Its token.
    pub token: TokenHandle,
}

/// All accounts, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Roster(ArcSwap<Vec<Listed>>);

impl Roster {
    /// The accounts of this moment.
    pub fn load(&self) -> Arc<Vec<Listed>> {
        self.0.load_full()
    }

    /// Puts others in their place.
    pub fn publish(&self, accounts: Vec<Listed>) {
        self.0.store(Arc::new(accounts));
    }
}
