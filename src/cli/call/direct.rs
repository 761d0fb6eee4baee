//! The way without a gateway: the account's credentials out of the configuration, put in here.

use std::time::Duration;

use hyper::HeaderMap;
use reqwest::Url;

use super::target::Target;
use super::{Trouble, Way};
use crate::app::{self, Stores};
use crate::config::{Account, Config};
use crate::egress::{Egress, IssuerHttp, origin};
use crate::gateway::rewrite;
use crate::metrics::Metrics;
use crate::secret::{ExposeSecret, SecretString, in_query};
use crate::token::{Fetch, Issuer};
use crate::wechat::{self, Credential};

/// A stored token with less than this left is not used: it may end on the way.
const LEAST_LIFE: Duration = Duration::from_secs(10);

/// The way as this account, or the one that the query's appid names, or the default one.
pub(super) async fn way(config: &Config, target: &Target, account: Option<&str>) -> Result<Way, Trouble> {
    let (path, query) = (target.path.as_str(), target.query.as_deref());
    if path.starts_with("/@") {
        return Err(Trouble::Usage("/@NAME is a gateway's; with --direct, use --account NAME".to_owned()));
    }
    let credential = wechat::classify(path).map_err(|wechat::Disguised| {
        Trouble::Usage("the path can be read in two ways; write it as WeChat's documentation does".to_owned())
    })?;
    let egress = Egress::prepare(&config.upstream, app::configured_addresses(config), &Metrics::default()).await;
    let http = egress.and_then(|egress| egress.issuer_http()).map_err(|error| Trouble::Failed(error.to_string()))?;
    let account = || select(config, account, query.unwrap_or_default());
    // One call, by somebody who looks at it: the first upstream, whose answer is what is wanted.
    let origin = config.upstream.base_urls.first().map(origin).unwrap_or_default();
    let mut secrets = Vec::new();
    let mut added = Vec::new();
    let mut description = format!("at {origin}");
    if let Credential::AppToken | Credential::AppTokenAndSecret(_) = credential
        && rewrite::values(query.unwrap_or_default(), "cloudbase_access_token").next().is_none()
    {
        let account = account()?;
        let (token, source) = token(config, account, http.clone()).await?;
        added.push(("access_token", in_query(&token)));
        secrets.push(token);
        description += &format!(", as account {}, with the token {source}", account.name);
    }
    if let Credential::AppSecret(name) | Credential::AppTokenAndSecret(name) = credential {
        let account = account()?;
        added.push(("appid", account.appid.as_str().into()));
        added.push((name.as_str(), in_query(&account.secret)));
        secrets.push(account.secret.clone());
        description += &format!(", with the secret of account {}", account.name);
    }
    let url = Url::parse(&origin).map_err(|error| Trouble::Failed(error.to_string()))?;
    let url = credentials_in(url, path, query, &added);
    secrets.extend(added.into_iter().filter(|&(name, _)| name != "appid").map(|(_, value)| value));
    Ok(Way { http: http.client, url, headers: HeaderMap::new(), secrets, description })
}

/// The URL with these credentials in it, and without those of their names that the query had.
fn credentials_in(mut url: Url, path: &str, query: Option<&str>, added: &[(&str, SecretString)]) -> Url {
    let pairs: Vec<_> = added.iter().map(|(name, value)| (*name, value.expose_secret())).collect();
    // With a secret, every form of one goes (architecture.md §8).
    let removed: &[&str] = match added {
        [] => &[],
        [("access_token", _)] => &["access_token"],
        _ => &["access_token", "appid", "secret", "appsecret"],
    };
    let target = SecretString::from(rewrite::target("", query, removed, &pairs));
    url.set_path(path);
    url.set_query(target.expose_secret().strip_prefix('?'));
    url
}

fn select<'c>(config: &'c Config, name: Option<&str>, query: &str) -> Result<&'c Account, Trouble> {
    let mut accounts = config.accounts.iter();
    let (found, wanted) = match (name, rewrite::values(query, "appid").next()) {
        (Some(name), _) => (accounts.find(|account| account.name == name), format!("--account: none is called {name}")),
        (None, Some(appid)) if config.accounts.iter().any(|account| account.appid == appid) => {
            (accounts.find(|account| account.appid == appid), String::new())
        }
        (None, _) => (
            accounts.find(|account| account.default),
            "no account is the default one; choose one with --account".to_owned(),
        ),
    };
    let names = || config.accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| Trouble::Usage(format!("{wanted}; there are {}", names())))
}

/// The stored token, or the one that the stable endpoint's normal mode gives to everybody. The store is not written: it is
/// its gateway's.
async fn token(config: &Config, account: &Account, http: IssuerHttp) -> Result<(SecretString, &'static str), Trouble> {
    let store = Stores::new(&config.store).and_then(|stores| stores.of(account));
    let store = store.map_err(|error| Trouble::Failed(error.to_string()))?;
    let stored = store.read().await.map_err(|error| Trouble::Failed(error.to_string()))?;
    if let Some(stored) = stored.filter(|stored| stored.left > LEAST_LIFE) {
        return Ok((stored.token, "out of the store"));
    }
    match app::issuer(config, account, http).fetch(Fetch::Stable).await {
        Ok(issued) => Ok((issued.token, "that the stable endpoint gives")),
        Err(failure) => {
            let (name, what, advice) = (&account.name, &failure.what, failure.advice);
            Err(Trouble::Failed(format!("no token for account {name}: {what}\n  what to do: {advice}")))
        }
    }
}
