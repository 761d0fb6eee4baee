//! A token as it lies in Redis: sealed, so that whoever reads Redis gets no token that WeChat would take.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf;
use serde::{Deserialize, Serialize};

use crate::secret::{ExposeSecret, SecretString};
use crate::token::issuer::Fetch;
use crate::token::store::Stored;

/// AES-256-GCM, under a key that HKDF-SHA-256 (RFC 5869) makes from the AppSecret: whoever has that can fetch tokens
/// anyway. The nonce is random and stands before the rest; appid and fence are authenticated, so that no old token can
/// be passed off as a new one.
pub(super) struct Seal {
    key: RandomizedNonceKey,
    appid: String,
}

/// What is sealed. What is left of the life is not in it: Redis counts that, by one clock for all replicas.
#[derive(Deserialize)]
struct Content {
    token: SecretString,
    minted_by: String,
    life: u64,
}

/// The same, going in.
#[derive(Serialize)]
struct Written<'a> {
    token: &'a str,
    minted_by: &'a str,
    life: u64,
}

impl Seal {
    pub(super) fn derive(secret: &SecretString, appid: &str) -> Result<Self, Unspecified> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"wxgate store");
        let mut bytes = [0; 32];
        salt.extract(secret.expose_secret().as_bytes()).expand(&[b"v1"], hkdf::HKDF_SHA256)?.fill(&mut bytes)?;
        Ok(Self { key: RandomizedNonceKey::new(&AES_256_GCM, &bytes)?, appid: appid.to_owned() })
    }

    pub(super) fn seal(&self, stored: &Stored) -> Result<Vec<u8>, Unspecified> {
        let life = u64::try_from((stored.age + stored.left).as_millis()).unwrap_or(u64::MAX);
        let written = Written { token: stored.token.expose_secret(), minted_by: stored.minted_by.name(), life };
        let mut sealed = serde_json::to_vec(&written).map_err(|_| Unspecified)?;
        let nonce = self.key.seal_in_place_append_tag(self.aad(stored.fence), &mut sealed)?;
        Ok([&nonce.as_ref()[..], &sealed].concat())
    }

    /// `None` where it was sealed with another secret, for another account or fence, or is damaged.
    pub(super) fn open(&self, fence: u64, mut sealed: Vec<u8>, left: Duration) -> Option<Stored> {
        let (nonce, rest) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let content = self.key.open_in_place(nonce, self.aad(fence), rest).ok()?;
        let content: Content = serde_json::from_slice(content).ok()?;
        Some(Stored {
            fence,
            token: content.token,
            minted_by: Fetch::named(&content.minted_by)?,
            age: Duration::from_millis(content.life).saturating_sub(left),
            left,
        })
    }

    fn aad(&self, fence: u64) -> Aad<Vec<u8>> {
        Aad::from([&fence.to_be_bytes(), self.appid.as_bytes()].concat())
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(secret: &str, appid: &str) -> Seal {
        Seal::derive(&secret.into(), appid).unwrap()
    }

    fn stored() -> Stored {
        let (age, left) = (Duration::from_secs(100), Duration::from_secs(7100));
        Stored { fence: 3, token: "92_topsecret".into(), minted_by: Fetch::Classic, age, left }
    }

    #[test]
    fn what_was_sealed_is_opened_and_ages_by_what_is_left() {
        let sealed = seal("s", "wx1").seal(&stored()).unwrap();
        let opened = seal("s", "wx1").open(3, sealed, Duration::from_secs(7000)).unwrap();
        assert_eq!((opened.token.expose_secret(), opened.minted_by), ("92_topsecret", Fetch::Classic));
        assert_eq!((opened.age, opened.left), (Duration::from_secs(200), Duration::from_secs(7000)));
    }

    #[test]
    fn the_token_cannot_be_read_in_it_and_no_two_are_alike() {
        let [one, other] = [(); 2].map(|()| seal("s", "wx1").seal(&stored()).unwrap());
        assert!(!String::from_utf8_lossy(&one).contains("topsecret"));
        assert_ne!(one, other);
    }

    #[test]
    fn it_opens_for_no_other_secret_account_or_fence_and_not_when_changed_or_cut() {
        let sealed = seal("s", "wx1").seal(&stored()).unwrap();
        let left = stored().left;
        assert!(seal("t", "wx1").open(3, sealed.clone(), left).is_none());
        assert!(seal("s", "wx2").open(3, sealed.clone(), left).is_none());
        assert!(seal("s", "wx1").open(4, sealed.clone(), left).is_none());
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(seal("s", "wx1").open(3, changed, left).is_none(), "{index}");
            assert!(seal("s", "wx1").open(3, sealed[..index].to_vec(), left).is_none(), "{index}");
        }
    }
}
