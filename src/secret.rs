//! Secrets: the AppSecret, access tokens, keys.
//!
//! A secret is a [`SecretString`] from the first byte parsed: its `Debug` is redacted, it has no
//! `Serialize`, its memory is wiped when it goes, and the one way to its text is the loud
//! [`ExposeSecret::expose_secret`].

pub use secrecy::{ExposeSecret, SecretString};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// RFC 3986 §2.3: the unreserved characters stand for themselves in a query.
const NOT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret as it stands in a query.
pub fn in_query(secret: &SecretString) -> SecretString {
    utf8_percent_encode(secret.expose_secret(), NOT_UNRESERVED).to_string().into()
}

/// What stands in a text where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Text that somebody else wrote (WeChat's `errmsg`, a library's error), made fit for a log line or
/// an answer: every one of `secrets` replaced, also as it stands in a query; control characters blanked; at most 300
/// characters.
pub fn scrub(text: &str, secrets: &[&SecretString]) -> String {
    const LIMIT: usize = 300;
    let mut clean = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.expose_secret().is_empty()) {
        clean = clean.replace(secret.expose_secret(), REDACTED);
        clean = clean.replace(in_query(secret).expose_secret(), REDACTED);
    }
    let mut characters = clean.chars();
    let mut short: String = characters.by_ref().take(LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_is_redacted() {
        let secret = SecretString::from("s3cr3t-value");
        assert!(!format!("{secret:?} {secret:#?}").contains("s3cr3t"));
    }

    #[test]
    fn in_a_query_only_unreserved_characters_stand_for_themselves() {
        assert_eq!(in_query(&"92_a-b.c~/+=&é".into()).expose_secret(), "92_a-b.c~%2F%2B%3D%26%C3%A9");
    }

    #[test]
    fn scrubbed_text_is_short_and_has_no_secret_and_no_line_break() {
        let secret = SecretString::from("hunter2hunter2");
        let text = format!("url was ?secret=hunter2hunter2\r\n{}", "x".repeat(1000));
        let clean = scrub(&text, &[&secret]);
        assert!(clean.starts_with("url was ?secret=[redacted]  xxx"), "{clean}");
        assert_eq!(clean.chars().count(), 301);
    }

    #[test]
    fn a_secret_is_scrubbed_in_the_form_that_it_has_in_a_query_too() {
        let clean = scrub("?secret=a%2Fb%2Bc&x=a/b+c", &[&"a/b+c".into()]);
        assert_eq!(clean, "?secret=[redacted]&x=[redacted]");
    }

    #[test]
    fn an_empty_secret_replaces_nothing() {
        assert_eq!(scrub("abc", &[&SecretString::from("")]), "abc");
    }
}
