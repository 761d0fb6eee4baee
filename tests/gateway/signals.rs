//! The real program and the signals that stop it.

use wxgate::sandbox::{Fault, Gate, Sandbox};

use crate::process::Program;
use crate::support::{Caller, account, config_text, sandbox};

const PATH: &str = "/wxa/any";

/// The program with one request in flight, which the gate holds.
async fn busy(keys: &str) -> (Sandbox, Gate, Program, Caller) {
    let (wechat, gate) = (sandbox().await, Gate::new());
    wechat.world().faults().add(Fault::at(PATH).hold(&gate));
    let keys = format!("{keys}\n{}", account());
    let mut program = Program::run(&config_text(&format!("http://{}", wechat.address()), &keys));
    let mut caller = Caller::connect(program.address().await).await;
    caller.request("GET", PATH, &[], b"").await;
    gate.held(1).await;
    (wechat, gate, program, caller)
}

#[tokio::test]
async fn sigterm_and_sigint_let_what_is_in_flight_be_answered() {
    for name in ["TERM", "INT"] {
        let (_wechat, gate, mut program, mut caller) = busy("").await;
        program.signal(name);
        program.says(&format!("signal=\"SIG{name}\"")).await;
        gate.open();
        assert_eq!(caller.reply().await.status, 200, "{name}");
        assert_eq!(program.ended().await.code(), Some(0), "{name}");
        program.says("stopped").await;
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let (_wechat, _gate, mut program, mut caller) = busy("server.drain_timeout = '1h'").await;
        program.signal(first);
        program.says("stopping").await;
        program.signal(second);
        assert_eq!(program.ended().await.code(), Some(0), "{first} {second}");
        program.says("ended at once").await;
        assert!(caller.try_reply_to("GET").await.is_none());
    }
}

#[tokio::test]
async fn a_drain_ends_with_its_time() {
    let (_wechat, _gate, mut program, mut caller) = busy("server.drain_timeout = '100ms'").await;
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
    program.says("the drain took too long").await;
    assert!(caller.try_reply_to("GET").await.is_none());
}

#[tokio::test]
async fn without_requests_a_stop_takes_no_time() {
    let wechat = sandbox().await;
    let keys = format!("server.drain_timeout = '1h'\n{}", account());
    let mut program = Program::run(&config_text(&format!("http://{}", wechat.address()), &keys));
    let _idle = Caller::connect(program.address().await).await;
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
}

/// A gateway whose issuer never answers is live, and it stops as well as any other.
#[tokio::test]
async fn a_token_fetch_does_not_hold_a_stop_up() {
    let (wechat, gate) = (sandbox().await, Gate::new());
    wechat.world().faults().add(Fault::anywhere().hold(&gate));
    let keys = format!("server.drain_timeout = '1h'\ntoken.fetch_timeout = '1h'\n{}", account());
    let mut program = Program::run(&config_text(&format!("http://{}", wechat.address()), &keys));
    program.address().await;
    gate.held(1).await;
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_start_that_fails_is_exit_code_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let keys = format!("listen.address = '{}'\n{}", taken.local_addr().unwrap(), account());
    let mut program = Program::run(&config_text("http://127.0.0.1:9", &keys));
    assert_eq!(program.ended().await.code(), Some(1));
    program.says("is another wxgate running?").await;
    assert_eq!(Program::command(&["run", "--config", "missing.toml"]).ended().await.code(), Some(1));
    assert_eq!(Program::command(&["run", "--no-such-flag"]).ended().await.code(), Some(2));
}
