//! The tokens that one endpoint issued for one account, one after the other.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Grant, Judgement};

/// How many tokens are remembered beyond their death, so that an expired one can be told from one
/// never issued. Bounds the memory of simulated years.
const REMEMBERED: usize = 64;

/// One endpoint's tokens, the newest last.
#[derive(Debug, Default)]
pub(super) struct Line {
    issued: VecDeque<Issued>,
    /// Whether the newest is still what normal mode hands out.
    offered: bool,
}

#[derive(Debug)]
struct Issued {
    token: String,
    /// The end of its natural life.
    expires: Duration,
    /// When it dies; earlier than `expires` if it is superseded or killed.
    ends: Duration,
}

impl Line {
    pub(super) fn mint(&mut self, token: String, now: Duration, lifetime: Duration) -> Grant {
        while self.issued.len() >= REMEMBERED && self.issued.front().is_some_and(|oldest| oldest.ends <= now) {
            self.issued.pop_front();
        }
        let expires = now + lifetime;
        self.issued.push_back(Issued { token: token.clone(), expires, ends: expires });
        self.offered = true;
        Grant { token, expires_in: lifetime.as_secs() }
    }

    /// The newest token, if it is still handed out and has at least `least` left to live.
    pub(super) fn offer(&self, now: Duration, least: Duration) -> Option<Grant> {
        let newest = self.issued.back().filter(|_| self.offered)?;
        let left = newest.expires.checked_sub(now).filter(|left| !left.is_zero() && *left >= least)?;
        Some(Grant { token: newest.token.clone(), expires_in: left.as_secs() })
    }

    /// All tokens die at `at`, unless they die before. They go on being handed out.
    pub(super) fn end_all(&mut self, at: Duration) {
        for issued in &mut self.issued {
            issued.ends = issued.ends.min(at);
        }
    }

    /// The newest token is not handed out any more.
    pub(super) fn withdraw(&mut self) {
        self.offered = false;
    }

    /// `None` when the token is not of this line.
    pub(super) fn judge(&self, token: &str, now: Duration) -> Option<Judgement> {
        let issued = self.issued.iter().rev().find(|issued| issued.token == token)?;
        Some(match issued {
            alive if now < alive.ends => Judgement::Fine,
            worn_out if worn_out.ends == worn_out.expires => Judgement::Expired,
            _ => Judgement::Invalid,
        })
    }

    pub(super) fn newest(&self) -> Option<&str> {
        self.issued.back().map(|issued| issued.token.as_str())
    }
}
