//! What holds in every life.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use wxgate::token::{Failure, Fetch, Remedy, Spent, Unavailable};
use wxgate::wechat::Fault;

use super::life::{Record, Seen};
use super::script::Script;
use crate::wechat::Call;
use crate::world::{Outcome, s, text};

/// What a call under way, and those before it in the same task, may take beyond a pause.
const SLACK: Duration = s(30);
/// An administrator's refusal.
const LONGEST_PAUSE: Duration = s(3_600);
const DAY: Duration = s(86_400);

/// The longest pause after a failure (architecture.md §4).
fn pause_after(failure: &Failure, fetch: Fetch) -> Duration {
    match failure.fault {
        Fault::Permanent | Fault::NoSuchEndpoint if fetch != Fetch::Classic => s(15),
        Fault::RefusedFor(pause) => pause,
        _ => s(60),
    }
}

/// Where a token ended before the next one came, WeChat had been failing since the old one was due, or had only just come
/// back: between that time and the next token, it never worked for longer than the pause that its own failures ask for,
/// and [`SLACK`].
pub fn no_token_only_while_wechat_gives_none(script: &Script, record: &Record) {
    let successes = record.calls.iter().filter_map(|call| Some((call, call.outcome.as_ref().ok()?)));
    let (mut due, mut end) = (s(0), s(0));
    for (call, grant) in successes {
        if call.ended > end {
            let calls = calls_ended(record, due.saturating_sub(LONGEST_PAUSE), call.ended);
            let pauses = calls.iter().filter_map(|call| Some(pause_after(call.outcome.as_ref().err()?, call.fetch)));
            let allowed = pauses.max().unwrap_or_default() + SLACK;
            let up = longest_up(&record.downs, due, call.ended);
            assert!(
                up <= allowed,
                "no token from {end:?} to {:?}, due {due:?}, and WeChat was up for {up:?}",
                call.ended
            );
        }
        let life = s(grant.expires_in);
        let own = if call.fetch == Fetch::Classic { s(600) } else { s(60) };
        (due, end) = (call.ended + life - script.margin.unwrap_or(own).min(life / 4), call.ended + life);
    }
    assert!(record.end < end, "a token at the end");
}

/// The longest time between two of `downs` within `from` … `to`.
fn longest_up(downs: &[(Duration, Duration)], from: Duration, to: Duration) -> Duration {
    let (mut longest, mut up_since) = (s(0), from);
    for (began, ended) in downs.iter().filter(|(began, ended)| *ended > from && *began < to) {
        longest = longest.max(began.saturating_sub(up_since));
        up_since = *ended;
    }
    longest.max(to.saturating_sub(up_since))
}

/// Each new token has the next generation, a generation keeps its token, and no request goes back to an older one.
pub fn generations_grow(record: &Record) {
    let mut texts = HashMap::new();
    for seen in &record.requests {
        assert!(seen.sent.tokens.is_sorted_by_key(|token| token.generation()));
        for token in &seen.sent.tokens {
            assert_eq!(texts.entry(token.generation()).or_insert(text(token)), &text(token));
        }
    }
    let at_once = record.requests.iter().filter(|seen| seen.began == seen.ended);
    assert!(at_once.filter_map(Seen::accepted).is_sorted());
    let mut tokens: Vec<_> = record.calls.iter().filter_map(|call| Some(&call.outcome.as_ref().ok()?.token)).collect();
    tokens.dedup();
    assert_eq!(record.generation, tokens.len() as u64);
}

/// WeChat's own limits, and: nothing that lives is killed.
pub fn forced_refreshes_are_few_and_kill_nothing_that_lives(record: &Record) {
    let forced: Vec<&Call> = record.calls.iter().filter(|call| call.fetch == Fetch::Forced).collect();
    assert!(forced.iter().all(|call| !call.last_token_lived));
    assert!(forced.windows(2).all(|pair| pair[1].began >= pair[0].began + s(30)));
    assert!(forced.windows(21).all(|window| window[20].began >= window[0].began + DAY));
    assert_eq!(record.fetches.refused, 0, "no quota of WeChat's is used up");
}

/// At most 8 fetches each 5,400 s, which is the least that a two-hour token is kept (a stable one is asked for up to
/// four times, and the one before it may have had little life left); 10 for each moment in which requests report; in an
/// outage 9 until the back-off has reached its height, then one each 30 s, each twice where `auto` asks both endpoints.
pub fn fetches_are_bounded(record: &Record) {
    let moments: HashSet<u64> =
        record.requests.iter().filter(|seen| seen.reported()).map(|seen| seen.began.as_secs()).collect();
    let in_outages: u64 = record.downs.iter().map(|(began, ended)| 9 + (*ended - *began).as_secs() / 30).sum();
    let bound = 8 * (record.end.as_secs() / 5_400 + 1) + 10 * moments.len() as u64 + 2 * in_outages;
    assert!(record.calls.len() as u64 <= bound, "{} > {bound}", record.calls.len());
}

/// A request goes without a token, or stays refused, only for one of the reasons in architecture.md §4.
pub fn every_refusal_has_a_reason(record: &Record) {
    for seen in &record.requests {
        let justified = match &seen.sent.outcome {
            Outcome::Accepted | Outcome::Healed => true,
            Outcome::NoToken(Unavailable::Failed(failure)) => is_remembered(record, seen, failure),
            Outcome::NoToken(Unavailable::TimedOut(_)) => is_late(record, seen),
            Outcome::Refused(remedy) => match remedy {
                Remedy::Failed(failure) => is_remembered(record, seen, failure),
                Remedy::TimedOut => is_late(record, seen),
                Remedy::Withheld(spent) => is_spent(record, seen, *spent),
                // The answer stands for two seconds, within which the token may die.
                Remedy::Alive(_) => seen.hopeless || any_within(&record.questions, seen.began, s(2), seen.ended),
                // WeChat itself handed out a dead one, or it died on the way.
                Remedy::Newer(_) => seen.hopeless || any_within(&record.kills, seen.began, s(7_200), seen.ended),
            },
        };
        assert!(justified, "{:?} from {:?} to {:?}", seen.sent.outcome, seen.began, seen.ended);
    }
}

/// Whether one of `moments` lies between `before` ahead of `from` and `to`.
fn any_within(moments: &[Duration], from: Duration, before: Duration, to: Duration) -> bool {
    moments.iter().any(|at| *at + before >= from && *at <= to)
}

/// The calls that ended within this time; they stand in the order of their ends.
fn calls_ended(record: &Record, from: Duration, to: Duration) -> &[Call] {
    let first = record.calls.partition_point(|call| call.ended < from);
    let end = record.calls.partition_point(|call| call.ended <= to);
    &record.calls[first..end]
}

/// The failure arose while the request waited, or its pause has not ended.
fn is_remembered(record: &Record, seen: &Seen, failure: &Failure) -> bool {
    calls_ended(record, seen.began.saturating_sub(LONGEST_PAUSE), seen.ended).iter().any(|call| {
        call.outcome.as_ref().is_err_and(|other| other == failure)
            && call.ended + pause_after(failure, call.fetch) >= seen.began
    })
}

/// Only a call that gets no answer takes that long.
fn is_late(record: &Record, seen: &Seen) -> bool {
    let calls = calls_ended(record, seen.began, seen.ended + s(10));
    calls.iter().any(|call| call.ended - call.began >= s(10) && call.began <= seen.ended)
}

fn is_spent(record: &Record, seen: &Seen, spent: Spent) -> bool {
    let of = |fetch: Fetch| {
        let calls = calls_ended(record, s(0), seen.ended).iter().filter(move |call| call.fetch == fetch);
        calls.map(|call| call.began).collect::<Vec<_>>()
    };
    match spent {
        Spent::Trial => {
            let generation = seen.sent.tokens[0].generation();
            !record.requests.iter().any(|other| other.accepted() == Some(generation) && other.ended < seen.began)
        }
        Spent::Rate(fetch) => {
            let (capacity, a_second) = if fetch == Fetch::Classic { (20.0, 1.0 / 60.0) } else { (60.0, 1.0) };
            let began = of(fetch);
            let is_used_up = |(index, first): (usize, &Duration)| {
                let refilled = (seen.ended - *first).as_secs_f64() * a_second;
                (began.len() - index) as f64 + 1.0 > capacity + refilled
            };
            began.iter().enumerate().any(is_used_up)
        }
        Spent::ForcedTooSoon => any_within(&of(Fetch::Forced), seen.began, s(30), seen.ended),
        Spent::ForcedToday => of(Fetch::Forced).iter().filter(|began| **began + DAY > seen.began).count() >= 20,
        Spent::SameToken => false, // no stranger here forces in the way that WeChat counts
    }
}

/// Once WeChat is well, a heal is had at once: within the 30 s between two forced refreshes, or the minute between two
/// classic ones; within a day only where the day's forced refreshes are used up.
pub fn in_the_end_all_is_well(record: &Record) {
    let killed = record.kills.last().copied().unwrap_or_default();
    let today = calls_ended(record, killed.saturating_sub(DAY), killed);
    let forced = today.iter().filter(|call| call.fetch == Fetch::Forced).count();
    let longest = if forced >= 20 { DAY } else { s(70) };
    assert!(record.last_illness <= longest, "{:?}", record.last_illness);
}
