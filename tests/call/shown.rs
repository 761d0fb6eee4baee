//! What of an answer is shown, where, and how it is told.

use hyper::StatusCode;
use hyper::header::HeaderValue;
use wxgate::sandbox::{Fault, Gate};

use crate::support::{Gateway, Place, sandbox};

#[tokio::test]
async fn an_errcode_is_explained_with_what_to_do_and_the_rid() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    wechat.world().faults().add(Fault::at("/x").errcode_saying(48001, "api unauthorized"));
    let run = Place::empty().call(&["GET", "/x", "--gateway", &gateway.url()]).await;
    assert_eq!(run.exit, 1);
    assert!(run.stdout().starts_with("{\n  \"errcode\": 48001,"), "{}", run.stdout());
    assert!(run.stderr.contains("errcode 48001: api unauthorized"), "{}", run.stderr);
    assert!(run.stderr.contains("what to do: the account may not use this endpoint"), "{}", run.stderr);
    let answer: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let (_, rid) = answer["errmsg"].as_str().unwrap().split_once("rid: ").unwrap();
    assert!(run.stderr.contains(&format!("rid: {rid}, by which WeChat's support")), "{}", run.stderr);
}

#[tokio::test]
async fn an_errcode_never_becomes_the_picture() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    let place = Place::empty();
    let (url, path) = (gateway.url(), "/wxa/getwxacodeunlimit");
    let picture = ["POST", path, "--output", "code.png", "--gateway", &url, "--data"];
    let run = place.call(&[&picture[..], &["{}"]].concat()).await;
    assert_eq!(run.exit, 1);
    assert!(run.stdout().contains("\"errcode\": 40129"), "{}", run.stdout());
    assert!(!place.path("code.png").exists());
    let run = place.call(&[&picture[..], &["{\"scene\":\"a\"}"]].concat()).await;
    assert_eq!((run.exit, run.stdout()), (0, ""), "{}", run.stderr);
    assert!(std::fs::read(place.path("code.png")).unwrap().starts_with(b"\x89PNG"));
}

#[tokio::test]
async fn bytes_go_into_a_pipe_as_they_came() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    let url = gateway.url();
    let picture = ["POST", "/wxa/getwxacodeunlimit", "--data", "{\"scene\":\"a\"}", "--gateway", &url];
    let run = Place::empty().call(&picture).await;
    assert!(run.exit == 0 && run.stdout.starts_with(b"\x89PNG"), "{}", run.stderr);
    let run = Place::empty().call(&["GET", "/cgi-bin/user/info?openid=o6", "--output", "-", "--gateway", &url]).await;
    assert!(run.stdout().starts_with("{\"groupid\":0"), "as it came: {}", run.stdout());
}

#[tokio::test]
async fn bytes_do_not_go_into_a_terminal_unless_they_are_asked_for() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    let (program, url) = (env!("CARGO_BIN_EXE_wxgate"), gateway.url());
    for (more, shown) in [("", false), ("--output -", true)] {
        // script(1) gives the program a terminal.
        let call =
            format!("{program} call POST /wxa/getwxacodeunlimit --data '{{\"scene\":\"a\"}}' --gateway {url} {more}");
        let mut command = std::process::Command::new("script");
        command.args(["--quiet", "--return", "--command", &call, "/dev/null"]).stdin(std::process::Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(memchr::memmem::find(&output.stdout, b"PNG\r").is_some(), shown, "{text}");
        assert_eq!(text.contains("give a file for it (--output FILE)"), !shown, "{text}");
        assert_eq!(output.status.success(), shown, "{text}");
    }
}

#[tokio::test]
async fn a_status_of_400_or_above_is_no_success() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    wechat.world().faults().add(Fault::at("/x").status(
        StatusCode::BAD_GATEWAY,
        HeaderValue::from_static("text/html"),
        "<h1>Bad Gateway</h1>",
    ));
    let run = Place::empty().call(&["GET", "/x", "--gateway", &gateway.url()]).await;
    assert_eq!(run.exit, 1);
    assert!(run.stderr.starts_with("502 Bad Gateway"), "{}", run.stderr);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_waited_for_no_longer_than_it_was_said() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at("/x").hold(&gate));
    let run = Place::empty().call(&["GET", "/x", "--timeout", "300ms", "--gateway", &gateway.url()]).await;
    assert_eq!(run.exit, 1);
    assert!(run.stderr.contains("no whole answer within 300ms"), "{}", run.stderr);
}
