//! Routing: no way of writing a path brings a request to an endpoint that it was not taken for, and the account is the
//! one that everything names.
//!
//! The input is the target, the `X-Wxgate-Account` field and the listener's account, each on a line of its own; the last
//! two may be missing. `{main}` and `{shop}` stand for a placeholder of that account, `{forged}` for one that is none.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use wxgate::config::TokenKind;
use wxgate::gateway::rewrite::values;
use wxgate::gateway::{Account, Accounts, Action, Claims, Fields, PlaceholderKey, Route};
use wxgate::metrics::Metrics;
use wxgate::observe::Observations;
use wxgate::secret::SecretString;
use wxgate::token::{Failure, Fetch, Issued, Issuer, Liveness, MemoryStore, Refresher, Settings};
use wxgate::wechat::{Credential, EXCEPTIONS, classify, normalise};

const FIELD: HeaderName = HeaderName::from_static("x-wxgate-account");
const APPIDS: [(&str, &str); 2] = [("main", "wx1"), ("shop", "wx2")];

static ACCOUNTS: LazyLock<Accounts> = LazyLock::new(|| Accounts::new(APPIDS.map(account).into(), Some("main")));

pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let target = with_placeholders(lines.next().unwrap_or_default());
    let target = target.split('#').next().unwrap_or_default(); // a fragment never gets here
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let field = lines.next().filter(|line| !line.is_empty() && line.parse::<HeaderValue>().is_ok());
    let listener = lines.next().filter(|line| !line.is_empty());
    a_copy_is_in_normal_form(path);
    no_server_takes_it_for_more(path);

    let mut headers = HeaderMap::new();
    headers.extend(field.map(|value| (FIELD, value.parse().unwrap())));
    if let Ok(route) = ACCOUNTS.route(path, query, &Fields::of(&headers), listener) {
        let prefix = path.strip_suffix(route.path).map(|prefix| prefix.trim_start_matches("/@"));
        let prefix = if path.starts_with("/@") { prefix.or(path.strip_prefix("/@")) } else { None };
        assert_eq!((prefix.is_none(), query), (path == route.path, route.query));
        assert!(classify(route.path).is_ok());
        let named: HashSet<&str> = prefix.into_iter().chain(field).chain(listener).collect();
        the_account_is_the_one_named(&route, &named);
    }
}

/// But for what a second decoding would do, normalising twice is normalising once.
fn a_copy_is_in_normal_form(path: &str) {
    let normal = normalise(path);
    assert!(normal.starts_with('/') && !normal.contains(['\\', ';', '\0']), "{normal}");
    assert!(!normal.contains(|letter: char| letter.is_ascii_uppercase()), "{normal}");
    assert!(normal == "/" || normal[1..].split('/').all(|segment| !matches!(segment, "" | "." | "..")), "{normal}");
    assert!(normal.contains('%') || normalise(&normal) == normal, "{normal}");
}

fn no_server_takes_it_for_more(path: &str) {
    let exception = |path: &str| EXCEPTIONS.iter().find(|(special, _)| *special == path).map(|(_, class)| *class);
    match classify(path) {
        Ok(Credential::AppToken) => {
            for reading in readings(path) {
                assert_eq!(exception(&reading.to_ascii_lowercase()), None, "{path:?} can be read as {reading:?}");
            }
        }
        Ok(special) => assert_eq!(exception(path), Some(special)),
        Err(_) => {}
    }
}

fn the_account_is_the_one_named(route: &Route<'_>, named: &HashSet<&str>) {
    let of = |account: &Account| account.name.clone();
    let query = route.query.unwrap_or_default();
    let tokens: Vec<_> = values(query, "access_token").filter(|token| token.starts_with("wxgate_")).collect();
    let appids: Vec<_> = values(query, "appid").collect();
    match &route.action {
        Action::Token(account) | Action::TokenAndSecret(account, _) => {
            for token in &tokens {
                assert_eq!(**token, placeholder(&account.appid), "it is this account's");
            }
            assert_eq!(route.placeholder.is_some(), !tokens.is_empty());
            let chosen =
                !tokens.is_empty() || (matches!(route.action, Action::TokenAndSecret(..)) && !appids.is_empty());
            assert!(named.iter().all(|name| *name == of(account)));
            assert!(chosen || !named.is_empty() || of(account) == "main", "nothing names it");
        }
        Action::Secret(account, _) => {
            assert!(appids.iter().all(|appid| **appid == account.appid));
            assert!(named.iter().all(|name| *name == of(account)));
        }
        Action::Foreign => assert!(!appids.is_empty() && APPIDS.iter().all(|(_, appid)| appids[0] != *appid)),
        Action::Nothing => {
            let expected = values(query, "cloudbase_access_token").next().is_some()
                || !matches!(classify(route.path), Ok(Credential::AppToken));
            assert!(expected);
        }
        Action::TokenEndpoint(_, endpoint) => {
            assert_eq!(classify(route.path), Ok(Credential::TokenEndpoint(*endpoint)));
        }
    }
}

/// All the places to which servers might take a path: every choice of the steps that some are known for, in every order.
fn readings(path: &str) -> BTreeSet<String> {
    const STEPS: [fn(&str) -> String; 7] =
        [decode, cut_at_nul, cut_at_query, turn_backslashes, drop_parameters, merge_slashes, resolve_dots];
    let mut seen = BTreeSet::new();
    let mut open = vec![(path.to_owned(), (1_u8 << STEPS.len()) - 1)];
    while let Some((reading, left)) = open.pop() {
        for (number, step) in STEPS.iter().enumerate().filter(|(number, _)| left & 1 << number != 0) {
            let next = (step(&reading), left & !(1 << number));
            // A step that changes nothing may as well come later.
            if next.0 != reading && !seen.contains(&next) {
                open.push(next);
            }
        }
        seen.insert((reading, left));
    }
    let without_end = |path: String| path.strip_suffix('/').map(str::to_owned).unwrap_or(path);
    seen.into_iter().map(|(reading, _)| without_end(reading)).collect()
}

fn decode(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|digits| !digits.starts_with('+')).and_then(|d| u8::from_str_radix(d, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn cut_at_nul(path: &str) -> String {
    path.split('\0').next().unwrap_or_default().to_owned()
}

fn cut_at_query(path: &str) -> String {
    path.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn turn_backslashes(path: &str) -> String {
    path.replace('\\', "/")
}

fn drop_parameters(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    segments.join("/")
}

fn merge_slashes(path: &str) -> String {
    let mut merged = path.replace("//", "/");
    while merged.contains("//") {
        merged = merged.replace("//", "/");
    }
    merged
}

/// RFC 3986 §5.2.4, where an empty segment is one.
fn resolve_dots(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

fn with_placeholders(target: &str) -> String {
    let forged = placeholder("wx1").replace("wxgate_A", "wxgate_B");
    target.replace("{main}", &placeholder("wx1")).replace("{shop}", &placeholder("wx2")).replace("{forged}", &forged)
}

fn placeholder(appid: &str) -> String {
    key(appid).issue(&Claims { issued_at: 1_800_000_000, appid, caller: "", secret_id: [0; 8] })
}

fn key(appid: &str) -> PlaceholderKey {
    PlaceholderKey::derive(&appid.into()).unwrap()
}

fn account((name, appid): (&str, &str)) -> Account {
    let settings = Settings { account: name.to_owned(), kind: TokenKind::Auto, margin: None };
    let (_, token) = Refresher::new(settings, Nobody, Box::new(MemoryStore));
    Account {
        name: name.to_owned(),
        appid: appid.to_owned(),
        secret: "s".into(),
        secret_in_query: "s".into(),
        token,
        placeholder_key: key(appid),
        heals: Metrics::default().heals(name),
        seen: Observations::new(1).account(name),
    }
}

/// Routing asks for no token.
struct Nobody;

impl Issuer for Nobody {
    async fn fetch(&self, _: Fetch) -> Result<Issued, Failure> {
        std::future::pending().await
    }

    async fn ask(&self, _: &SecretString) -> Liveness {
        Liveness::Unknown
    }
}
