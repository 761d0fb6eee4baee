//! Who calls, and what it may do (architecture.md §6).

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;
use prometheus_client::metrics::counter::Counter;

use super::paths::{Judgement, PathList};
use crate::gateway::error::Error;
use crate::gateway::placeholder::SecretId;
use crate::metrics::{CallerCounters, Metrics};
use crate::observe::RequestId;

/// One way in which a listener lets callers show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A virtual secret at the token endpoints and in calls that carry a secret, and the placeholder that it brought.
    Placeholder,
    /// `Authorization: Bearer` and a virtual secret.
    Bearer,
    /// A DNS name in its TLS certificate.
    Certificate,
    /// Its address.
    Network,
}

/// How many requests a caller may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many …
    pub requests: NonZeroU32,
    /// … in this time, and as many at once.
    pub per: Duration,
}

/// A caller as configured.
#[derive(Debug, Clone)]
pub struct CallerSettings {
    /// Names it in logs and in its placeholders.
    pub name: String,
    /// SHA-256 of each of its virtual secrets.
    pub secrets: Vec<[u8; 32]>,
    /// DNS names of its certificates, in lower case.
    pub certificates: Vec<String>,
    /// Where it calls from.
    pub networks: Vec<IpNet>,
    /// The names of the accounts that it may use; empty for all.
    pub accounts: Vec<String>,
    /// The paths that it may call.
    pub paths: PathList,
    /// What is beyond its accounts and paths is logged, and let through.
    pub report_only: bool,
    /// How fast it may call.
    pub rate: Option<Rate>,
}

/// A caller, with what it has used of its rate.
#[derive(Debug)]
pub struct Caller {
    settings: CallerSettings,
    counters: CallerCounters,
    limiter: Option<Arc<DefaultDirectRateLimiter>>,
}

/// All callers, by what can show who they are.
#[derive(Debug, Default)]
pub struct Callers {
    all: Vec<Arc<Caller>>,
    by_name: HashMap<String, Arc<Caller>>,
    by_certificate: HashMap<String, Arc<Caller>>,
    unknown: Counter,
}

impl Callers {
    /// Names and certificates are unique; the configuration sees to it.
    pub fn new(callers: Vec<CallerSettings>, metrics: &Metrics) -> Self {
        Self::after(&Self::default(), callers, metrics)
    }

    /// As [`new`](Self::new), in the place of `before`: a caller that stays under the same rate does not begin it anew.
    pub fn after(before: &Self, callers: Vec<CallerSettings>, metrics: &Metrics) -> Self {
        let after = |settings: CallerSettings| {
            let same = before.by_name.get(&settings.name).filter(|before| before.settings.rate == settings.rate);
            Arc::new(Caller::new(settings, same.and_then(|same| same.limiter.clone()), metrics))
        };
        let all: Vec<_> = callers.into_iter().map(after).collect();
        let by_name = all.iter().map(|caller| (caller.settings.name.clone(), Arc::clone(caller))).collect();
        let by_certificate = all
            .iter()
            .flat_map(|caller| caller.settings.certificates.iter().map(|name| (name.clone(), Arc::clone(caller))));
        Self { by_certificate: by_certificate.collect(), by_name, all, unknown: metrics.unknown_callers() }
    }

    /// Their names, in the order of the configuration.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|caller| caller.name())
    }

    /// Counts a request that showed none of them.
    pub(in crate::gateway) fn count_unknown(&self) {
        self.unknown.inc();
    }

    /// The caller whose virtual secret this is.
    pub(in crate::gateway) fn with_secret(&self, secret: &str) -> Option<(&Arc<Caller>, SecretId)> {
        let hash = digest(&SHA256, secret.as_bytes());
        let owns = |caller: &&Arc<Caller>| {
            // Every one is compared, so that the time taken tells nothing.
            let found =
                caller.settings.secrets.iter().map(|known| verify_slices_are_equal(known, hash.as_ref()).is_ok());
            found.fold(false, |any, one| any | one)
        };
        let caller = self.all.iter().find(owns)?;
        Some((caller, id_of(hash.as_ref())))
    }

    /// The caller of this name, if it still has this secret.
    pub(in crate::gateway) fn with_secret_id(&self, name: &str, id: SecretId) -> Option<&Arc<Caller>> {
        let caller = self.by_name.get(name)?;
        caller.settings.secrets.iter().any(|secret| id_of(secret) == id).then_some(caller)
    }

    /// The caller whose certificate has one of these names.
    pub(in crate::gateway) fn with_certificate(&self, names: &[String]) -> Option<&Arc<Caller>> {
        names.iter().find_map(|name| self.by_certificate.get(name))
    }

    /// The caller with the narrowest network around this address.
    pub(in crate::gateway) fn at(&self, address: IpAddr) -> Option<&Arc<Caller>> {
        let networks = self.all.iter().flat_map(|caller| caller.settings.networks.iter().map(move |net| (net, caller)));
        let around = networks.filter(|(network, _)| network.contains(&address));
        around.max_by_key(|(network, _)| network.prefix_len()).map(|(_, caller)| caller)
    }
}

impl Caller {
    fn new(settings: CallerSettings, under_way: Option<Arc<DefaultDirectRateLimiter>>, metrics: &Metrics) -> Self {
        let quota = settings.rate.and_then(|rate| {
            let one = rate.per.checked_div(rate.requests.get())?;
            Some(Quota::with_period(one)?.allow_burst(rate.requests))
        });
        let limiter = under_way.or_else(|| quota.map(RateLimiter::direct).map(Arc::new));
        Self { limiter, counters: metrics.caller(&settings.name), settings }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Whether it may call `path` for the account of this name, with `request`.
    ///
    /// # Errors
    /// Why not.
    pub(in crate::gateway) fn may(&self, path: &str, account: Option<&str>, request: &RequestId) -> Result<(), Error> {
        self.decide(self.settings.paths.judge(path), path, account, request)
    }

    /// Whether it may have a placeholder for the account of this name, which it asks for at `path`. Its paths are judged
    /// when it calls them: a list that had to name the token endpoints would keep SDKs out.
    ///
    /// # Errors
    /// Why not.
    pub(in crate::gateway) fn may_hold(&self, path: &str, account: &str, request: &RequestId) -> Result<(), Error> {
        self.decide(Judgement::Allowed, path, Some(account), request)
    }

    fn decide(
        &self,
        judgement: Judgement,
        path: &str,
        account: Option<&str>,
        request_id: &RequestId,
    ) -> Result<(), Error> {
        if self.limiter.as_ref().is_some_and(|limiter| limiter.check().is_err()) {
            self.counters.limited.inc();
            return Err(Error::RateLimited);
        }
        let refusal = match judgement {
            Judgement::Disguised => {
                self.counters.refused.inc();
                return Err(Error::DisguisedPath);
            }
            Judgement::Denied => "path",
            Judgement::Allowed if !self.has_account(account) => "account",
            Judgement::Allowed => {
                self.counters.admitted.inc();
                return Ok(());
            }
        };
        let caller = self.name();
        if self.settings.report_only {
            self.counters.reported.inc();
            tracing::warn!(
                %request_id,
                caller,
                path,
                account,
                "report only: this caller would be refused for its {refusal}"
            );
            return Ok(());
        }
        self.counters.refused.inc();
        tracing::warn!(%request_id, caller, path, account, "a caller is refused for its {refusal}; see [[caller]]");
        Err(Error::CallerForbidden)
    }

    /// Whether it may use the account of this name; a request that uses none needs no leave.
    fn has_account(&self, account: Option<&str>) -> bool {
        let own = &self.settings.accounts;
        account.is_none_or(|name| own.is_empty() || own.iter().any(|own| own == name))
    }
}

fn id_of(hash: &[u8]) -> SecretId {
    std::array::from_fn(|index| hash.get(index).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str) -> CallerSettings {
        CallerSettings {
            name: name.to_owned(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            networks: Vec::new(),
            accounts: Vec::new(),
            paths: PathList::default(),
            report_only: false,
            rate: None,
        }
    }

    fn callers(settings: Vec<CallerSettings>) -> Callers {
        Callers::new(settings, &Metrics::default())
    }

    fn caller(settings: CallerSettings) -> Caller {
        Caller::new(settings, None, &Metrics::default())
    }

    fn hash(secret: &str) -> [u8; 32] {
        digest(&SHA256, secret.as_bytes()).as_ref().try_into().unwrap()
    }

    const REQUEST: &RequestId = &RequestId::Made(7);

    fn name(found: Option<&Arc<Caller>>) -> Option<&str> {
        found.map(|caller| caller.name())
    }

    #[test]
    fn a_virtual_secret_is_its_callers_alone_and_ends_when_it_is_removed() {
        let with =
            |secrets: &[&str]| CallerSettings { secrets: secrets.iter().map(|s| hash(s)).collect(), ..settings("crm") };
        let all = callers(vec![settings("none"), with(&["old", "new"])]);
        let (owner, id) = all.with_secret("old").unwrap();
        assert_eq!(owner.name(), "crm");
        assert!(all.with_secret("other").is_none() && all.with_secret("").is_none());
        assert_eq!(name(all.with_secret_id("crm", id)), Some("crm"));
        assert_eq!(name(all.with_secret_id("none", id)), None);
        assert_eq!(name(callers(vec![with(&["new"])]).with_secret_id("crm", id)), None);
    }

    #[test]
    fn the_narrowest_network_wins() {
        let at =
            |name: &str, network: &str| CallerSettings { networks: vec![network.parse().unwrap()], ..settings(name) };
        let all = callers(vec![at("all", "10.0.0.0/8"), at("shop", "10.1.0.0/16"), at("six", "fd00::/8")]);
        for (address, expected) in
            [("10.1.2.3", Some("shop")), ("10.2.2.3", Some("all")), ("fd12::1", Some("six")), ("192.0.2.1", None)]
        {
            assert_eq!(name(all.at(address.parse().unwrap())), expected, "{address}");
        }
    }

    #[test]
    fn a_certificate_is_known_by_any_of_its_names() {
        let all = callers(vec![CallerSettings { certificates: vec!["crm.internal".to_owned()], ..settings("crm") }]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(name(all.with_certificate(&names(&["x", "crm.internal"]))), Some("crm"));
        assert_eq!(name(all.with_certificate(&names(&["crm.internal.evil"]))), None);
    }

    #[test]
    fn what_a_caller_may_do_is_its_accounts_its_paths_and_its_rate() {
        let limits = CallerSettings {
            accounts: vec!["main".to_owned()],
            paths: PathList::new(&[], &["/cgi-bin/menu/*".to_owned()]),
            ..settings("crm")
        };
        let limited = caller(limits.clone());
        assert!(limited.may("/cgi-bin/user/get", Some("main"), REQUEST).is_ok());
        assert!(limited.may("/sns/userinfo", None, REQUEST).is_ok(), "no account is used");
        assert!(matches!(limited.may("/cgi-bin/user/get", Some("shop"), REQUEST), Err(Error::CallerForbidden)));
        assert!(matches!(limited.may("/cgi-bin/menu/delete", Some("main"), REQUEST), Err(Error::CallerForbidden)));
        let reporting = caller(CallerSettings { report_only: true, ..limits.clone() });
        assert!(reporting.may("/cgi-bin/menu/delete", Some("shop"), REQUEST).is_ok());
        let rate = Rate { requests: NonZeroU32::new(2).unwrap(), per: Duration::from_secs(3600) };
        let slow = caller(CallerSettings { rate: Some(rate), ..limits });
        let outcomes: Vec<bool> =
            (0..3).map(|_| slow.may("/cgi-bin/user/get", Some("main"), REQUEST).is_ok()).collect();
        assert_eq!(outcomes, [true, true, false]);
    }
}
