//! A script, lived through, and what was seen.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use wxgate::config::TokenKind;
use wxgate::sandbox::{Fetches, Rules};
use wxgate::token::{MemoryStore, TokenHandle};

use super::script::{Event, Script};
use crate::wechat::{APPID, Call, Trouble, Wechat};
use crate::world::{Outcome, Sent, World, pass, request, s};

/// What was seen of a life.
pub struct Record {
    pub calls: Vec<Call>,
    pub questions: Vec<Duration>,
    /// In the order of their ends.
    pub requests: Vec<Seen>,
    /// When the token endpoints handed out nothing.
    pub downs: Vec<(Duration, Duration)>,
    /// When tokens were killed.
    pub kills: Vec<Duration>,
    pub fetches: Fetches,
    pub generation: u64,
    pub end: Duration,
    /// How long requests failed after the last killing.
    pub last_illness: Duration,
}

/// A request.
pub struct Seen {
    pub began: Duration,
    pub ended: Duration,
    pub hopeless: bool,
    pub sent: Sent,
}

/// Lives through the script, and then through a day in which WeChat is well.
pub async fn live(script: &Script) -> Record {
    let wechat = Wechat::new(Rules::default());
    wechat.set_latency(script.latency);
    let world = World::with(script.kind, script.margin, wechat, Box::new(MemoryStore));
    let mut life = Life { world, requests: Arc::default(), running: JoinSet::new(), kills: Vec::new() };
    let traffic = tokio::spawn(traffic(life.caller(), script.pace.clone()));
    let downs = life.through(script).await;
    traffic.abort();
    while life.running.join_next().await.is_some() {}
    let last_illness = life.last_illness().await;
    let Life { world, requests, kills, .. } = life;
    Record {
        calls: world.wechat.calls(),
        questions: world.wechat.questions(),
        requests: std::mem::take(&mut requests.lock().unwrap()),
        downs,
        kills,
        fetches: world.wechat.with_ledger(|ledger, _| ledger.fetches(APPID)),
        generation: world.generation(),
        end: world.wechat.now(),
        last_illness,
    }
}

/// Who sends requests and writes down what became of them.
#[derive(Clone)]
struct Caller {
    wechat: Wechat,
    token: TokenHandle,
    requests: Arc<Mutex<Vec<Seen>>>,
}

impl Caller {
    async fn request(&self, hopeless: bool) -> bool {
        let began = self.wechat.now();
        let sent = request(&self.wechat, &self.token, hopeless).await;
        let seen = Seen { began, ended: self.wechat.now(), hopeless, sent };
        let accepted = seen.accepted().is_some();
        self.requests.lock().unwrap().push(seen);
        accepted
    }
}

async fn traffic(caller: Caller, pace: Vec<Duration>) {
    for pause in pace.into_iter().cycle() {
        pass(pause).await;
        caller.request(false).await;
    }
}

struct Life {
    world: World,
    requests: Arc<Mutex<Vec<Seen>>>,
    running: JoinSet<()>,
    kills: Vec<Duration>,
}

impl Life {
    fn caller(&self) -> Caller {
        let World { wechat, token, .. } = &self.world;
        Caller { wechat: wechat.clone(), token: token.clone(), requests: Arc::clone(&self.requests) }
    }

    /// Lives through the script; says when the token endpoints were down.
    async fn through(&mut self, script: &Script) -> Vec<(Duration, Duration)> {
        let (mut downs, mut down_since) = (Vec::new(), None);
        let (mut trouble, mut stable_endpoint) = (None, true);
        let recovery = [(s(0), Event::TroubleEnds), (s(0), Event::StableEndpoint(true))];
        for (gap, event) in script.steps.iter().copied().chain(recovery) {
            pass(gap).await;
            match event {
                Event::TroubleBegins(begun) => trouble = Some(begun),
                Event::TroubleEnds => trouble = None,
                Event::StableEndpoint(present) => stable_endpoint = present,
                event => self.suffer(event),
            }
            self.set(trouble, stable_endpoint);
            let is_down = trouble.is_some() || (script.kind == TokenKind::Stable && !stable_endpoint);
            let now = self.world.wechat.now();
            match (is_down, down_since) {
                (true, None) => down_since = Some(now),
                (false, Some(since)) => {
                    downs.push((since, now));
                    down_since = None;
                }
                _ => {}
            }
        }
        downs
    }

    fn set(&self, trouble: Option<Trouble>, stable_endpoint: bool) {
        self.world.wechat.set_trouble(trouble);
        self.world.wechat.set_stable_endpoint(stable_endpoint);
    }

    fn suffer(&mut self, event: Event) {
        let (wechat, caller) = (&self.world.wechat, self.caller());
        match event {
            Event::Killed => self.world.kill(),
            Event::KilledUnnoticed => self.world.kill_unnoticed(),
            Event::Stranger(kind) => {
                wechat.with_ledger(|ledger, now| ledger.another_system_refreshes(APPID, kind, now));
            }
            Event::Burst(count) => {
                for _ in 0..count {
                    let caller = caller.clone();
                    self.running.spawn(async move { _ = caller.request(false).await });
                }
            }
            Event::Hopeless(count) => {
                self.running.spawn(async move {
                    for _ in 0..count {
                        caller.request(true).await;
                        pass(s(1)).await;
                    }
                });
            }
            Event::TroubleBegins(_) | Event::TroubleEnds | Event::StableEndpoint(_) => {}
        }
        if matches!(event, Event::Killed | Event::KilledUnnoticed | Event::Stranger(_)) {
            self.kills.push(self.world.wechat.now());
        }
    }

    /// WeChat is well; once the account is too, all tokens die once more. How long until requests succeed again.
    async fn last_illness(&mut self) -> Duration {
        let caller = self.caller();
        pass(s(3_600)).await; // an administrator's refusal lasts an hour
        while !caller.request(false).await {
            pass(s(10)).await;
        }
        self.suffer(Event::KilledUnnoticed);
        let began = self.world.wechat.now();
        while !caller.request(false).await {
            pass(s(10)).await;
        }
        self.world.wechat.now() - began
    }
}

impl Seen {
    /// Whether the refresher was asked for a remedy.
    pub fn reported(&self) -> bool {
        matches!(self.sent.outcome, Outcome::Healed | Outcome::Refused(_))
    }

    /// The generation that WeChat took.
    pub fn accepted(&self) -> Option<u64> {
        let taken = matches!(self.sent.outcome, Outcome::Accepted | Outcome::Healed);
        self.sent.tokens.last().filter(|_| taken).map(|token| token.generation())
    }
}
