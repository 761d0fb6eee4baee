//! Callers that call and call, and the count of what they got.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fastrand::Rng;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::calls::{self, Call};
use crate::support::{Caller, Reply};

/// What became of all requests.
pub struct Tally {
    /// Finished requests of each caller.
    finished: watch::Sender<Vec<u64>>,
    answered: AtomicU64,
    healed: AtomicU64,
    /// 502, since WeChat hung up; or a login whose code was used up by a sending that got no answer.
    refused: AtomicU64,
    /// The answer broke off.
    cut: AtomicU64,
    /// Anything else: one of these is too many.
    lost: AtomicU64,
}

impl Tally {
    pub fn new(callers: usize) -> Self {
        Self {
            finished: watch::Sender::new(vec![0; callers]),
            answered: AtomicU64::new(0),
            healed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    /// How many requests were healed so far.
    pub fn healed(&self) -> u64 {
        self.healed.load(Relaxed)
    }

    /// Waits until more than `healed` requests were healed, and every caller has then finished one more. From here on no
    /// request is under way that saw the token before.
    pub async fn healed_beyond(&self, healed: u64) {
        let mut finished = self.finished.subscribe();
        let _ = finished.wait_for(|_| self.healed() > healed).await;
        let before = self.finished.borrow().clone();
        let _ = finished.wait_for(|now| now.iter().zip(&before).all(|(now, before)| now > before)).await;
    }

    /// No request was lost, and those that a hang-up may cost are at most one each.
    pub fn holds(&self, hang_ups: u64) {
        assert_eq!(self.lost.load(Relaxed), 0, "{self}");
        assert!(self.refused.load(Relaxed) + self.cut.load(Relaxed) <= hang_ups, "{self}");
        assert!(self.answered.load(Relaxed) > 0 && self.healed() > 0, "nothing was tested: {self}");
    }

    fn count(&self, caller: usize, call: &Call, reply: Option<&Reply>) {
        let counter = match reply {
            None => &self.cut,
            Some(reply) if reply.error() == Some("upstream_broke_off") => &self.refused,
            Some(reply) if call.is_used_up(reply) => &self.refused,
            Some(reply) if reply.field("x-wxgate-retry") == Some("failed") || !(call.is_answered)(reply) => {
                println!("lost: {} {}: {reply:.200?}", call.method, call.target);
                &self.lost
            }
            Some(reply) => {
                self.healed.fetch_add(u64::from(reply.field("x-wxgate-retry") == Some("healed")), Relaxed);
                &self.answered
            }
        };
        counter.fetch_add(1, Relaxed);
        self.finished.send_modify(|finished| finished[caller] += 1);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [answered, healed, refused, cut, lost] =
            [&self.answered, &self.healed, &self.refused, &self.cut, &self.lost].map(|counter| counter.load(Relaxed));
        write!(f, "{answered} requests answered ({healed} healed), {refused} refused, {cut} cut, {lost} lost")
    }
}

/// One caller: most of its requests go over a connection that it keeps, some over a new one.
pub async fn call_until(end: Instant, address: SocketAddr, number: usize, mut random: Rng, tally: Arc<Tally>) {
    let mut kept: Option<Caller> = None;
    let mut uploaded = None;
    while Instant::now() < end {
        let call = calls::any(&mut random, uploaded.as_ref());
        let mut caller = match kept.take().filter(|_| random.u8(..10) > 0) {
            Some(caller) => caller,
            None => Caller::connect(address).await,
        };
        caller.request(call.method, &call.target, &call.fields, &call.body).await;
        let reply = caller.try_reply_to(call.method).await;
        tally.count(number, &call, reply.as_ref());
        if let Some(reply) = reply {
            uploaded = calls::uploaded(&call, &reply).or(uploaded);
            kept = (reply.field("connection") != Some("close")).then_some(caller);
        }
    }
}
