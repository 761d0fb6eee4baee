//! What a token looks like.

use fastrand::Rng;

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// Draws tokens that look like WeChat's: `92_`, then `[A-Za-z0-9_-]`, 136 to 160 characters in all
/// (wechat.md §1). Not fit for secrets: whoever knows the seed knows them all.
#[derive(Debug)]
pub(super) struct TokenText(Rng);

impl TokenText {
    pub(super) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    pub(super) fn next(&mut self) -> String {
        let mut token = String::from("92_");
        let length = self.0.usize(136..=160);
        while token.len() < length {
            token.push(char::from(self.0.choice(ALPHABET).copied().unwrap_or(b'_')));
        }
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_look_like_the_real_thing_and_differ() {
        let mut text = TokenText::new(1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let token = text.next();
            assert!((136..=160).contains(&token.len()), "{}", token.len());
            assert!(token.starts_with("92_") && token.bytes().all(|b| ALPHABET.contains(&b)), "{token}");
            assert!(seen.insert(token));
        }
        assert_eq!(TokenText::new(7).next(), TokenText::new(7).next());
    }
}
