//! Who may use an AppSecret: the accounts, their standing, and the IP whitelist.

use std::collections::HashMap;
use std::net::IpAddr;

use super::errmsg::errmsg;
use super::settings::Account;
use crate::secret::{ExposeSecret, SecretString};

/// The accounts that exist and the addresses that may speak for them.
#[derive(Debug)]
pub(super) struct Credentials {
    accounts: HashMap<String, Standing>,
    whitelist: Option<Vec<IpAddr>>,
}

#[derive(Debug)]
struct Standing {
    secret: SecretString,
    frozen: bool,
}

/// Why a pair of appid and secret is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Denied {
    pub(super) errcode: i64,
    pub(super) words: String,
}

impl Credentials {
    pub(super) fn new(accounts: Vec<Account>, whitelist: Option<Vec<IpAddr>>) -> Self {
        let standing = |account: Account| (account.appid, Standing { secret: account.secret, frozen: false });
        Self { accounts: accounts.into_iter().map(standing).collect(), whitelist }
    }

    /// Missing before wrong, the account before the address: the order of the checks is inferred.
    pub(super) fn check(&self, appid: Option<&str>, secret: Option<&str>, from: IpAddr) -> Result<(), Denied> {
        let appid = appid.filter(|appid| !appid.is_empty()).ok_or_else(|| denied(41002))?;
        let secret = secret.filter(|secret| !secret.is_empty()).ok_or_else(|| denied(41004))?;
        let account = self.accounts.get(appid).ok_or_else(|| denied(40013))?;
        if account.frozen {
            return Err(denied(40243));
        }
        if account.secret.expose_secret() != secret {
            return Err(denied(40125));
        }
        if self.whitelist.as_ref().is_some_and(|list| !list.contains(&from)) {
            return Err(not_listed(from));
        }
        Ok(())
    }

    pub(super) fn knows(&self, appid: &str) -> bool {
        self.accounts.contains_key(appid)
    }

    pub(super) fn appids(&self) -> Vec<String> {
        self.accounts.keys().cloned().collect()
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.accounts.values().map(|account| &account.secret)
    }

    pub(super) fn set_whitelist(&mut self, whitelist: Option<Vec<IpAddr>>) {
        self.whitelist = whitelist;
    }

    pub(super) fn set_frozen(&mut self, appid: &str, frozen: bool) {
        if let Some(account) = self.accounts.get_mut(appid) {
            account.frozen = frozen;
        }
    }

    pub(super) fn reset_secret(&mut self, appid: &str, secret: SecretString) {
        if let Some(account) = self.accounts.get_mut(appid) {
            account.secret = secret;
        }
    }
}

fn denied(errcode: i64) -> Denied {
    Denied { errcode, words: errmsg(errcode).to_owned() }
}

/// 40164 as seen: the address in both forms (wechat.md §1).
fn not_listed(from: IpAddr) -> Denied {
    let mapped = match from {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    Denied { errcode: 40164, words: format!("invalid ip {from} ipv6 {mapped}, not in whitelist") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

    fn errcode(credentials: &Credentials, appid: Option<&str>, secret: Option<&str>) -> i64 {
        credentials.check(appid, secret, HOME).err().map_or(0, |denied| denied.errcode)
    }

    #[test]
    fn each_fault_of_a_pair_has_its_errcode() {
        let mut credentials = Credentials::new(vec![Account::new("wx1", "right")], None);
        assert_eq!(errcode(&credentials, Some("wx1"), Some("right")), 0);
        assert_eq!(errcode(&credentials, None, Some("right")), 41002);
        assert_eq!(errcode(&credentials, Some("wx1"), Some("")), 41004);
        assert_eq!(errcode(&credentials, Some("wx9"), Some("right")), 40013);
        assert_eq!(errcode(&credentials, Some("wx1"), Some("wrong")), 40125);
        credentials.reset_secret("wx1", SecretString::from("newer"));
        assert_eq!(errcode(&credentials, Some("wx1"), Some("right")), 40125);
        credentials.set_frozen("wx1", true);
        assert_eq!(errcode(&credentials, Some("wx1"), Some("newer")), 40243);
    }

    #[test]
    fn an_address_that_is_not_listed_is_named() {
        let mut credentials = Credentials::new(vec![Account::new("wx1", "right")], Some(vec![]));
        let denied = credentials.check(Some("wx1"), Some("right"), HOME).unwrap_err();
        assert_eq!(denied.errcode, 40164);
        assert_eq!(denied.words, "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist");
        credentials.set_whitelist(Some(vec![HOME]));
        assert_eq!(errcode(&credentials, Some("wx1"), Some("right")), 0);
    }
}
