//! Memory of the program at rest, and of callers' connections that wait (`VmRSS` and `RssAnon` of proc_pid_status(5)).

use std::time::Duration;

use tokio::time::sleep;
use wxgate::sandbox::{Sandbox, Settings};

use crate::measured::{PATH, program};
use crate::process::Program;
use crate::support::{Caller, account, config_text};

const CONNECTIONS: usize = 1_000;
/// By then all of them rest.
const REST: Duration = Duration::from_secs(3);
/// All in KiB. docs/performance.md has what was measured; memory comes from the system in pages of 4 KiB, and to the
/// allocator in larger steps. At the start, how much of the program's own file the system has mapped counts too, which is
/// half a MiB more or less from run to run.
const AT_START: f64 = 11_500.0;
/// Without the pages of files: what the program has made itself.
const OWN_AT_START: f64 = 1_500.0;
const UNUSED_CONNECTION: f64 = 3.0;
/// Within the second before it rests. What it keeps then, `tests/allocations/` counts: how much of the difference the
/// allocator gives back to the system depends on what lies behind it.
const USED_CONNECTION: f64 = 15.0;

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
    let (start, own) = (memory(&program), kib(&program, "RssAnon:"));

    let mut callers = Vec::new();
    for _ in 0..CONNECTIONS {
        callers.push(Caller::connect(address).await);
    }
    call(&mut first).await; // they were accepted before this
    let unused = (memory(&program) - start) / CONNECTIONS as f64;
    for caller in &mut callers {
        call(caller).await;
    }
    let used = (memory(&program) - start) / CONNECTIONS as f64;
    sleep(REST).await;
    let at_rest = (memory(&program) - start) / CONNECTIONS as f64;
    println!(
        "{start} KiB at start, {own} of it its own; {unused:.2} KiB a connection before its first byte, {used:.2} KiB \
         after a request, {at_rest:.2} KiB at rest"
    );
    assert!(start <= AT_START && own <= OWN_AT_START && unused <= UNUSED_CONNECTION);
    assert!(used <= USED_CONNECTION && at_rest <= USED_CONNECTION);
}

async fn call(caller: &mut Caller) {
    caller.request("GET", PATH, &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
}

fn memory(program: &Program) -> f64 {
    kib(program, "VmRSS:")
}

/// A line of the program's status.
fn kib(program: &Program, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
