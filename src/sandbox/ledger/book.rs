//! One account: its two lines of tokens, its quotas, its counters.

use std::time::Duration;

use super::line::Line;
use super::quota::Quota;
use super::text::TokenText;
use super::{Fetches, Grant, Judgement, Kind, Refusal, Rules};

#[derive(Debug)]
pub(super) struct Book {
    rules: Rules,
    classic: Line,
    stable: Line,
    classic_day: Quota,
    stable_minute: Quota,
    stable_day: Quota,
    forced_day: Quota,
    last_force: Option<Duration>,
    fetches: Fetches,
}

impl Book {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            classic: Line::default(),
            stable: Line::default(),
            classic_day: Quota::a_day(rules.classic_a_day),
            stable_minute: Quota::a_minute(rules.stable_a_minute),
            stable_day: Quota::a_day(rules.stable_a_day),
            forced_day: Quota::a_day(rules.forced_a_day),
            last_force: None,
            fetches: Fetches::default(),
            rules,
        }
    }

    pub(super) fn classic(&mut self, text: &mut TokenText, now: Duration) -> Result<Grant, Refusal> {
        self.fetches.classic += 1;
        if !self.classic_day.take(now) {
            return Err(self.refuse(Refusal::DailyQuota));
        }
        self.fetches.minted += 1;
        Ok(self.mint_classic(text, now))
    }

    pub(super) fn stable(&mut self, force: bool, text: &mut TokenText, now: Duration) -> Result<Grant, Refusal> {
        let count = if force { &mut self.fetches.forced } else { &mut self.fetches.stable };
        *count += 1;
        if !self.stable_minute.take(now) {
            return Err(self.refuse(Refusal::MinuteQuota));
        }
        if !self.stable_day.take(now) {
            return Err(self.refuse(Refusal::DailyQuota));
        }
        if !(force && self.force_is_due(now)) {
            return Ok(self.stable_normal(text, now));
        }
        if !self.forced_day.take(now) {
            return Err(self.refuse(Refusal::DailyQuota));
        }
        self.last_force = Some(now);
        self.fetches.minted += 1;
        Ok(self.mint_forced(text, now))
    }

    /// A new classic token; the ones before live on for the overlap.
    pub(super) fn mint_classic(&mut self, text: &mut TokenText, now: Duration) -> Grant {
        self.classic.end_all(now + self.rules.classic_overlap);
        self.classic.mint(text.next(), now, self.rules.lifetime)
    }

    /// A new stable token; the ones before are dead.
    pub(super) fn mint_forced(&mut self, text: &mut TokenText, now: Duration) -> Grant {
        self.stable.end_all(now);
        self.stable.mint(text.next(), now, self.rules.lifetime)
    }

    /// All tokens die; `noticed` or not by the endpoint that hands them out.
    pub(super) fn kill(&mut self, now: Duration, noticed: bool) {
        for line in [&mut self.classic, &mut self.stable] {
            line.end_all(now);
            if noticed {
                line.withdraw();
            }
        }
    }

    pub(super) fn clear_quotas(&mut self) {
        for quota in [&mut self.classic_day, &mut self.stable_minute, &mut self.stable_day, &mut self.forced_day] {
            quota.clear();
        }
    }

    pub(super) fn judge(&self, token: &str, now: Duration) -> Option<Judgement> {
        self.classic.judge(token, now).or_else(|| self.stable.judge(token, now))
    }

    pub(super) fn knows(&self, token: &str) -> bool {
        self.judge(token, Duration::ZERO).is_some()
    }

    pub(super) fn newest(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Classic => self.classic.newest(),
            Kind::Stable => self.stable.newest(),
        }
    }

    pub(super) fn fetches(&self) -> Fetches {
        self.fetches
    }

    /// The token before the renewed one keeps the rest of its natural life.
    fn stable_normal(&mut self, text: &mut TokenText, now: Duration) -> Grant {
        if let Some(grant) = self.stable.offer(now, self.rules.stable_renewal) {
            return grant;
        }
        self.fetches.minted += 1;
        self.stable.mint(text.next(), now, self.rules.lifetime)
    }

    fn force_is_due(&self, now: Duration) -> bool {
        self.last_force.is_none_or(|last| now >= last + self.rules.force_interval)
    }

    fn refuse(&mut self, refusal: Refusal) -> Refusal {
        self.fetches.refused += 1;
        refusal
    }
}
