//! Many connections that do nothing.

use crate::process::Program;
use crate::support::{Caller, account, config_text, sandbox};

const INFO: &str = "/cgi-bin/user/info?openid=o6";

/// As many as there may be on this machine, up to ten thousand. An idle connection must stay cheap: 2 KiB each, and 40 MiB
/// for the program itself.
#[tokio::test]
async fn thousands_of_idle_connections_leave_room_for_those_that_work() {
    const SPARE: u64 = 2_000; // for the other tests
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let count = usize::try_from(limit.saturating_sub(SPARE).min(10_000)).unwrap();
    let wechat = sandbox().await;
    let mut program = Program::run(&config_text(&wechat.base_url(), &account()));
    let address = program.address().await;
    let mut idle = Vec::with_capacity(count);
    for _ in 0..count {
        idle.push(Caller::connect(address).await);
    }
    let mut caller = Caller::connect(address).await;
    for _ in 0..10 {
        caller.request("GET", INFO, &[], b"").await;
        assert_eq!(caller.reply().await.json()["openid"], "o6");
    }
    for caller in idle.iter_mut().step_by(count / 20) {
        caller.request("GET", INFO, &[], b"").await;
        assert_eq!(caller.reply().await.json()["openid"], "o6");
    }
    let peak = program.peak_memory();
    assert!(peak >> 10 < count as u64 * 2 + (40 << 10), "{} KiB for {count}", peak >> 10);
}
