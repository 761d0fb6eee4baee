//! What goes wrong meanwhile: tokens die, another system refreshes them, WeChat hangs up.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep_until};
use wxgate::sandbox::{DEFAULT_APPID, Fault, HangUp, Sandbox};

use crate::calls::PATHS;
use crate::load::Tally;
use crate::support::within;

/// WeChat allows forced refreshes 30 s apart and 20 a day (wechat.md §1), and the gateway keeps to it. Some seconds more,
/// since a busy machine comes to each of them late.
const FORCED_APART: Duration = Duration::from_secs(40);
const FORCED_A_DAY: u64 = 20;

/// Makes trouble, and counts it.
pub struct Trouble<'a> {
    random: Rng,
    wechat: &'a Sandbox,
    tally: &'a Tally,
    last_unnoticed: Option<Instant>,
    /// Tokens that died.
    pub deaths: u64,
    /// Those of them that WeChat went on handing out.
    pub unnoticed_deaths: u64,
    /// Connections that WeChat was told to cut.
    pub hang_ups: u64,
}

impl<'a> Trouble<'a> {
    pub fn new(random: Rng, wechat: &'a Sandbox, tally: &'a Tally) -> Self {
        Self { random, wechat, tally, last_unnoticed: None, deaths: 0, unnoticed_deaths: 0, hang_ups: 0 }
    }

    /// One token's death after the other. The next one waits until no request is left that saw the one before: a request
    /// is sent twice at most, so one that met two deaths would rightly get WeChat's refusal.
    pub async fn until(&mut self, end: Instant) {
        loop {
            self.hang_up();
            let pause = Duration::from_millis(self.random.u64(200..1500));
            sleep_until((Instant::now() + pause).min(end)).await;
            if Instant::now() >= end {
                return self.wechat.world().faults().clear();
            }
            let healed = self.tally.healed();
            self.kill();
            tokio::select! {
                () = within(self.tally.healed_beyond(healed)) => {}
                () = sleep_until(end) => {}
            }
        }
    }

    fn kill(&mut self) {
        let world = self.wechat.world();
        let now = Instant::now();
        let may_force = self.last_unnoticed.is_none_or(|last| now >= last + FORCED_APART);
        self.deaths += 1;
        match self.random.u8(0..3) {
            0 if may_force && self.unnoticed_deaths < FORCED_A_DAY => {
                self.last_unnoticed = Some(now);
                self.unnoticed_deaths += 1;
                world.kill_tokens_unnoticed();
            }
            0 | 1 => world.kill_tokens(),
            _ => world.another_system_refreshes(DEFAULT_APPID),
        }
    }

    /// One to three connections will be cut.
    fn hang_up(&mut self) {
        for _ in 0..self.random.u8(1..=3) {
            let path = PATHS[self.random.usize(..PATHS.len())];
            let when = [HangUp::Before, HangUp::AmidHead, HangUp::AmidBody, HangUp::After][self.random.usize(..4)];
            self.wechat.world().faults().add(Fault::at(path).hang_up(when).times(1));
            self.hang_ups += 1;
        }
    }
}

impl fmt::Display for Trouble<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deaths, unnoticed_deaths, hang_ups, .. } = self;
        write!(f, "{deaths} tokens died, {unnoticed_deaths} of them unnoticed; {hang_ups} connections cut")
    }
}
