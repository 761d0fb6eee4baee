//! What is wrong, in words for an operator. Each trouble has a kind as well, for whoever says it in other words.

use serde::Serialize;
use std::time::Duration;

use tokio::time::Instant;

use crate::egress::Standing;
use crate::metrics::Level;
use crate::token::{Failure, Snapshot, Unhealed};
use crate::wechat::refused_ip;

/// This many early deaths within an hour mean that somebody else refreshes the account; the log says it then, too.
const EARLY_SEVERAL: usize = 3;
/// How long it stands in the status that a refusal was not healed.
const UNHEALED_STANDS: Duration = Duration::from_secs(600);
/// The share of a limit from which on it is a trouble, in tenths.
const NEARLY: u64 = 9;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Trouble {
    pub(super) kind: &'static str,
    /// What happened, and what to do.
    pub(super) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) errcode: Option<i64>,
    /// The IP address that WeChat refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    /// How many tokens died early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<usize>,
    /// The name of the level that is nearly full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) level: Option<&'static str>,
    /// The host that is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream: Option<String>,
}

impl Trouble {
    fn new(kind: &'static str, text: String) -> Self {
        Self { kind, text, errcode: None, address: None, count: None, level: None, upstream: None }
    }
}

/// What is wrong with an account's token.
pub(super) fn of_account(appid: &str, snapshot: &Snapshot, now: Instant) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    troubles.extend(snapshot.failure.as_ref().map(|failure| of_failure(appid, failure)));
    let died_early = snapshot.died_early(now);
    if died_early >= EARLY_SEVERAL {
        let text = format!(
            "another system is refreshing {appid}: {died_early} tokens died early in the last hour; find who else fetches \
             tokens with this appid, and point it at wxgate"
        );
        troubles.push(Trouble { count: Some(died_early), ..Trouble::new("another_system", text) });
    }
    let unhealed = snapshot.unhealed.filter(|(at, _)| now.duration_since(*at) < UNHEALED_STANDS);
    troubles.extend(unhealed.map(|(_, why)| of_unhealed(appid, why)));
    if snapshot.forced_left(now) == 0 {
        let text =
            format!("the day's forced refreshes of {appid} are used up; a token that dies now stays dead for longer");
        troubles.push(Trouble::new("forced_spent", text));
    }
    troubles
}

fn of_failure(appid: &str, failure: &Failure) -> Trouble {
    let address = match failure.errcode {
        Some(40164 | 61004) => refused_ip(&failure.what),
        _ => None,
    };
    let (kind, text) = match (failure.errcode, address) {
        (_, Some(ip)) => (
            "address_refused",
            format!("WeChat refuses {ip}: add it to the IP whitelist of {appid} in WeChat's console"),
        ),
        (Some(_), None) => ("fetch_refused", format!("no new token for {appid}: {failure}")),
        (None, None) => ("unreachable", format!("no new token for {appid}: {failure}")),
    };
    Trouble { errcode: failure.errcode, address: address.map(str::to_owned), ..Trouble::new(kind, text) }
}

fn of_unhealed(appid: &str, why: Unhealed) -> Trouble {
    match why {
        Unhealed::Spent(spent) => {
            let text = format!(
                "WeChat refused the token of {appid} and it was not replaced: {spent}; when it goes on, look at the account \
                 in WeChat's console"
            );
            Trouble::new("not_replaced", text)
        }
        Unhealed::Alive => {
            let text = format!(
                "WeChat refuses the token of {appid} on one path and takes it on another: that endpoint wants another kind \
                 of token, or the account may not use it; the last failures below say which"
            );
            Trouble::new("one_path_refuses", text)
        }
    }
}

/// Which of WeChat's entrances are down.
pub(super) fn of_upstreams(upstreams: &[Standing]) -> Vec<Trouble> {
    let down = upstreams.iter().enumerate().filter(|(_, upstream)| !upstream.up).map(|(index, upstream)| {
        let reason = upstream.reason.as_deref().unwrap_or("it does not answer");
        let meanwhile = match upstreams.iter().enumerate().find(|(_, other)| other.up) {
            None => "requests cannot be sent".to_owned(),
            Some((other, up)) if index < other => format!("requests go to {}", up.host),
            Some(_) => "it is not needed at present".to_owned(),
        };
        let text = format!(
            "{} is down, and {meanwhile}: {reason}; check the way out to it: name resolution, firewall, proxy",
            upstream.host
        );
        Trouble { upstream: Some(upstream.host.clone()), ..Trouble::new("upstream_down", text) }
    });
    down.collect()
}

/// What is nearly full.
pub(super) fn of_levels(levels: &[Level]) -> Vec<Trouble> {
    let near = levels.iter().filter_map(|level| {
        let reading = level.read();
        let limit = reading.limit.filter(|&limit| reading.now.saturating_mul(10) >= limit.saturating_mul(NEARLY))?;
        let text = format!("{}: {} of {limit}; raise {}, or find what fills it", level.what, reading.now, level.key?);
        Some(Trouble { level: Some(level.name), ..Trouble::new("nearly_full", text) })
    });
    near.collect()
}

#[cfg(test)]
#[allow(clippy::field_reassign_with_default, reason = "a snapshot has fields that are the refresher's own")]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn kinds(snapshot: &Snapshot) -> Vec<&'static str> {
        of_account("wx1", snapshot, Instant::now()).into_iter().map(|trouble| trouble.kind).collect()
    }

    fn failing(failure: Failure) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.failure = Some(Arc::new(failure));
        snapshot
    }

    #[test]
    fn an_address_that_is_not_on_the_whitelist_is_named() {
        let errmsg = "invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist rid: 60196b9b-4c5ba79c-066b49c8";
        let troubles = of_account("wx1", &failing(Failure::refused(40164, errmsg)), Instant::now());
        let expected = "WeChat refuses 1.2.3.4: add it to the IP whitelist of wx1 in WeChat's console";
        assert_eq!((troubles[0].text.as_str(), troubles[0].address.as_deref()), (expected, Some("1.2.3.4")));
    }

    #[test]
    fn other_failures_say_what_to_do() {
        let text = |failure| of_account("wx1", &failing(failure), Instant::now()).remove(0).text;
        assert!(
            text(Failure::refused(40125, "invalid appsecret")).contains("copy the current one from WeChat's console")
        );
        assert!(text(Failure::unreachable("refused")).contains("check the way out to WeChat"));
        assert_eq!(kinds(&failing(Failure::refused(40125, ""))), ["fetch_refused"]);
        assert_eq!(kinds(&failing(Failure::unreachable("refused"))), ["unreachable"]);
    }

    #[test]
    fn where_all_is_well_nothing_is_said() {
        assert!(kinds(&Snapshot::default()).is_empty());
        let mut snapshot = Snapshot::default();
        let at = Instant::now();
        snapshot.unhealed = Some((at, Unhealed::Alive));
        assert_eq!(kinds(&snapshot), ["one_path_refuses"]);
        assert!(of_account("wx1", &snapshot, at + UNHEALED_STANDS).is_empty(), "long ago");
    }

    #[test]
    fn an_upstream_that_is_down_is_named_with_its_reason_and_what_takes_its_place() {
        let standing = |host: &str, up| Standing { host: host.to_owned(), up, since: None, reason: None };
        let refused = Standing { reason: Some("refused".to_owned()), ..standing("a.example", false) };
        let text = |upstreams: &[Standing]| of_upstreams(upstreams).remove(0).text;
        assert!(of_upstreams(&[standing("a.example", true)]).is_empty());
        let way = "check the way out to it: name resolution, firewall, proxy";
        assert_eq!(
            text(&[refused.clone(), standing("b.example", true)]),
            format!("a.example is down, and requests go to b.example: refused; {way}")
        );
        assert!(text(&[standing("b.example", true), refused.clone()]).contains("not needed at present"));
        assert!(text(&[refused.clone(), standing("b.example", false)]).contains("requests cannot be sent"));
    }

    #[test]
    fn a_level_near_its_limit_is_a_trouble() {
        let level =
            |now| Level::new("in_flight", "requests in flight", Some("server.requests"), move || (now, Some(100)));
        assert!(of_levels(&[level(89)]).is_empty());
        let expected = "requests in flight: 90 of 100; raise server.requests, or find what fills it";
        assert_eq!(of_levels(&[level(90)])[0].text, expected);
    }
}
