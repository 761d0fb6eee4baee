//! A WeChat without sockets: the sandbox's ledger on tokio's clock, with troubles on demand.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wxgate::sandbox::{Grant, Judgement, Ledger, Refusal, Rules};
use wxgate::secret::{ExposeSecret, SecretString};
use wxgate::token::{Failure, Fetch, Issued, Issuer, Liveness};
use wxgate::wechat::Fault;

/// The only account.
pub const APPID: &str = "wx1";

/// Why the token endpoints hand out nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The connection is refused.
    Unreachable,
    /// No answer within the 10 s that `token.fetch_timeout` allows.
    Silent,
    /// This errcode.
    Errcode(i64),
}

/// One call to a token endpoint; times are counted from the start of the world.
#[derive(Debug, Clone)]
pub struct Call {
    pub fetch: Fetch,
    pub began: Duration,
    pub ended: Duration,
    pub outcome: Result<Grant, Failure>,
    /// Whether the last token that was handed out lived when the call was made.
    pub last_token_lived: bool,
}

/// The issuer; clones are the same one.
#[derive(Debug, Clone)]
pub struct Wechat {
    began: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    latency: Duration,
    trouble: Option<Trouble>,
    stable_endpoint: bool,
    answers_questions: bool,
    /// The last that was handed out.
    token: Option<String>,
    calls: Vec<Call>,
    questions: Vec<Duration>,
}

impl Wechat {
    pub fn new(rules: Rules) -> Self {
        let state = State {
            ledger: Ledger::new(rules, 7),
            latency: Duration::from_millis(100),
            trouble: None,
            stable_endpoint: true,
            answers_questions: true,
            token: None,
            calls: Vec::new(),
            questions: Vec::new(),
        };
        Self { began: Instant::now(), state: Arc::new(Mutex::new(state)) }
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// From now on, each answer takes this long.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// From now on, the token endpoints do this; `None` for what they should.
    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        self.lock().trouble = trouble;
    }

    /// Whether there is a stable endpoint.
    pub fn set_stable_endpoint(&self, present: bool) {
        self.lock().stable_endpoint = present;
    }

    /// Whether the question if a token lives gets an answer.
    pub fn set_answers_questions(&self, answers: bool) {
        self.lock().answers_questions = answers;
    }

    /// Looks into the ledger, or changes it, at the present time.
    pub fn with_ledger<R>(&self, work: impl FnOnce(&mut Ledger, Duration) -> R) -> R {
        let now = self.now();
        work(&mut self.lock().ledger, now)
    }

    /// Whether a call with this token would be taken.
    pub fn takes(&self, token: &SecretString) -> bool {
        self.with_ledger(|ledger, now| ledger.judge(Some(token.expose_secret()), now) == Judgement::Fine)
    }

    /// The calls to the token endpoints that have ended.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Which endpoints were asked, in their order.
    pub fn fetches(&self) -> Vec<Fetch> {
        self.lock().calls.iter().map(|call| call.fetch).collect()
    }

    /// When it was answered whether a token lives.
    pub fn questions(&self) -> Vec<Duration> {
        self.lock().questions.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn answer(&mut self, fetch: Fetch, now: Duration) -> Result<Grant, Failure> {
        match self.trouble {
            Some(Trouble::Unreachable | Trouble::Silent) => return Err(Failure::unreachable("nobody there")),
            Some(Trouble::Errcode(errcode)) => return Err(Failure::refused(errcode, "so WeChat says")),
            None => {}
        }
        if fetch != Fetch::Classic && !self.stable_endpoint {
            return Err(Failure { fault: Fault::NoSuchEndpoint, ..Failure::garbage("status 404") });
        }
        let grant = match fetch {
            Fetch::Classic => self.ledger.classic(APPID, now),
            Fetch::Stable => self.ledger.stable(APPID, false, now),
            Fetch::Forced => self.ledger.stable(APPID, true, now),
        };
        grant.map_err(|refusal: Refusal| Failure::refused(refusal.errcode(), "so WeChat says"))
    }

    fn last_token_lives(&self, now: Duration) -> bool {
        self.token.is_some() && self.ledger.judge(self.token.as_deref(), now) == Judgement::Fine
    }
}

impl Issuer for Wechat {
    async fn fetch(&self, fetch: Fetch) -> Result<Issued, Failure> {
        let began = self.now();
        let (last_token_lived, trouble, latency) = {
            let state = self.lock();
            (state.last_token_lives(began), state.trouble, state.latency)
        };
        if trouble == Some(Trouble::Silent) {
            sleep(Duration::from_secs(10)).await;
        } else {
            sleep(latency).await;
        }
        let ended = self.now();
        let mut state = self.lock();
        let outcome = match trouble {
            Some(Trouble::Silent) => Err(Failure::unreachable("no answer")),
            _ => state.answer(fetch, ended),
        };
        state.calls.push(Call { fetch, began, ended, outcome: outcome.clone(), last_token_lived });
        let grant = outcome?;
        state.token = Some(grant.token.clone());
        Ok(Issued { token: grant.token.into(), expires_in: Duration::from_secs(grant.expires_in) })
    }

    async fn ask(&self, token: &SecretString) -> Liveness {
        let latency = self.lock().latency;
        sleep(latency).await;
        let (now, lives) = (self.now(), self.takes(token));
        let mut state = self.lock();
        state.questions.push(now);
        match (state.answers_questions, lives) {
            (false, _) => Liveness::Unknown,
            (true, true) => Liveness::Alive,
            (true, false) => Liveness::Dead,
        }
    }
}
