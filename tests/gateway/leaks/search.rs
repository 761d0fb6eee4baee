//! Finds secrets in a text, in every form in which one may stand there.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What must not be found.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Anything as short as this would be found by accident.
    const SHORTEST: usize = 8;

    pub fn add(&mut self, secret: &str) {
        assert!(secret.len() >= Self::SHORTEST, "{secret:?}");
        self.0.extend(forms(secret));
        self.0.sort();
        self.0.dedup();
    }

    /// Panics where one of them stands in `text`, and shows what is around it.
    #[track_caller]
    pub fn assert_none_in(&self, place: &str, text: &str) {
        for secret in &self.0 {
            if let Some(at) = text.find(secret) {
                let before: String = text[..at].chars().rev().take(200).collect();
                let before: String = before.chars().rev().collect();
                panic!("{place}: {secret:?} after {before:?}");
            }
        }
    }
}

/// As it stands in a query.
pub fn percent_encoded(secret: &str) -> String {
    const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(secret, &ENCODED).to_string()
}

fn forms(secret: &str) -> Vec<String> {
    let in_json = serde_json::to_string(secret).unwrap();
    let encoded = percent_encoded(secret);
    let lower = encoded.split('%').enumerate().map(|(n, part)| match part.split_at_checked(2) {
        Some((hex, rest)) if n > 0 => format!("{}{rest}", hex.to_ascii_lowercase()),
        _ => part.to_owned(),
    });
    vec![
        secret.to_owned(),
        in_json.trim_matches('"').to_owned(),
        lower.collect::<Vec<_>>().join("%"),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        encoded,
        BASE64.encode(secret.as_bytes()),
        BASE64URL_NOPAD.encode(secret.as_bytes()),
        secret.escape_debug().to_string(),
    ]
}

#[test]
fn a_secret_is_found_in_each_of_its_forms() {
    let mut secrets = Secrets::default();
    secrets.add("user:p/ss+w\"rd");
    for text in [
        "log: user:p/ss+w\"rd.",
        "GET /?secret=user%3Ap%2Fss%2Bw%22rd&a=b",
        "GET /?secret=user%3ap%2fss%2bw%22rd&a=b",
        r#"{"message":"user:p/ss+w\"rd"}"#,
        "Basic dXNlcjpwL3NzK3cicmQ=",
    ] {
        let found = std::panic::catch_unwind(|| secrets.assert_none_in("a text", text)).is_err();
        assert!(found, "{text}");
    }
    secrets.assert_none_in("a text", "user and password are wrong: p/ss");
}
