//! The accounts whose tokens there are, for those who only look.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::TokenHandle;

/// Each account's name and its token, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Roster(ArcSwap<Vec<(String, TokenHandle)>>);

impl Roster {
    /// The accounts of this moment.
    pub fn load(&self) -> Arc<Vec<(String, TokenHandle)>> {
        self.0.load_full()
    }

    /// Puts others in their place.
    pub fn publish(&self, accounts: Vec<(String, TokenHandle)>) {
        self.0.store(Arc::new(accounts));
    }
}
