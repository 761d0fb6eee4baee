//! Why a fetch brought no token: what happened, what to do, and whether trying again can help.

use std::fmt;

use crate::wechat::{self, Fault};

/// Why a fetch brought no token. Its `Display` is fit for logs and for callers: no secret, no URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// WeChat's errcode, where it answered with one.
    pub errcode: Option<i64>,
    /// Whether and when to try again.
    pub fault: Fault,
    /// What happened.
    pub what: String,
    /// What to do next.
    pub advice: &'static str,
}

impl Failure {
    /// WeChat answered with an errcode. `errmsg` is scrubbed by who calls this.
    pub fn refused(errcode: i64, errmsg: &str) -> Self {
        let ip = matches!(errcode, 40164 | 61004).then(|| wechat::refused_ip(errmsg)).flatten();
        let address = ip.map(|ip| format!(" (the address that WeChat saw: {ip})")).unwrap_or_default();
        Self {
            errcode: Some(errcode),
            fault: wechat::token_fault(errcode),
            what: format!("WeChat answered errcode {errcode}: {errmsg}{address}"),
            advice: wechat::advice(errcode),
        }
    }

    /// The issuer could not be reached, or did not answer in time.
    pub fn unreachable(cause: impl fmt::Display) -> Self {
        Self {
            errcode: None,
            fault: Fault::Transient,
            what: format!("the token endpoint could not be reached: {cause}"),
            advice: "check the way out to WeChat: name resolution, firewall, proxy, upstream.base_url",
        }
    }

    /// The issuer answered something that is neither a token nor an errcode.
    pub fn garbage(what: impl fmt::Display) -> Self {
        Self {
            errcode: None,
            fault: Fault::Transient,
            what: format!("the token endpoint answered something else than a token: {what}"),
            advice: "check upstream.base_url, and what stands between this machine and WeChat",
        }
    }

    /// Another replica's fetch failed so.
    pub(super) fn told(errcode: Option<i64>, what: String) -> Self {
        match errcode {
            Some(code) => Self { errcode, fault: wechat::token_fault(code), what, advice: wechat::advice(code) },
            None => Self { what, ..Self::unreachable("") },
        }
    }

    /// Another replica has been fetching for longer than requests wait.
    pub(super) fn elsewhere() -> Self {
        Self {
            errcode: None,
            fault: Fault::Transient,
            what: "another replica is fetching a token and has not brought one yet".to_owned(),
            advice: "see that replica's log for what WeChat answers",
        }
    }

    /// There is no such endpoint at this issuer.
    pub(super) fn missing(status: u16) -> Self {
        Self {
            fault: Fault::NoSuchEndpoint,
            advice: "check upstream.base_url; where the issuer has no stable endpoint, set token = \"classic\" for this account",
            ..Self::garbage(format_args!("status {status}, as if the endpoint did not exist"))
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.advice)
    }
}
