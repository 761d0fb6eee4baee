//! What happens in a simulated life, drawn at random.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wxgate::config::TokenKind;
use wxgate::sandbox::Kind;

use crate::wechat::Trouble;

/// A life.
#[derive(Debug, Clone)]
pub struct Script {
    pub kind: TokenKind,
    pub margin: Option<Duration>,
    /// How long WeChat's answers take.
    pub latency: Duration,
    /// The time from one request to the next, over and over.
    pub pace: Vec<Duration>,
    /// What else happens, and how long after the thing before.
    pub steps: Vec<(Duration, Event)>,
    pub seed: u64,
}

/// Something that happens.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// The token endpoints fail so from now on.
    TroubleBegins(Trouble),
    /// They work again.
    TroubleEnds,
    /// The stable endpoint is there, or not.
    StableEndpoint(bool),
    /// All tokens die, and normal mode brings a new one.
    Killed,
    /// All tokens die, and only force helps.
    KilledUnnoticed,
    /// Somebody else with the secret refreshes.
    Stranger(Kind),
    /// So many requests at once.
    Burst(usize),
    /// So many requests, a second apart, to a path that refuses every token.
    Hopeless(usize),
}

pub fn script() -> impl Strategy<Value = Script> {
    let kind = prop_oneof![Just(TokenKind::Auto), Just(TokenKind::Stable), Just(TokenKind::Classic)];
    let margin = option::of(seconds(1..=3600));
    let latency = (0..=1_500_u64).prop_map(Duration::from_millis);
    let steps = vec((gap(), event()), 10..60);
    (kind, margin, latency, vec(seconds(1..=600), 1..10), steps, any::<u64>())
        .prop_map(|(kind, margin, latency, pace, steps, seed)| Script { kind, margin, latency, pace, steps, seed })
}

fn seconds(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

/// Short ones, so that things happen together; long ones, so that weeks pass.
fn gap() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..=5_000_u64).prop_map(Duration::from_millis),
        seconds(1..=300),
        seconds(300..=7_200),
        seconds(7_200..=50_000),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => trouble().prop_map(Event::TroubleBegins),
        4 => Just(Event::TroubleEnds),
        2 => any::<bool>().prop_map(Event::StableEndpoint),
        3 => Just(Event::Killed),
        3 => Just(Event::KilledUnnoticed),
        2 => Just(Event::Stranger(Kind::Stable)),
        2 => Just(Event::Stranger(Kind::Classic)),
        1 => (1..50_usize).prop_map(Event::Burst),
        2 => (1..200_usize).prop_map(Event::Hopeless),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let errcode = prop::sample::select(vec![-1, 45009, 45011, 40125, 40164, 89501, 89507]);
    prop_oneof![2 => Just(Trouble::Unreachable), 2 => Just(Trouble::Silent), 3 => errcode.prop_map(Trouble::Errcode)]
}
