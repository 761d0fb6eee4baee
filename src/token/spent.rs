//! Which budget is spent, in words.

use std::fmt;
use std::time::Duration;

use super::issuer::Fetch;

/// WeChat refreshes by force at most this many times a day (wechat.md §1).
pub(super) const FORCED_A_DAY: usize = 20;
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Why a rejection may not fetch now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// WeChat never accepted the current token, and it is too young to be replaced.
    Trial,
    /// Too many fetches of this kind for rejections lately.
    Rate(Fetch),
    /// Forced refreshes come less than 30 s apart.
    ForcedTooSoon,
    /// The day's 20 forced refreshes are used up.
    ForcedToday,
    /// The issuer hands out the rejected token again, and nothing is left to ask for.
    SameToken,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trial => "WeChat never accepted the current token, and it is too young to be replaced",
            Self::Rate(Fetch::Classic) => "too many classic fetches for rejected tokens (20, then one a minute)",
            Self::Rate(_) => "too many fetches for rejected tokens (60 a minute)",
            Self::ForcedTooSoon => "a forced refresh is allowed once in 30 s",
            Self::ForcedToday => "the day's 20 forced refreshes are used up",
            Self::SameToken => "the issuer hands out the same token again",
        })
    }
}
