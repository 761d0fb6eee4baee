//! Placeholders: what a caller holds instead of the token (DESIGN §6).
//!
//! A placeholder names its account, is worth nothing outside this gateway, and cannot be made by anybody else:
//!
//! ```text
//! wxgate_ + base64url( version 1 | issue time, 8 bytes | appid length, 1 byte | appid | HMAC-SHA-256, 32 bytes )
//! ```
//!
//! The key comes from the account's `placeholder_key`, else from its secret, so that replicas and restarts agree.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{hkdf, hmac};
use data_encoding::BASE64URL_NOPAD;

use crate::secret::{ExposeSecret, SecretString};

/// Every placeholder begins so, and no token of WeChat's does (`92_…`, WECHAT.md §1).
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

    /// A placeholder for the account of this appid.
    pub fn issue(&self, appid: &str, now: SystemTime) -> String {
        let issued_at = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // Longer than 255 bytes no appid is; a cut one would not verify, and so do no harm.
        let length = u8::try_from(appid.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&issued_at.to_be_bytes());
        bytes.push(length);
        bytes.extend_from_slice(&appid.as_bytes()[..usize::from(length)]);
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }

    /// Whether this key signed the placeholder. Takes the same time wherever they differ.
    pub fn signed(&self, placeholder: &Placeholder) -> bool {
        hmac::verify(&self.0, &placeholder.claims, &placeholder.tag).is_ok()
    }
}

impl fmt::Debug for PlaceholderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaceholderKey")
    }
}

/// A placeholder as it was presented: nothing in it is to be believed before its key says [`PlaceholderKey::signed`].
#[derive(Debug)]
pub struct Placeholder {
    claims: Vec<u8>,
    tag: [u8; TAG],
}

impl Placeholder {
    /// Reads what follows the prefix; `None` for anything that no gateway of this version made.
    pub fn parse(token: &str) -> Option<Self> {
        let mut bytes = BASE64URL_NOPAD.decode(token.strip_prefix(PREFIX)?.as_bytes()).ok()?;
        let tag = bytes.split_off(bytes.len().checked_sub(TAG)?).try_into().ok()?;
        let placeholder = Self { claims: bytes, tag };
        placeholder.appid().is_some().then_some(placeholder)
    }

    /// The account that it names.
    pub fn appid(&self) -> Option<&str> {
        let [VERSION, rest @ ..] = self.claims.as_slice() else { return None };
        let (&length, appid) = rest.get(8..)?.split_first()?;
        std::str::from_utf8(appid).ok().filter(|appid| appid.len() == usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(secret: &str) -> PlaceholderKey {
        PlaceholderKey::derive(&secret.into()).unwrap()
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn a_placeholder_names_its_account_and_verifies_under_its_key_only() {
        let token = key("secret-a").issue("wx1234567890abcdef", now());
        assert!(token.starts_with("wxgate_") && token.len() <= 512, "{token}");
        let placeholder = Placeholder::parse(&token).unwrap();
        assert_eq!(placeholder.appid(), Some("wx1234567890abcdef"));
        assert!(key("secret-a").signed(&placeholder), "another process with the same secret agrees");
        assert!(!key("secret-b").signed(&placeholder));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (key, token) = (key("s"), key("s").issue("wx1", now()));
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
