//! How a request ended, as one small number: counting needs no text, and every label has few values whatever comes in.

use crate::wechat::{ErrcodeClass, errcode_class};

/// Which credential a request takes, as far as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The account's token.
    Token,
    /// The account's appid and secret.
    Secret,
    /// Both.
    TokenAndSecret,
    /// It carries another credential than the account's, or needs none.
    Untouched,
    /// A token endpoint, answered here.
    TokenEndpoint,
    /// It was refused before that was known.
    Unknown,
}

/// In the order of [`Class`].
const CLASSES: [&str; 6] = ["token", "secret", "token_and_secret", "untouched", "token_endpoint", "unknown"];

/// Class, status, and kind of errcode or of the gateway's own answer, in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome(u32);

// What stands in the lowest byte: nothing, a class of errcodes from here on …
const ERRCODES: u32 = 1;
/// … or a kind of the gateway's own answers from here on.
const KINDS: u32 = 64;

impl Outcome {
    /// All those that found no place of their own.
    pub(super) const OTHER: Self = Self(u32::MAX);

    /// `status` is `None` where the caller left before there was an answer; `kind` is the number of the gateway's own
    /// answer, at most 190.
    pub fn of(class: Class, status: Option<u16>, errcode: Option<i64>, kind: Option<u8>) -> Self {
        let word = match (kind, errcode) {
            (Some(kind), _) => KINDS + u32::from(kind.min(190)),
            (None, Some(errcode)) => ERRCODES + errcode_class(errcode) as u32,
            (None, None) => 0,
        };
        Self((class as u32) << 24 | u32::from(status.unwrap_or_default()) << 8 | word)
    }

    /// A number that is never 0.
    pub(super) fn key(self) -> u32 {
        self.0.saturating_add(1)
    }

    /// The outcome that gave this number.
    pub(super) fn of_key(key: u32) -> Self {
        if key == Self::OTHER.key() { Self::OTHER } else { Self(key.saturating_sub(1)) }
    }

    fn status_code(self) -> u32 {
        self.0 >> 8 & 0xFFFF
    }

    fn word(self) -> u32 {
        self.0 & 0xFF
    }

    /// The value of the label `class`.
    pub fn class(self) -> &'static str {
        CLASSES.get((self.0 >> 24) as usize).copied().unwrap_or("other")
    }

    /// The value of the label `status`: `none` where there was no answer.
    pub fn status(self) -> String {
        match self.status_code() {
            _ if self == Self::OTHER => "other".to_owned(),
            0 => "none".to_owned(),
            status => status.to_string(),
        }
    }

    /// The value of the label `errcode`: `none` where no errcode was looked for or found.
    pub fn errcode(self) -> &'static str {
        match self {
            Self::OTHER => "other",
            _ => self.errcode_class().map_or("none", ErrcodeClass::name),
        }
    }

    /// The kind of WeChat's errcode, where there was one.
    pub fn errcode_class(self) -> Option<ErrcodeClass> {
        ErrcodeClass::ALL.get(self.word().checked_sub(ERRCODES)? as usize).copied()
    }

    /// The number of the gateway's own answer, where it was that.
    pub fn kind(self) -> Option<usize> {
        self.word().checked_sub(KINDS).filter(|_| self != Self::OTHER).map(|kind| kind as usize)
    }

    /// Whether something went wrong: anything but an answer below 400 in which WeChat consented.
    pub fn has_failed(self) -> bool {
        self.status_code() >= 400
            || self.kind().is_some()
            || self.errcode_class().is_some_and(|class| class != ErrcodeClass::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_survives_its_key_and_names_its_labels() {
        for (outcome, labels) in [
            (Outcome::of(Class::Token, Some(200), Some(0), None), ("token", "200", "ok", None)),
            (Outcome::of(Class::Token, Some(200), None, None), ("token", "200", "none", None)),
            (Outcome::of(Class::TokenEndpoint, Some(200), None, Some(22)), ("token_endpoint", "200", "none", Some(22))),
            (Outcome::of(Class::Unknown, Some(503), Some(1), Some(0)), ("unknown", "503", "none", Some(0))),
            (Outcome::of(Class::Secret, None, None, None), ("secret", "none", "none", None)),
            (Outcome::of(Class::TokenAndSecret, Some(999), Some(-7), None), ("token_and_secret", "999", "other", None)),
            (Outcome::OTHER, ("other", "other", "other", None)),
        ] {
            let back = Outcome::of_key(outcome.key());
            assert_eq!((back.class(), back.status().as_str(), back.errcode(), back.kind()), labels);
            assert_ne!(outcome.key(), 0);
        }
    }

    #[test]
    fn what_went_wrong_is_told_from_what_went_well() {
        let fine = [
            Outcome::of(Class::Token, Some(200), Some(0), None),
            Outcome::of(Class::Untouched, Some(302), None, None),
            Outcome::of(Class::Token, None, None, None),
        ];
        let wrong = [
            Outcome::of(Class::Token, Some(200), Some(40001), None),
            Outcome::of(Class::Token, Some(500), None, None),
            Outcome::of(Class::Token, Some(200), None, Some(8)),
        ];
        assert!(fine.iter().all(|outcome| !outcome.has_failed()) && wrong.iter().all(|outcome| outcome.has_failed()));
    }
}
