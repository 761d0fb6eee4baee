//! Which account a request is for, and which credential its endpoint takes (architecture.md §3.2, §8).

use std::collections::HashMap;
use std::sync::Arc;

use hyper::header::HeaderValue;

use super::error::Error;
use super::fields::Fields;
use super::placeholder::{PREFIX, Placeholder, PlaceholderKey};
use super::rewrite::values;
use crate::metrics::HealCounters;
use crate::observe::AccountSeen;
use crate::secret::SecretString;
use crate::token::TokenHandle;
use crate::wechat::{self, Credential, SecretName, TokenEndpoint};

/// An account as requests see it.
#[derive(Debug)]
pub struct Account {
    /// Selects it, and names it in logs.
    pub name: String,
    /// Its appid. The configuration lets only letters, digits, `_` and `-` through, so it stands in a query as it is.
    pub appid: String,
    /// Its AppSecret.
    pub secret: SecretString,
    /// The same as it stands in a query.
    pub secret_in_query: SecretString,
    /// Its token.
    pub token: TokenHandle,
    /// What its placeholders are signed with.
    pub placeholder_key: PlaceholderKey,
    /// How its heals went.
    pub heals: HealCounters,
    /// What is seen of its requests.
    pub seen: Arc<AccountSeen>,
}

/// All accounts, by what can select them.
#[derive(Debug)]
pub struct Accounts {
    by_name: HashMap<String, Arc<Account>>,
    by_appid: HashMap<String, Arc<Account>>,
    default: Option<Arc<Account>>,
}

/// What is to be done with a request.
#[derive(Debug)]
pub struct Route<'a> {
    /// The path that goes upstream: the caller's, less the prefix that names an account.
    pub path: &'a str,
    /// The query as the caller wrote it.
    pub query: Option<&'a str>,
    /// What is to be done.
    pub action: Action,
    /// The placeholder that the request came with; its account's key has signed it.
    pub placeholder: Option<Placeholder>,
}

/// What the gateway adds to a request, or answers itself.
#[derive(Debug)]
pub enum Action {
    /// Put the account's token in, and judge the answer.
    Token(Arc<Account>),
    /// Write the account's appid and secret.
    Secret(Arc<Account>, SecretName),
    /// Both.
    TokenAndSecret(Arc<Account>, SecretName),
    /// Send it as it is: it carries a credential that is not the account's.
    Nothing,
    /// The same, because its appid is none of ours: it may be a secret of somebody else's that it carries.
    Foreign,
    /// Answer it here. The account is the one selected so far; the request's appid may still name another.
    TokenEndpoint(Selected, TokenEndpoint),
}

/// The account that a request selects.
#[derive(Debug, Clone)]
pub struct Selected {
    account: Option<Arc<Account>>,
    /// Whether it was named, rather than being the default.
    named: bool,
}

impl Accounts {
    /// `default` is the name of the account that requests use which select none.
    pub fn new(accounts: Vec<Account>, default: Option<&str>) -> Self {
        let accounts: Vec<_> = accounts.into_iter().map(Arc::new).collect();
        let by_name: HashMap<_, _> =
            accounts.iter().map(|account| (account.name.clone(), Arc::clone(account))).collect();
        let default = default.and_then(|name| by_name.get(name)).cloned();
        let by_appid = accounts.into_iter().map(|account| (account.appid.clone(), account)).collect();
        Self { by_name, by_appid, default }
    }

    /// The account and the action for a request to `path` and `query`. `listener` is the listener's own account.
    ///
    /// # Errors
    /// The path is disguised, or no account or more than one is selected, or the placeholder is not ours.
    pub fn route<'a>(
        &self,
        path: &'a str,
        query: Option<&'a str>,
        fields: &Fields<'_>,
        listener: Option<&str>,
    ) -> Result<Route<'a>, Error> {
        let (prefix, path) = split_prefix(path);
        let credential = wechat::classify(path).map_err(|wechat::Disguised| Error::DisguisedPath)?;
        let mut selected = Selected { account: None, named: false };
        let mut placeholder = None;
        if credential.injects_token() {
            for token in values(query.unwrap_or_default(), "access_token").filter(|token| token.starts_with(PREFIX)) {
                let found = Placeholder::parse(&token).ok_or(Error::InvalidPlaceholder)?;
                selected.name(self.of_placeholder(&found)?)?;
                placeholder = Some(found);
            }
        }
        for name in prefix.into_iter().map(Ok).chain(fields.accounts().map(HeaderValue::to_str)) {
            selected.name(self.named(name.map_err(|_| Error::UnknownAccount)?)?)?;
        }
        if let Some(name) = listener {
            selected.name(self.named(name)?)?;
        }
        if selected.account.is_none() {
            selected.account.clone_from(&self.default);
        }
        let action = self.action(credential, query.unwrap_or_default(), selected)?;
        Ok(Route { path, query, action, placeholder })
    }

    fn action(&self, credential: Credential, query: &str, selected: Selected) -> Result<Action, Error> {
        match credential {
            // A Cloud Run token stands in for the account's (wechat.md §3).
            Credential::AppToken if values(query, "cloudbase_access_token").next().is_some() => Ok(Action::Nothing),
            Credential::AppToken => Ok(Action::Token(selected.required()?)),
            Credential::AppSecret(name) => {
                let account = self.with_appid(selected, values(query, "appid"))?;
                Ok(account.map_or(Action::Foreign, |account| Action::Secret(account, name)))
            }
            Credential::AppTokenAndSecret(name) => {
                let account = self.with_appid(selected, values(query, "appid"))?;
                Ok(account.map_or(Action::Foreign, |account| Action::TokenAndSecret(account, name)))
            }
            Credential::TokenEndpoint(endpoint) => Ok(Action::TokenEndpoint(selected, endpoint)),
            Credential::UserToken
            | Credential::Nothing
            | Credential::ComponentToken
            | Credential::ComponentTokenOwnName
            | Credential::ComponentSecret => Ok(Action::Nothing),
        }
    }

    /// The account that `appids` name, which must all be one; the selected account where there are none; `None` for an
    /// appid that is none of ours.
    pub(super) fn with_appid(
        &self,
        mut selected: Selected,
        appids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Option<Arc<Account>>, Error> {
        let mut appids = appids.into_iter();
        let Some(appid) = appids.next() else { return selected.required().map(Some) };
        if appids.any(|other| other.as_ref() != appid.as_ref()) {
            return Err(Error::Appids);
        }
        let Some(account) = self.by_appid.get(appid.as_ref()) else { return Ok(None) };
        if !selected.named {
            selected.account = None; // the appid goes before the default
        }
        selected.name(Arc::clone(account))?;
        selected.required().map(Some)
    }

    fn named(&self, name: &str) -> Result<Arc<Account>, Error> {
        self.by_name.get(name).cloned().ok_or(Error::UnknownAccount)
    }

    fn of_placeholder(&self, placeholder: &Placeholder) -> Result<Arc<Account>, Error> {
        let account = placeholder.claims().and_then(|claims| self.by_appid.get(claims.appid));
        let account = account.filter(|account| account.placeholder_key.signed(placeholder));
        account.cloned().ok_or(Error::InvalidPlaceholder)
    }
}

impl Action {
    /// The account whose credential is used.
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Token(account) | Self::Secret(account, _) | Self::TokenAndSecret(account, _) => Some(account),
            Self::Nothing | Self::Foreign | Self::TokenEndpoint(..) => None,
        }
    }
}

impl Selected {
    /// One more selector; it must not disagree with those before.
    fn name(&mut self, account: Arc<Account>) -> Result<(), Error> {
        if self.account.as_ref().is_some_and(|other| !Arc::ptr_eq(other, &account)) {
            return Err(Error::Selectors);
        }
        *self = Self { account: Some(account), named: true };
        Ok(())
    }

    fn required(self) -> Result<Arc<Account>, Error> {
        self.account.ok_or(Error::NoAccount)
    }
}

/// `/@name/rest` → the name, and the path that goes on.
fn split_prefix(path: &str) -> (Option<&str>, &str) {
    let Some(rest) = path.strip_prefix("/@") else { return (None, path) };
    match rest.find('/') {
        Some(end) => (Some(&rest[..end]), &rest[end..]),
        None => (Some(rest), "/"),
    }
}
