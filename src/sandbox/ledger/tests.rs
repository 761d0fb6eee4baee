use super::*;

const APP: &str = "wx1";
const DAY: u64 = 24 * 60 * 60;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ledger() -> Ledger {
    Ledger::new(Rules::default(), 42)
}

impl Ledger {
    fn must_classic(&mut self, seconds: u64) -> Grant {
        self.classic(APP, at(seconds)).unwrap()
    }

    fn must_stable(&mut self, force: bool, seconds: u64) -> Grant {
        self.stable(APP, force, at(seconds)).unwrap()
    }

    fn verdict(&self, grant: &Grant, seconds: u64) -> Judgement {
        self.judge(Some(&grant.token), at(seconds))
    }
}

#[test]
fn a_token_lives_its_natural_life_and_is_then_expired() {
    let mut ledger = ledger();
    for grant in [ledger.must_classic(10), ledger.must_stable(false, 10)] {
        assert_eq!(grant.expires_in, 7200);
        assert_eq!(ledger.verdict(&grant, 7209), Judgement::Fine);
        assert_eq!(ledger.verdict(&grant, 7210), Judgement::Expired);
    }
}

#[test]
fn no_token_is_missing_and_an_unknown_one_is_invalid() {
    let ledger = ledger();
    assert_eq!(ledger.judge(None, at(0)).errcode(), Some(41001));
    assert_eq!(ledger.judge(Some(""), at(0)).errcode(), Some(41001));
    assert_eq!(ledger.judge(Some("92_forged"), at(0)).errcode(), Some(40001));
}

#[test]
fn classic_mints_each_time_and_the_one_before_lives_five_more_minutes() {
    let mut ledger = ledger();
    let first = ledger.must_classic(0);
    let second = ledger.must_classic(100);
    assert_ne!(first.token, second.token);
    assert_eq!(ledger.verdict(&first, 399), Judgement::Fine);
    assert_eq!(ledger.verdict(&first, 400), Judgement::Invalid);
    assert_eq!(ledger.verdict(&second, 7299), Judgement::Fine);
}

#[test]
fn a_burst_of_mints_leaves_every_token_its_overlap_and_no_lasting_memory() {
    let mut ledger = ledger();
    let first = ledger.must_classic(0);
    (0..1000).for_each(|_| _ = ledger.must_classic(0));
    assert_eq!(ledger.verdict(&first, 299), Judgement::Fine);
    ledger.must_classic(300);
    assert_eq!(ledger.owner(&first.token), None);
}

#[test]
fn the_overlap_never_outlasts_the_natural_life() {
    let mut ledger = ledger();
    let first = ledger.must_classic(0);
    ledger.must_classic(7100);
    assert_eq!(ledger.verdict(&first, 7199), Judgement::Fine);
    assert_eq!(ledger.verdict(&first, 7200), Judgement::Expired);
}

#[test]
fn without_overlap_the_superseded_token_is_dead_at_once() {
    let mut ledger = Ledger::new(Rules { classic_overlap: Duration::ZERO, ..Rules::default() }, 1);
    let first = ledger.must_classic(0);
    let second = ledger.must_classic(0);
    assert_eq!(ledger.verdict(&first, 0), Judgement::Invalid);
    assert_eq!(ledger.verdict(&second, 0), Judgement::Fine);
}

#[test]
fn stable_normal_mode_repeats_the_token_with_its_remaining_life() {
    let mut ledger = ledger();
    let first = ledger.must_stable(false, 0);
    let again = ledger.must_stable(false, 6900);
    assert_eq!((&again.token, again.expires_in), (&first.token, 300));
    assert_eq!(ledger.fetches(APP).minted, 1);
}

#[test]
fn in_the_last_five_minutes_normal_mode_renews_and_both_live() {
    let mut ledger = ledger();
    let first = ledger.must_stable(false, 0);
    let second = ledger.must_stable(false, 6901);
    assert_ne!(first.token, second.token);
    assert_eq!(second.expires_in, 7200);
    assert_eq!(ledger.verdict(&first, 7199), Judgement::Fine);
    assert_eq!(ledger.verdict(&first, 7200), Judgement::Expired);
    assert_eq!(ledger.must_stable(false, 6950).token, second.token);
}

#[test]
fn force_kills_every_stable_token_at_once() {
    let mut ledger = ledger();
    let first = ledger.must_stable(false, 0);
    let renewed = ledger.must_stable(false, 7000);
    let forced = ledger.must_stable(true, 7001);
    assert_eq!(ledger.verdict(&first, 7001), Judgement::Invalid);
    assert_eq!(ledger.verdict(&renewed, 7001), Judgement::Invalid);
    assert_eq!(ledger.verdict(&forced, 7001), Judgement::Fine);
}

#[test]
fn a_force_within_thirty_seconds_of_the_last_changes_nothing() {
    let mut ledger = ledger();
    let first = ledger.must_stable(true, 100);
    let soon = ledger.must_stable(true, 129);
    assert_eq!((&soon.token, soon.expires_in), (&first.token, 7171));
    assert_ne!(ledger.must_stable(true, 130).token, first.token);
}

#[test]
fn the_twenty_first_force_of_a_day_is_refused_and_kills_nothing() {
    let mut ledger = ledger();
    for n in 0..20 {
        ledger.must_stable(true, n * 30);
    }
    let last = ledger.must_stable(false, 600);
    assert_eq!(ledger.stable(APP, true, at(600)), Err(Refusal::DailyQuota));
    assert_eq!(ledger.verdict(&last, 600), Judgement::Fine);
    assert_eq!(ledger.must_stable(false, 601).token, last.token);
    assert_ne!(ledger.must_stable(true, DAY).token, last.token);
}

#[test]
fn the_two_endpoints_do_not_invalidate_each_other() {
    let mut ledger = ledger();
    let classic = ledger.must_classic(0);
    let stable = ledger.must_stable(true, 0);
    ledger.must_stable(true, 60);
    assert_eq!(ledger.verdict(&classic, 1000), Judgement::Fine);
    assert_eq!(ledger.verdict(&stable, 60), Judgement::Invalid);
    let stable = ledger.must_stable(false, 61);
    ledger.must_classic(62);
    ledger.must_classic(63);
    assert_eq!(ledger.verdict(&stable, 1000), Judgement::Fine);
}

#[test]
fn accounts_do_not_touch_each_other() {
    let mut ledger = ledger();
    let ours = ledger.must_stable(false, 0);
    let theirs = ledger.stable("wx2", true, at(0)).unwrap();
    assert_eq!(ledger.verdict(&ours, 1), Judgement::Fine);
    assert_eq!((ledger.owner(&ours.token), ledger.owner(&theirs.token)), (Some(APP), Some("wx2")));
    assert_eq!(ledger.owner("92_forged"), None);
}

#[test]
fn quotas_refuse_until_their_window_ends_or_they_are_cleared() {
    let rules = Rules { classic_a_day: 2, stable_a_minute: 2, stable_a_day: 3, ..Rules::default() };
    let mut ledger = Ledger::new(rules, 1);
    ledger.must_classic(0);
    ledger.must_classic(1);
    assert_eq!(ledger.classic(APP, at(2)).unwrap_err().errcode(), 45009);
    ledger.must_classic(DAY);

    ledger.must_stable(false, DAY);
    ledger.must_stable(false, DAY + 59);
    assert_eq!(ledger.stable(APP, false, at(DAY + 59)).unwrap_err().errcode(), 45011);
    ledger.must_stable(false, DAY + 60);
    assert_eq!(ledger.stable(APP, true, at(DAY + 61)).unwrap_err().errcode(), 45009);
    ledger.clear_quotas(APP);
    ledger.must_stable(true, DAY + 62);
    assert_eq!(ledger.fetches(APP), Fetches { classic: 4, stable: 4, forced: 2, refused: 3, minted: 5 });
}

#[test]
fn killed_tokens_are_invalid_and_the_next_fetch_brings_a_new_one() {
    let mut ledger = ledger();
    let (classic, stable) = (ledger.must_classic(0), ledger.must_stable(false, 0));
    ledger.kill_tokens(at(5));
    assert_eq!(ledger.verdict(&classic, 5), Judgement::Invalid);
    assert_eq!(ledger.verdict(&stable, 5), Judgement::Invalid);
    let fresh = ledger.must_stable(false, 5);
    assert_ne!(fresh.token, stable.token);
    assert_eq!(ledger.verdict(&fresh, 5), Judgement::Fine);
}

#[test]
fn after_an_unnoticed_death_only_force_helps() {
    let mut ledger = ledger();
    let stable = ledger.must_stable(false, 0);
    ledger.kill_tokens_unnoticed(at(5));
    assert_eq!(ledger.must_stable(false, 6).token, stable.token);
    assert_eq!(ledger.verdict(&stable, 6), Judgement::Invalid);
    let forced = ledger.must_stable(true, 6);
    assert_eq!(ledger.verdict(&forced, 6), Judgement::Fine);
}

#[test]
fn another_system_supersedes_in_the_way_of_each_endpoint_and_costs_us_nothing() {
    let mut ledger = ledger();
    let (classic, stable) = (ledger.must_classic(0), ledger.must_stable(true, 0));
    let before = ledger.fetches(APP);
    ledger.another_system_refreshes(APP, Kind::Classic, at(1));
    ledger.another_system_refreshes(APP, Kind::Stable, at(1));
    assert_eq!(ledger.verdict(&classic, 300), Judgement::Fine);
    assert_eq!(ledger.verdict(&classic, 301), Judgement::Invalid);
    assert_eq!(ledger.verdict(&stable, 1), Judgement::Invalid);
    assert_eq!(ledger.fetches(APP), before);
    let theirs = ledger.newest(APP, Kind::Stable).unwrap().to_owned();
    assert_eq!(ledger.must_stable(false, 2).token, theirs, "the stable endpoint gives every one the same token");
}

#[test]
fn a_shorter_lifetime_shortens_the_five_minutes() {
    let rules = Rules::with_lifetime(at(48));
    assert_eq!((rules.classic_overlap, rules.stable_renewal), (at(2), at(2)));
    let mut ledger = Ledger::new(rules, 1);
    let first = ledger.must_stable(false, 0);
    assert_eq!(ledger.must_stable(false, 46).token, first.token);
    assert_ne!(ledger.must_stable(false, 47).token, first.token);
}
