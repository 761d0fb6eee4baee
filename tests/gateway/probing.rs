//! `wxgate wait` and `wxgate health`, as start order and a container's health check use them.

use wxgate::sandbox::{Fault, Gate, STABLE};

use crate::process::Program;
use crate::readiness::ADMIN;
use crate::support::{Gateway, account, nobody, sandbox, within};

/// The exit code, and all that was said.
async fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let mut program = Program::command(arguments);
    let code = program.ended().await.code();
    (code, program.lines.join("\n"))
}

#[tokio::test]
async fn waiting_ends_with_the_first_token() {
    let (wechat, gate) = (sandbox().await, Gate::new());
    wechat.world().faults().add(Fault::at(STABLE).hold(&gate));
    let gateway = Gateway::with(&wechat, ADMIN).await;
    let admin = gateway.admin.unwrap().to_string();
    within(gate.held(1)).await;
    assert_eq!(run(&["health", "--admin", &admin]).await, (Some(0), "ok: alive".to_owned()));
    let (code, said) = run(&["health", "--ready", "--admin", &admin]).await;
    assert_eq!((code, said.as_str()), (Some(1), "wxgate: account main: no token yet: WeChat is being asked"));
    let (code, said) = run(&["wait", "--timeout", "300ms", "--admin", &admin]).await;
    assert_eq!(code, Some(1));
    assert_eq!(said, "wxgate: not ready within 300ms: account main: no token yet: WeChat is being asked");

    let mut waiting = Program::command(&["wait", "--admin", &admin]);
    gate.open();
    assert_eq!(waiting.ended().await.code(), Some(0));
    assert_eq!(waiting.lines, ["ok: ready"]);
    assert_eq!(run(&["health", "--ready", "--admin", &admin]).await.0, Some(0));
    assert_eq!(run(&["wait", "--account", "main", "--admin", &admin]).await.0, Some(0));
    let (code, said) = run(&["wait", "--account", "nobody", "--admin", &admin]).await;
    assert_eq!((code, said.as_str()), (Some(1), "wxgate: there is no account \"nobody\" there"), "at once");
}

#[tokio::test]
async fn waiting_begins_before_there_is_anybody_to_ask() {
    let wechat = sandbox().await;
    let (reserved, admin) = nobody();
    let mut waiting = Program::command(&["wait", "--timeout", "1m", "--admin", &admin.to_string()]);
    drop(reserved);
    let _gateway = Gateway::with(&wechat, &format!("admin.address = '{admin}'")).await;
    assert_eq!(waiting.ended().await.code(), Some(0), "{:?}", waiting.lines);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_words() {
    let (_reserved, admin) = nobody();
    for command in [&["health"][..], &["wait", "--timeout", "200ms"]] {
        let (code, said) = run(&[command, &["--admin", &admin.to_string()]].concat()).await;
        assert_eq!(code, Some(1));
        assert!(said.contains(&format!("nobody answers at {admin} (")) && said.contains("is wxgate running"), "{said}");
    }
    let wechat = sandbox().await;
    let (code, said) = run(&["health", "--ready", "--admin", &wechat.address().to_string()]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("is no wxgate's admin listener: status"), "{said}");
    assert_eq!(run(&["wait", "--timeout", "soon"]).await.0, Some(2));
}

/// A container's health check has the container's configuration.
#[tokio::test]
async fn without_an_address_it_is_the_configurations() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    let admin = gateway.admin.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.toml");
    std::fs::write(&file, format!("admin.address = '0.0.0.0:{}'\n{}", admin.port(), account())).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(run(&["wait", "--config", file]).await, (Some(0), "ok: ready".to_owned()));
    std::fs::write(file, format!("admin.address = 'off'\n{}", account())).unwrap();
    let (code, said) = run(&["health", "--config", file]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("admin.address is \"off\""), "{said}");
}

#[tokio::test]
async fn a_gateway_that_stops_is_not_ready() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    let admin = gateway.admin.unwrap().to_string();
    assert_eq!(run(&["wait", "--admin", &admin]).await.0, Some(0));
    gateway.control.advance(wxgate::stage::Stage::Leaving);
    assert_eq!(run(&["health", "--ready", "--admin", &admin]).await, (Some(1), "wxgate: it is stopping".to_owned()));
}
