//! What a sandbox tells about itself: requests and counters, without the AppSecret.

use data_encoding::HEXLOWER;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::sandbox::journal::Seen;
use crate::sandbox::world::World;
use crate::secret::{ExposeSecret, REDACTED, SecretString};

/// Query parameters whose value is a secret, decoded.
const SECRET_PARAMETERS: [&str; 2] = ["secret", "appsecret"];

/// The last requests, oldest first, and the count of each path.
pub(super) fn requests(world: &World, last: usize) -> Value {
    let requests = world.journal().requests();
    let secrets = world.with_credentials(|credentials| credentials.secrets().cloned().collect::<Vec<_>>());
    let newest = &requests[requests.len().saturating_sub(last)..];
    let newest: Vec<Value> = newest.iter().map(|seen| request(seen, &secrets)).collect();
    json!({"total": world.journal().total(), "counts": world.journal().counts(), "requests": newest})
}

/// How often each account's token was fetched.
pub(super) fn ledger(world: &World) -> Value {
    let appids = world.with_credentials(|credentials| credentials.appids());
    let account = |appid: String| {
        let fetches = world.fetches(&appid);
        let fetches = json!({
            "classic": fetches.classic, "stable": fetches.stable, "forced": fetches.forced,
            "refused": fetches.refused, "minted": fetches.minted,
        });
        (appid, fetches)
    };
    Value::Object(appids.into_iter().map(account).collect())
}

fn request(seen: &Seen, secrets: &[SecretString]) -> Value {
    let clean = |text: &str| {
        secrets.iter().fold(text.to_owned(), |text, secret| match secret.expose_secret() {
            "" => text,
            secret => text.replace(secret, REDACTED),
        })
    };
    let header = |(name, value): (&_, &hyper::header::HeaderValue)| {
        json!([format!("{name}"), clean(&String::from_utf8_lossy(value.as_bytes()))])
    };
    json!({
        "connection": seen.connection,
        "at_seconds": seen.at.as_secs_f64(),
        "method": seen.method.as_str(),
        "target": clean(&without_secrets(&seen.target)),
        "version": format!("{:?}", seen.version),
        "headers": seen.headers.iter().map(header).collect::<Vec<_>>(),
        "body_length": seen.body_length,
        "body_sha256": HEXLOWER.encode(&seen.body_sha256),
    })
}

/// Blanks the secret parameters by name: a wrong secret may be a right one elsewhere.
fn without_secrets(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={REDACTED}"),
        _ => pair.to_owned(),
    };
    format!("{path}?{}", query.split('&').map(pair).collect::<Vec<_>>().join("&"))
}

fn is_secret(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy();
    SECRET_PARAMETERS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blanked_by_name_and_nothing_else_changes() {
        assert_eq!(
            without_secrets("/p?a=%20&secret=x&app%73ecret=y=z&b&my_secret=1"),
            "/p?a=%20&secret=[redacted]&app%73ecret=[redacted]&b&my_secret=1"
        );
        assert_eq!(without_secrets("/p"), "/p");
    }
}
