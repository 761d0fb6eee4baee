//! The accounts' refreshers: those that stay, those that begin, those that end.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::error::AppError;
use super::parts;
use super::stores::Stores;
use crate::config::Config;
use crate::egress::IssuerHttp;
use crate::token::{HttpIssuer, Listed, Orders, Refresher, Roster, Settings, Store, TokenHandle};

/// All running refreshers, by appid.
pub(super) struct Tokens {
    stores: Stores,
    kept: HashMap<String, Kept>,
    tasks: JoinSet<()>,
    roster: Arc<Roster>,
}

struct Kept {
    orders: Orders<HttpIssuer>,
    handle: TokenHandle,
}

/// What is to become of the refreshers; nothing has changed yet.
#[derive(Default)]
pub(super) struct Change {
    stay: Vec<(String, Settings, HttpIssuer, Box<dyn Store>)>,
    begin: Vec<(String, Refresher<HttpIssuer>, Kept)>,
    /// The token of each account, in the order of the configuration.
    pub(super) handles: Vec<TokenHandle>,
    accounts: Vec<(String, String)>,
}

impl Tokens {
    /// None yet. All that come are kept there.
    pub(super) fn new(stores: Stores) -> Self {
        Self { stores, kept: HashMap::new(), tasks: JoinSet::new(), roster: Arc::default() }
    }

    /// The accounts whose tokens there are, for those who only look.
    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster)
    }

    /// What `config` asks for. Its tokens are fetched over `http`.
    ///
    /// # Errors
    /// Those of [`Stores::of`].
    pub(super) fn plan(&self, config: &Config, http: &IssuerHttp) -> Result<Change, AppError> {
        let mut change = Change::default();
        for account in &config.accounts {
            let settings = parts::refresher(config, account);
            let issuer = parts::issuer(config, account, http.clone());
            let store = self.stores.of(account)?;
            let handle = match self.kept.get(&account.appid) {
                Some(kept) => {
                    change.stay.push((account.appid.clone(), settings, issuer, store));
                    kept.handle.clone()
                }
                None => {
                    let (mut refresher, handle) = Refresher::new(settings, issuer, store);
                    let orders = refresher.orders();
                    change.begin.push((account.appid.clone(), refresher, Kept { orders, handle: handle.clone() }));
                    handle
                }
            };
            change.handles.push(handle);
            change.accounts.push((account.appid.clone(), account.name.clone()));
        }
        Ok(change)
    }

    /// Puts it into force. Accounts that are not in it end; those that stay keep their tokens.
    pub(super) fn apply(&mut self, change: Change) {
        let Change { stay, begin, handles, accounts } = change;
        self.kept.retain(|kept, _| accounts.iter().any(|(appid, _)| appid == kept));
        for (appid, settings, issuer, store) in stay {
            if let Some(kept) = self.kept.get(&appid) {
                kept.orders.change(settings, issuer, store);
            }
        }
        for (appid, refresher, kept) in begin {
            self.kept.insert(appid, kept);
            self.tasks.spawn(refresher.run());
        }
        let listed = accounts.into_iter().zip(handles).map(|((appid, name), token)| Listed { name, appid, token });
        self.roster.publish(listed.collect());
    }

    /// No more fetches ahead of time.
    pub(super) fn rest(&self) {
        for kept in self.kept.values() {
            kept.orders.rest();
        }
    }

    /// Waits until a refresher ends by a fault.
    pub(super) async fn fault(&mut self) {
        loop {
            match self.tasks.join_next().await {
                Some(Err(error)) if error.is_panic() => return,
                Some(_) => {} // its account is gone
                None => std::future::pending().await,
            }
        }
    }
}
