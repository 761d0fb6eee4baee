//! Placeholders: what a caller holds instead of the token (architecture.md §6).
//!
//! A placeholder names its account and, where callers are demanded, its caller. It is worth nothing outside this gateway,
//! and cannot be made by anybody else:
//!
//! ```text
//! wxgate_ + base64url( version 1 | issue time in seconds, 8 bytes | secret id, 8 bytes
//!                      | appid length, 1 byte | appid | caller length, 1 byte | caller | HMAC-SHA-256, 32 bytes )
//! ```
//!
//! Without a caller, its name is empty and the secret id is zero. The key comes from the account's `placeholder_key`,
//! else from its secret, so that replicas and restarts agree.

use std::fmt;

use aws_lc_rs::{hkdf, hmac};
use data_encoding::BASE64URL_NOPAD;

use crate::secret::{ExposeSecret, SecretString};

/// Every placeholder begins so, and no token of WeChat's does (`92_…`, wechat.md §1).
pub(super) const PREFIX: &str = "wxgate_";
const VERSION: u8 = 1;
const TAG: usize = 32;

/// What one account's placeholders are signed with.
pub struct PlaceholderKey(hmac::Key);

impl PlaceholderKey {
    /// A key derived from `secret` by HKDF-SHA-256 (RFC 5869).
    ///
    /// # Errors
    /// None with a secret of any length; the library's signature has one.
    pub fn derive(secret: &SecretString) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"wxgate placeholder");
        let key = salt.extract(secret.expose_secret().as_bytes());
        let mut bytes = [0; 32];
        key.expand(&[b"v1"], hkdf::HKDF_SHA256)?.fill(&mut bytes)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// A placeholder that claims this.
    pub fn issue(&self, claims: &Claims<'_>) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&claims.issued_at.to_be_bytes());
        bytes.extend_from_slice(&claims.secret_id);
        for text in [claims.appid, claims.caller] {
            // Longer than 255 bytes neither is; a cut one would not verify, and so do no harm.
            let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
            bytes.push(length);
            bytes.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
        }
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }

    /// Whether this key signed the placeholder. Takes the same time wherever they differ.
    pub fn signed(&self, placeholder: &Placeholder) -> bool {
        hmac::verify(&self.0, &placeholder.bytes, &placeholder.tag).is_ok()
    }
}

impl fmt::Debug for PlaceholderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaceholderKey")
    }
}

/// The first bytes of a virtual secret's hash: which of a caller's secrets was used, and nothing about it.
pub type SecretId = [u8; 8];

/// What a placeholder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims<'a> {
    /// When it was issued: seconds since 1970.
    pub issued_at: u64,
    /// The account's appid.
    pub appid: &'a str,
    /// The caller's name; empty where it was issued to anybody.
    pub caller: &'a str,
    /// Which of the caller's virtual secrets brought it.
    pub secret_id: SecretId,
}

/// A placeholder as it was presented: nothing in it is to be believed before its key says [`PlaceholderKey::signed`].
#[derive(Debug)]
pub struct Placeholder {
    bytes: Vec<u8>,
    tag: [u8; TAG],
}

impl Placeholder {
    /// Reads what follows the prefix; `None` for anything that no gateway of this version made.
    pub fn parse(token: &str) -> Option<Self> {
        let mut bytes = BASE64URL_NOPAD.decode(token.strip_prefix(PREFIX)?.as_bytes()).ok()?;
        let tag = bytes.split_off(bytes.len().checked_sub(TAG)?).try_into().ok()?;
        let placeholder = Self { bytes, tag };
        placeholder.claims().is_some().then_some(placeholder)
    }

    /// What it claims.
    pub fn claims(&self) -> Option<Claims<'_>> {
        let (&[VERSION], rest) = self.bytes.split_first_chunk::<1>()? else { return None };
        let (issued_at, rest) = rest.split_first_chunk()?;
        let (secret_id, rest) = rest.split_first_chunk()?;
        let (appid, rest) = text(rest)?;
        let (caller, rest) = text(rest)?;
        let claims = Claims { issued_at: u64::from_be_bytes(*issued_at), appid, caller, secret_id: *secret_id };
        rest.is_empty().then_some(claims)
    }
}

/// A text behind its length, and what follows.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> PlaceholderKey {
        PlaceholderKey::derive(&secret.into()).unwrap()
    }

    const CLAIMS: Claims<'_> =
        Claims { issued_at: 1_800_000_000, appid: "wx1234567890abcdef", caller: "crm", secret_id: *b"12345678" };

    #[test]
    fn a_placeholder_says_what_it_was_issued_for_and_verifies_under_its_key_only() {
        let token = key("secret-a").issue(&CLAIMS);
        assert!(token.starts_with("wxgate_") && token.len() <= 512, "{token}");
        let placeholder = Placeholder::parse(&token).unwrap();
        assert_eq!(placeholder.claims(), Some(CLAIMS));
        assert!(key("secret-a").signed(&placeholder), "another process with the same secret agrees");
        assert!(!key("secret-b").signed(&placeholder));
    }

    #[test]
    fn the_longest_names_fit_into_512_bytes() {
        let (appid, caller) = ("a".repeat(64), "c".repeat(64));
        let token = key("s").issue(&Claims { appid: &appid, caller: &caller, ..CLAIMS });
        assert!(token.len() <= 512, "{}", token.len());
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (key, token) = (key("s"), key("s").issue(&CLAIMS));
        for position in PREFIX.len()..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(bytes).unwrap();
            assert!(!Placeholder::parse(&forged).is_some_and(|p| key.signed(&p)), "{position}");
        }
    }

    #[test]
    fn anything_else_is_no_placeholder() {
        for token in ["", "92_abc", "wxgate_", "wxgate_!!", "wxgate_AAAA", &format!("wxgate_{}", "A".repeat(5000))] {
            assert!(Placeholder::parse(token).is_none(), "{token:.40}");
        }
    }

    #[test]
    fn keys_are_absent_from_debug_output() {
        assert_eq!(format!("{:?}", key("hunter2")), "PlaceholderKey");
    }
}
