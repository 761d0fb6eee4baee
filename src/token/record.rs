//! What became of fetches: the last one, and how many there were of each kind.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::failure::Failure;
use super::issuer::Fetch;
use super::spent::Spent;
use crate::wechat;

/// On whose account a fetch is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It was due.
    Timer,
    /// WeChat refused the token.
    Rejection,
    /// The operator asked for it.
    Operator,
}

impl Reason {
    /// Its name in logs, metrics and the status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Rejection => "rejection",
            Self::Operator => "operator",
        }
    }
}

/// What a fetch brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// Another token than before.
    New,
    /// The same token.
    Same,
    /// None.
    Nothing(Failure),
}

/// One fetch that has ended.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// When.
    pub at: SystemTime,
    /// Why.
    pub reason: Reason,
    /// Which call.
    pub endpoint: Fetch,
    /// What came of it.
    pub brought: Brought,
}

/// Why WeChat's refusal of a token went to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unhealed {
    /// No fetch was allowed.
    Spent(Spent),
    /// WeChat itself says that the token is alive.
    Alive,
}

/// What a fetch's result is called in metrics; there are few, whatever WeChat answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FetchResult {
    /// A token.
    Token,
    /// No answer, or one that is neither a token nor an errcode.
    NoAnswer,
    /// An errcode whose meaning is known.
    Errcode(i64),
    /// Another errcode.
    Other,
}

impl From<&Brought> for FetchResult {
    fn from(brought: &Brought) -> Self {
        match brought {
            Brought::New | Brought::Same => Self::Token,
            Brought::Nothing(Failure { errcode: None, .. }) => Self::NoAnswer,
            Brought::Nothing(Failure { errcode: Some(errcode), .. }) if wechat::is_known(*errcode) => {
                Self::Errcode(*errcode)
            }
            Brought::Nothing(_) => Self::Other,
        }
    }
}

/// How many fetches there were, by reason and result.
#[derive(Debug, Default)]
pub struct FetchCounts(Mutex<BTreeMap<(Reason, FetchResult), u64>>);

impl FetchCounts {
    pub(super) fn count(&self, fetched: &Fetched) {
        *self.lock().entry((fetched.reason, FetchResult::from(&fetched.brought))).or_default() += 1;
    }

    /// All of them; what never happened is not there.
    pub fn read(&self) -> BTreeMap<(Reason, FetchResult), u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Reason, FetchResult), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
