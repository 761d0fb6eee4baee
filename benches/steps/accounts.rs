//! Accounts whose tokens were fetched, as requests find them.

use std::time::Duration;

use wxgate::config::TokenKind;
use wxgate::gateway::{Account, Accounts, PlaceholderKey};
use wxgate::metrics::Metrics;
use wxgate::observe::Observations;
use wxgate::secret::{SecretString, in_query};
use wxgate::token::{Failure, Fetch, Issued, Issuer, Liveness, MemoryStore, Refresher, Settings, TokenHandle};

/// As long as WeChat's.
pub(crate) const TOKEN: &str = "68_XcKzTq9vTn3kq2aB7dYw1mR5oLhE8sUfGj4pZxVbNcMtQyWiOeRu6A0S-DlFkHgJ_XcKzTq9vTn3kq2aB7dYw1mR5oLhE8sUfGj4pZxVbNcMtQyWiOeRu6A0S-DlFkHgJzPqQoAIAF";

/// So many accounts, called a0, a1 …; the first is the default.
pub(crate) fn accounts(count: usize) -> Accounts {
    let (metrics, observations) = (Metrics::default(), Observations::new(1));
    let accounts = (0..count).map(|number| account(&format!("a{number}"), &metrics, &observations));
    Accounts::new(accounts.collect(), Some("a0"))
}

fn account(name: &str, metrics: &Metrics, observations: &Observations) -> Account {
    let secret = SecretString::from("0123456789abcdef0123456789abcdef");
    let placeholder_key = PlaceholderKey::derive(&secret).expect("a key can be derived");
    Account {
        name: name.to_owned(),
        appid: format!("wx{name}"),
        secret_in_query: in_query(&secret),
        secret,
        token: token(name),
        placeholder_key,
        heals: metrics.heals(name),
        seen: observations.account(name),
    }
}

/// A token that its refresher has fetched.
pub(crate) fn token(account: &str) -> TokenHandle {
    let settings = Settings { account: account.to_owned(), kind: TokenKind::Stable, margin: None };
    let (refresher, handle) = Refresher::new(settings, AtOnce, Box::new(MemoryStore));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let running = tokio::spawn(refresher.run());
        handle.usable(Duration::from_secs(10)).await.expect("a token");
        running.abort();
    });
    handle
}

/// Hands a token out without asking anybody.
struct AtOnce;

impl Issuer for AtOnce {
    async fn fetch(&self, _: Fetch) -> Result<Issued, Failure> {
        Ok(Issued { token: TOKEN.into(), expires_in: Duration::from_secs(7200) })
    }

    async fn ask(&self, _: &SecretString) -> Liveness {
        Liveness::Unknown
    }
}
