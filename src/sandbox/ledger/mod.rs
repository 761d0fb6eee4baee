//! What WeChat knows about tokens, as arithmetic: no sockets, no clock of its own.
//!
//! Every method takes `now`, the time since the ledger began, so the same ledger serves the sandbox
//! over real sockets and a property test that lives through simulated weeks. Nothing is drawn at
//! random but the tokens' text, and that from a seed. The facts are those of wechat.md §1; quotas
//! are counted in fixed windows from time zero.

mod book;
mod line;
mod quota;
mod text;

use std::collections::HashMap;
use std::time::Duration;

use book::Book;
use text::TokenText;

/// The numbers that the platform's behaviour hangs on.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long a token lives; whole seconds, 7,200 s by default.
    pub lifetime: Duration,
    /// How long a classic token outlives the next one; 300 s by default, zero kills it at once.
    pub classic_overlap: Duration,
    /// The last part of a stable token's life, in which normal mode hands out the next one; 300 s.
    pub stable_renewal: Duration,
    /// Least time between two forced refreshes; 30 s.
    pub force_interval: Duration,
    /// Forced refreshes a day; 20.
    pub forced_a_day: u32,
    /// Classic fetches a day; 2,000 (a test account has 200).
    pub classic_a_day: u32,
    /// Stable fetches a minute, both modes together; 10,000.
    pub stable_a_minute: u32,
    /// Stable fetches a day, both modes together; 500,000.
    pub stable_a_day: u32,
}

impl Rules {
    /// WeChat's numbers with another lifetime: the two times of five minutes shrink to at most the
    /// 24th part of it, as they are of two hours.
    pub fn with_lifetime(lifetime: Duration) -> Self {
        let tail = (lifetime / 24).min(Duration::from_secs(300));
        Self { lifetime, classic_overlap: tail, stable_renewal: tail, ..Self::default() }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(7200),
            classic_overlap: Duration::from_secs(300),
            stable_renewal: Duration::from_secs(300),
            force_interval: Duration::from_secs(30),
            forced_a_day: 20,
            classic_a_day: 2000,
            stable_a_minute: 10_000,
            stable_a_day: 500_000,
        }
    }
}

/// The two token endpoints, whose tokens do not invalidate each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `/cgi-bin/token`
    Classic,
    /// `/cgi-bin/stable_token`
    Stable,
}

/// What a token endpoint hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The token's text.
    pub token: String,
    /// Its remaining life in whole seconds, rounded down.
    pub expires_in: u64,
}

/// Why a token endpoint hands out nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 45011: the minute's fetches are spent.
    MinuteQuota,
    /// 45009: the day's fetches, or the day's forced refreshes, are spent.
    DailyQuota,
}

impl Refusal {
    /// WeChat's errcode for it.
    pub fn errcode(self) -> i64 {
        match self {
            Self::MinuteQuota => 45011,
            Self::DailyQuota => 45009,
        }
    }
}

/// What WeChat says of a token that came with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The token lives.
    Fine,
    /// 40001: superseded, killed, or never issued.
    Invalid,
    /// 42001: it reached the end of its natural life.
    Expired,
    /// 41001: none came.
    Missing,
}

impl Judgement {
    /// WeChat's errcode for it; `None` when the token is fine.
    pub fn errcode(self) -> Option<i64> {
        match self {
            Self::Fine => None,
            Self::Invalid => Some(40001),
            Self::Expired => Some(42001),
            Self::Missing => Some(41001),
        }
    }
}

/// How often an account's token was fetched, strangers' fetches left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetches {
    /// Calls of the classic endpoint.
    pub classic: u64,
    /// Calls of the stable endpoint in normal mode.
    pub stable: u64,
    /// Calls of the stable endpoint with `force_refresh`.
    pub forced: u64,
    /// Those of the above that a quota refused.
    pub refused: u64,
    /// Those of the above that brought a new token into the world.
    pub minted: u64,
}

/// Every account's tokens and quotas.
///
/// An account begins with its first fetch; whether an appid and a secret are right is not the
/// ledger's business.
#[derive(Debug)]
pub struct Ledger {
    rules: Rules,
    books: HashMap<String, Book>,
    text: TokenText,
}

impl Ledger {
    /// An empty ledger. The same seed and the same calls give the same tokens.
    pub fn new(rules: Rules, seed: u64) -> Self {
        Self { rules, books: HashMap::new(), text: TokenText::new(seed) }
    }

    /// A classic fetch: always a new token, which supersedes the one before.
    ///
    /// # Errors
    /// [`Refusal::DailyQuota`].
    pub fn classic(&mut self, appid: &str, now: Duration) -> Result<Grant, Refusal> {
        let (book, text) = self.open(appid);
        book.classic(text, now)
    }

    /// A stable fetch. In normal mode the same token until it nears its end. Forced, a new one that
    /// kills the one before at once; a force that comes too soon after the last is a normal fetch.
    ///
    /// # Errors
    /// [`Refusal::MinuteQuota`] or [`Refusal::DailyQuota`]. That the 21st forced refresh of a day
    /// gets 45009 is inferred.
    pub fn stable(&mut self, appid: &str, force: bool, now: Duration) -> Result<Grant, Refusal> {
        let (book, text) = self.open(appid);
        book.stable(force, text, now)
    }

    /// Another system that has the account's secret refreshes: it mints a classic token, or forces
    /// a stable one. Free of quotas and of the 30 s.
    pub fn another_system_refreshes(&mut self, appid: &str, kind: Kind, now: Duration) {
        let (book, text) = self.open(appid);
        match kind {
            Kind::Classic => book.mint_classic(text, now),
            Kind::Stable => book.mint_forced(text, now),
        };
    }

    /// Every token of every account dies, and the next fetch in any mode brings a new one.
    pub fn kill_tokens(&mut self, now: Duration) {
        self.books.values_mut().for_each(|book| book.kill(now, true));
    }

    /// Every token dies, but normal mode goes on handing out the dead one until it would have
    /// ended: only force helps.
    pub fn kill_tokens_unnoticed(&mut self, now: Duration) {
        self.books.values_mut().for_each(|book| book.kill(now, false));
    }

    /// The account's quotas start anew, as after `clear_quota`. The 30 s between two forces stay.
    pub fn clear_quotas(&mut self, appid: &str) {
        self.open(appid).0.clear_quotas();
    }

    /// What WeChat says of the token that a call carries. An empty one is a missing one.
    pub fn judge(&self, token: Option<&str>, now: Duration) -> Judgement {
        match token {
            None | Some("") => Judgement::Missing,
            Some(token) => self.books.values().find_map(|book| book.judge(token, now)).unwrap_or(Judgement::Invalid),
        }
    }

    /// The appid whose token this is or was; a token dead for long is forgotten.
    pub fn owner(&self, token: &str) -> Option<&str> {
        self.books.iter().find(|(_, book)| book.knows(token)).map(|(appid, _)| appid.as_str())
    }

    /// The newest token of an account, alive or not.
    pub fn newest(&self, appid: &str, kind: Kind) -> Option<&str> {
        self.books.get(appid)?.newest(kind)
    }

    /// How often the account's token was fetched so far.
    pub fn fetches(&self, appid: &str) -> Fetches {
        self.books.get(appid).map(Book::fetches).unwrap_or_default()
    }

    fn open(&mut self, appid: &str) -> (&mut Book, &mut TokenText) {
        let book = self.books.entry(appid.to_owned()).or_insert_with(|| Book::new(self.rules.clone()));
        (book, &mut self.text)
    }
}

#[cfg(test)]
mod tests;
