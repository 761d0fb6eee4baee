//! Memory of the program at rest, and of callers' connections that wait (`VmRSS` of proc_pid_status(5)).

use std::time::Duration;

use tokio::time::{sleep, timeout};
use wxgate::sandbox::{Sandbox, Settings};

use crate::measured::{PATH, program};
use crate::process::Program;
use crate::support::{Caller, PATIENCE, account, config_text};

const CONNECTIONS: usize = 1_000;
/// All in KiB. docs/performance.md has what was measured; memory comes from the system in pages of 4 KiB, and to the
/// allocator in larger steps. At the start, how much of the program's own file the system has mapped counts too, which is
/// half a MiB more or less from run to run.
const AT_START: f64 = 11_500.0;
const UNUSED_CONNECTION: f64 = 3.0;
/// Within the second before it rests.
const USED_CONNECTION: f64 = 18.5;
const CONNECTION_AT_REST: f64 = 3.5;

#[tokio::test]
#[ignore = "is about the release build"]
async fn the_program_at_rest_and_connections_that_wait_take_little_memory() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let wechat = Sandbox::start(Settings::default()).await.unwrap();
    let keys = format!("server.workers = 1\n{}", account());
    let config = config_text(&wechat.base_url(), &keys).replace("server.workers = 2\n", "");
    let mut program = Program::limited(&format!("exec '{}' \"$@\"", program().display()), &config);
    let address = program.address().await;
    let mut first = Caller::connect(address).await;
    call(&mut first).await; // its token is there, and all that is made once
    let start = memory(&program);

    let mut callers = Vec::new();
    for _ in 0..CONNECTIONS {
        callers.push(Caller::connect(address).await);
    }
    call(&mut first).await; // they were accepted before this
    let unused = (memory(&program) - start) / CONNECTIONS as f64;
    for caller in &mut callers {
        call(caller).await;
    }
    let each = || (memory(&program) - start) / CONNECTIONS as f64;
    let used = each();
    let mut at_rest = used;
    let _ = timeout(PATIENCE, async {
        while at_rest > CONNECTION_AT_REST {
            sleep(Duration::from_millis(100)).await;
            at_rest = each();
        }
    })
    .await;
    println!(
        "{start} KiB at start; {unused:.2} KiB a connection before its first byte, {used:.2} KiB after a request, {at_rest:.2} KiB at rest"
    );
    assert!(start <= AT_START && unused <= UNUSED_CONNECTION);
    assert!(used <= USED_CONNECTION && at_rest <= CONNECTION_AT_REST);
}

async fn call(caller: &mut Caller) {
    caller.request("GET", PATH, &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
}

/// In KiB.
fn memory(program: &Program) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
