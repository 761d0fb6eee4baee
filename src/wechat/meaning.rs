//! What WeChat's errcodes mean, and what to do about them (wechat.md §1, §2).

use std::net::IpAddr;
use std::time::Duration;

use Fault::*;

/// The errcodes that say "this token is bad", by default.
///
/// 40001: superseded by a newer token, or forged; 42001: expired; 40014: malformed, on some APIs. The
/// check comes before any business logic, so a call refused with one of them has had no effect and may
/// be sent again. Not among them: 41001 (no token was sent), 48001 (the account lacks the permission) and
/// 61007 (a third-party platform lacks it), for a new token changes nothing there.
pub const REJECTING: [i64; 3] = [40001, 42001, 40014];

/// WeChat is busy: whether the token is good, the answer does not say.
pub const SYSTEM_BUSY: i64 = -1;

/// What is wrong when a token endpoint hands out no token, as far as it decides when to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// WeChat's own trouble, which passes: ask again soon, backing off.
    Transient,
    /// The limit for a minute is reached: ask again a minute later.
    MinuteLimit,
    /// The limit for a day is reached: more calls cannot help before it is reset.
    DailyLimit,
    /// It stays so until somebody changes the configuration or the account: ask slowly.
    Permanent,
    /// An administrator of the account was asked to confirm the call: ask slowly.
    AwaitsAdministrator,
    /// An administrator refused the call, and WeChat blocks us for this long.
    RefusedFor(Duration),
    /// This upstream has no such token endpoint: the other one may exist.
    NoSuchEndpoint,
}

/// What an errcode of a token endpoint means.
///
/// An unknown code above zero counts as permanent: WeChat's positive codes refuse the request as it is,
/// so the same request meets the same answer, and asking often would burn the quota. Negative codes are
/// WeChat's own failures, and zero without a token is no answer at all: both count as transient.
pub fn token_fault(errcode: i64) -> Fault {
    match meaning(errcode) {
        Some(meaning) => meaning.fault,
        None if errcode <= 0 => Transient,
        None => Permanent,
    }
}

/// Whether an errcode of a token endpoint is one of those whose meaning is known here.
pub fn is_known(errcode: i64) -> bool {
    meaning(errcode).is_some()
}

/// What the operator does next about an errcode of a token endpoint, as a sentence or two.
pub fn advice(errcode: i64) -> &'static str {
    match meaning(errcode) {
        Some(meaning) => meaning.advice,
        None => "look this errcode up in WeChat's documentation; WeChat's support can trace the rid",
    }
}

/// The IP address that WeChat saw, out of the errmsg of 40164 or 61004: the one to put on the whitelist.
///
/// `invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist` and `access clientip is not registered
/// requestIP: 1.2.3.4` both give `1.2.3.4`: the first word that is an address.
pub fn refused_ip(errmsg: &str) -> Option<&str> {
    let mut words = errmsg.split(|c: char| c.is_whitespace() || c == ',');
    words.find(|word| word.parse::<IpAddr>().is_ok())
}

/// The request id at the end of an errmsg (`… rid: 6aac0063-7ed08fb9-1250f724`), by which WeChat's support
/// finds the call.
pub fn rid(errmsg: &str) -> Option<&str> {
    let (before, after) = errmsg.rsplit_once("rid:")?;
    let is_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let id = after.trim_start();
    let end = id.find(|c: char| !(c.is_ascii_hexdigit() || c == '-')).unwrap_or(id.len());
    (is_word && end > 0).then_some(&id[..end])
}

/// What kind of answer an errcode is, for counting: few kinds, whatever WeChat sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrcodeClass {
    /// 0: done.
    Success,
    /// The token is bad or missing.
    Token,
    /// WeChat is busy.
    Busy,
    /// A limit for a minute, a day or a conversation is reached.
    Limit,
    /// The account may not do this.
    Permission,
    /// This machine's address is not on the whitelist.
    Address,
    /// Anything else, mostly about the request's content.
    Other,
}

impl ErrcodeClass {
    /// All, in their order.
    pub const ALL: [Self; 7] =
        [Self::Success, Self::Token, Self::Busy, Self::Limit, Self::Permission, Self::Address, Self::Other];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "ok",
            Self::Token => "token",
            Self::Busy => "busy",
            Self::Limit => "limit",
            Self::Permission => "permission",
            Self::Address => "address",
            Self::Other => "other",
        }
    }
}

/// The kind of an errcode in the answer to any call.
pub fn errcode_class(errcode: i64) -> ErrcodeClass {
    match errcode {
        0 => ErrcodeClass::Success,
        40001 | 42001 | 40014 | 41001 => ErrcodeClass::Token,
        SYSTEM_BUSY => ErrcodeClass::Busy,
        45009 | 45011 | 45047 => ErrcodeClass::Limit,
        48001 | 48004 | 50001 | 50002 | 50004 | 61007 => ErrcodeClass::Permission,
        40164 | 61004 => ErrcodeClass::Address,
        _ => ErrcodeClass::Other,
    }
}

struct Meaning {
    errcode: i64,
    fault: Fault,
    advice: &'static str,
}

fn meaning(errcode: i64) -> Option<&'static Meaning> {
    MEANINGS.iter().find(|meaning| meaning.errcode == errcode)
}

const fn row(errcode: i64, fault: Fault, advice: &'static str) -> Meaning {
    Meaning { errcode, fault, advice }
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

const BAD_SECRET: &str = "the AppSecret is wrong or was reset: copy the current one from WeChat's console";
const CHANGED_REQUEST: &str =
    "WeChat did not understand the request: check the upstream's address, and that nothing on the way changes requests";
const NOT_WHITELISTED: &str = "add the IP address that WeChat names to the account's IP whitelist in WeChat's console";
const RESTRICTED: &str = "WeChat has restricted this account: its notices in WeChat's console say why";
const UNCONFIRMED: &str = "an administrator of the account has to confirm this call in WeChat: ask them to";

static MEANINGS: &[Meaning] = &[
    row(SYSTEM_BUSY, Transient, "WeChat is busy: nothing to do, it is asked again shortly"),
    row(45011, MinuteLimit, "too many calls in this minute: find out what else fetches tokens for this account"),
    row(
        45009,
        DailyLimit,
        "the day's quota is used up: /cgi-bin/clear_quota/v2 resets it, the stable token endpoint has one of its own; \
         find out what else fetches tokens for this account",
    ),
    row(40001, Permanent, BAD_SECRET),
    row(40125, Permanent, BAD_SECRET),
    row(40013, Permanent, "WeChat does not know this appid: compare it with the one in WeChat's console"),
    row(41002, Permanent, "the appid is empty: set the account's appid"),
    row(41004, Permanent, "the AppSecret is empty: set the account's secret"),
    row(40002, Permanent, CHANGED_REQUEST),
    row(43002, Permanent, CHANGED_REQUEST),
    row(
        40066,
        NoSuchEndpoint,
        "the upstream has no such token endpoint: check its address, or use the classic endpoint",
    ),
    row(40164, Permanent, NOT_WHITELISTED),
    row(61004, Permanent, NOT_WHITELISTED),
    row(40243, Permanent, "the AppSecret is frozen: an administrator unfreezes it in WeChat's console"),
    row(50002, Permanent, RESTRICTED),
    row(50004, Permanent, RESTRICTED),
    row(
        61024,
        Permanent,
        "this appid belongs to a third-party platform, whose tokens come in another way: use another appid",
    ),
    row(89501, AwaitsAdministrator, UNCONFIRMED),
    row(89503, AwaitsAdministrator, UNCONFIRMED),
    row(89507, RefusedFor(HOUR), "an administrator refused this IP address, for 1 hour: ask them to allow it"),
    row(89506, RefusedFor(DAY), "an administrator refused this IP address, for 24 hours: ask them to allow it"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_stands_once_with_its_advice() {
        let codes: HashSet<i64> = MEANINGS.iter().map(|meaning| meaning.errcode).collect();
        assert_eq!(codes.len(), MEANINGS.len());
        assert!(MEANINGS.iter().all(|meaning| advice(meaning.errcode) == meaning.advice));
        assert!(codes.iter().all(|&code| advice(code) != advice(12345)));
    }

    #[test]
    fn faults_are_told_apart() {
        for (errcode, fault) in [
            (SYSTEM_BUSY, Transient),
            (45011, MinuteLimit),
            (45009, DailyLimit),
            (40001, Permanent),
            (40164, Permanent),
            (89503, AwaitsAdministrator),
            (89507, RefusedFor(Duration::from_secs(3_600))),
            (89506, RefusedFor(Duration::from_secs(86_400))),
            (40066, NoSuchEndpoint),
        ] {
            assert_eq!(token_fault(errcode), fault, "{errcode}");
        }
    }

    #[test]
    fn unknown_codes_are_permanent_unless_wechat_itself_failed() {
        assert_eq!(token_fault(49999), Permanent);
        assert_eq!(token_fault(-1000), Transient);
        assert_eq!(token_fault(0), Transient);
    }

    #[test]
    fn the_refused_ip_is_found_in_every_wording() {
        for (errmsg, ip) in [
            (
                "invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist rid: 60196b9b-4c5ba79c-066b49c8",
                Some("1.2.3.4"),
            ),
            ("invalid ip 1.2.3.4, not in whitelist", Some("1.2.3.4")),
            ("invalid ip 2001:db8::7 ipv6 2001:db8::7, not in whitelist hint: [x]", Some("2001:db8::7")),
            ("access clientip is not registered hint: [ZJ6NTA0211e578] requestIP: 1.2.3.4", Some("1.2.3.4")),
            ("invalid ip 1.2.3.400, not in whitelist", None),
            ("invalid ip <script>, not in whitelist", None),
            ("", None),
        ] {
            assert_eq!(refused_ip(errmsg), ip, "{errmsg}");
        }
    }

    #[test]
    fn the_rid_is_found_in_every_wording() {
        for (errmsg, id) in [
            ("access_token expired rid: 6aac0063-7ed08fb9-1250f724", Some("6aac0063-7ed08fb9-1250f724")),
            ("system error, rid: 6aac0063-7ed08fb9", Some("6aac0063-7ed08fb9")),
            ("rid:6aac0063 and more", Some("6aac0063")),
            ("rid: ", None),
            ("rid: (none)", None),
            ("invalid grid: 12", None),
            ("no permission req_id: 12ab", None),
            ("ok", None),
        ] {
            assert_eq!(rid(errmsg), id, "{errmsg}");
        }
    }

    proptest! {
        #[test]
        fn any_errmsg_is_survived(errmsg in r"(rid:|::1|1\.2\.3\.4|\PC){0,8}") {
            prop_assert!(refused_ip(&errmsg).is_none_or(|ip| errmsg.contains(ip)));
            prop_assert!(rid(&errmsg).is_none_or(|id| errmsg.contains(id)));
        }
    }
}
