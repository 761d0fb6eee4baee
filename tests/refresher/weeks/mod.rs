//! The refresher through simulated weeks of outages, kills, strangers and refusals.

mod invariants;
mod life;
mod script;

use proptest::prelude::*;

use life::live;
use script::{Script, script};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_token_is_had_whenever_wechat_gives_one_and_no_quota_is_burnt(script in script()) {
        // The refresher draws its jitter on this thread, so that a script which fails does so again.
        fastrand::seed(script.seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(through(&script));
    }
}

async fn through(script: &Script) {
    let record = live(script).await;
    invariants::no_token_only_while_wechat_gives_none(script, &record);
    invariants::generations_grow(&record);
    invariants::forced_refreshes_are_few_and_kill_nothing_that_lives(&record);
    invariants::fetches_are_bounded(&record);
    invariants::every_refusal_has_a_reason(&record);
    invariants::in_the_end_all_is_well(&record);
}
