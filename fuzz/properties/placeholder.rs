//! Placeholders: what was issued is read back, and what was not issued never verifies.
//!
//! The input is a token as a caller may present it; or, from a line break on, what one is to be issued for: issue time,
//! appid, caller, each on a line of its own.

use std::sync::LazyLock;

use wxgate::gateway::{Claims, Placeholder, PlaceholderKey};

static KEY: LazyLock<PlaceholderKey> = LazyLock::new(|| PlaceholderKey::derive(&"ours".into()).unwrap());
static OTHER: LazyLock<PlaceholderKey> = LazyLock::new(|| PlaceholderKey::derive(&"theirs".into()).unwrap());

pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.split_once('\n') {
        None => only_what_was_issued_verifies(&text),
        Some((token, claims)) => {
            only_what_was_issued_verifies(token);
            what_is_issued_is_read_back(claims, token);
        }
    }
}

/// HMAC cannot be guessed, so whatever verifies is the very text that the key writes for its claims.
fn only_what_was_issued_verifies(token: &str) {
    let Some(placeholder) = Placeholder::parse(token) else { return };
    let claims = placeholder.claims().expect("what is read has claims");
    assert_eq!(KEY.signed(&placeholder), KEY.issue(&claims) == token);
    assert!(!OTHER.signed(&placeholder) || OTHER.issue(&claims) == token);
}

fn what_is_issued_is_read_back(text: &str, mixed_in: &str) {
    let mut lines = text.split('\n');
    let issued_at = lines.next().and_then(|line| line.parse().ok()).unwrap_or(u64::MAX);
    let (appid, caller) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let secret_id = if caller.is_empty() { [0; 8] } else { *b"secretid" };
    let claims = Claims { issued_at, appid, caller, secret_id };
    let token = KEY.issue(&claims);
    match Placeholder::parse(&token) {
        Some(placeholder) if appid.len() <= 255 && caller.len() <= 255 => {
            assert_eq!(placeholder.claims(), Some(claims));
            assert!(KEY.signed(&placeholder) && !OTHER.signed(&placeholder));
            changes_are_noticed(&token, mixed_in);
        }
        Some(placeholder) => assert_ne!(placeholder.claims(), Some(claims), "it was cut"),
        None => assert!(appid.len() > 255 || caller.len() > 255),
    }
}

/// The token with one byte replaced by each of `mixed_in`, and cut there, and longer.
fn changes_are_noticed(token: &str, mixed_in: &str) {
    for (count, byte) in mixed_in.bytes().enumerate().take(16) {
        let at = (count * 31 + usize::from(byte)) % token.len();
        let changed = [&token.as_bytes()[..at], &[byte], &token.as_bytes()[at + 1..]].concat();
        let longer = [token.as_bytes(), &[byte]].concat();
        for forged in [&changed[..], &token.as_bytes()[..at], &longer] {
            let forged = String::from_utf8_lossy(forged);
            let verifies = Placeholder::parse(&forged).is_some_and(|placeholder| KEY.signed(&placeholder));
            assert_eq!(verifies, forged == token, "{forged}");
        }
    }
}
