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

/// Class, status and errcode class in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome(u32);

/// Where the errcode's label comes from, in the lowest byte: 0 and 1, or a class of WeChat's from here on.
const WECHATS: u32 = 2;
const NO_ERRCODE: u32 = 0;
const GATEWAY: u32 = 1;

impl Outcome {
    /// All those that found no place of their own.
    pub(super) const OTHER: Self = Self(u32::MAX);

    /// `status` is `None` where the caller left before there was an answer; `own` says that the answer was the gateway's.
    pub fn of(class: Class, status: Option<u16>, errcode: Option<i64>, own: bool) -> Self {
        let word = match errcode {
            _ if own => GATEWAY,
            None => NO_ERRCODE,
            Some(errcode) => WECHATS + errcode_class(errcode) as u32,
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

    /// The value of the label `class`.
    pub fn class(self) -> &'static str {
        CLASSES.get((self.0 >> 24) as usize).copied().unwrap_or("other")
    }

    /// The value of the label `status`: `none` where there was no answer.
    pub fn status(self) -> String {
        match self.0 >> 8 & 0xFFFF {
            _ if self == Self::OTHER => "other".to_owned(),
            0 => "none".to_owned(),
            status => status.to_string(),
        }
    }

    /// The value of the label `errcode`: `none` where no errcode was looked for or found, `gateway` for the gateway's own.
    pub fn errcode(self) -> &'static str {
        match self.0 & 0xFF {
            NO_ERRCODE => "none",
            GATEWAY => "gateway",
            class => ErrcodeClass::ALL.get((class - WECHATS) as usize).map_or("other", |class| class.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_survives_its_key_and_names_its_labels() {
        for (outcome, labels) in [
            (Outcome::of(Class::Token, Some(200), Some(0), false), ("token", "200", "ok")),
            (Outcome::of(Class::Token, Some(200), None, false), ("token", "200", "none")),
            (Outcome::of(Class::TokenEndpoint, Some(200), None, true), ("token_endpoint", "200", "gateway")),
            (Outcome::of(Class::Unknown, Some(503), Some(1), true), ("unknown", "503", "gateway")),
            (Outcome::of(Class::Secret, None, None, false), ("secret", "none", "none")),
            (
                Outcome::of(Class::TokenAndSecret, Some(999), Some(i64::MIN), false),
                ("token_and_secret", "999", "other"),
            ),
            (Outcome::OTHER, ("other", "other", "other")),
        ] {
            let back = Outcome::of_key(outcome.key());
            assert_eq!((back.class(), back.status().as_str(), back.errcode()), labels);
            assert_ne!(outcome.key(), 0);
        }
    }
}
