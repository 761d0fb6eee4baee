//! `POST /reload` and `POST /stop` on the admin listener.

use wxgate::stage::Stage;

use super::{INFO, Operated, with_account};
use crate::process::Program;
use crate::support::{Caller, Reply, account, config_text, sandbox, within};

const ADMIN: &str = "admin.address = '127.0.0.1:0'\n";
const ADMIN_FIELD: (&str, &str) = ("X-Wxgate-Admin", "1");

async fn post(address: std::net::SocketAddr, path: &str, fields: &[(&str, &str)]) -> Reply {
    let mut operator = Caller::connect(address).await;
    operator.request("POST", path, fields, b"").await;
    operator.reply().await
}

#[tokio::test]
async fn a_reload_is_asked_for_and_answered_with_what_came_of_it() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, ADMIN).await;
    let admin = operated.gateway.admin.unwrap();
    let write =
        |keys: &str| std::fs::write(operated.file(), config_text(&operated.base_url, &with_account(keys))).unwrap();

    write(&format!("{ADMIN}body.limit = '4B'\nlog.format = 'json'"));
    let reply = post(admin, "/reload", &[ADMIN_FIELD]).await;
    assert_eq!((reply.status, &reply.json()["outcome"]), (200, &"in_force".into()));
    assert_eq!(reply.json()["needs_restart"], serde_json::json!(["log.format"]));
    assert_eq!(operated.gateway.request("POST", "/wxa/any", &[], b"12345").await.status, 413);

    write("body.limit = '4 bytes'\nadmins.address = 'x'");
    let reply = post(admin, "/reload", &[ADMIN_FIELD]).await;
    assert_eq!((reply.status, &reply.json()["outcome"]), (422, &"refused".into()));
    let problems: Vec<_> = reply.json()["problems"].as_array().unwrap().iter().map(ToString::to_string).collect();
    for key in ["body.limit: ", "admins: unknown key; did you mean \\\"admin\\\"?"] {
        assert!(problems.iter().any(|problem| problem.contains(key)), "{key} in {problems:#?}");
    }
    assert_eq!(operated.gateway.get(INFO).await.status, 200);
}

#[tokio::test]
async fn a_page_or_a_slip_of_the_hand_changes_nothing() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, ADMIN).await;
    std::fs::write(operated.file(), config_text(&operated.base_url, &with_account("body.limit = '1B'"))).unwrap();
    let admin = operated.gateway.admin.unwrap();
    for path in ["/reload", "/stop"] {
        assert_eq!(post(admin, path, &[]).await.status, 403, "{path}");
        assert_eq!(
            post(admin, path, &[ADMIN_FIELD, ("Origin", "http://elsewhere.example")]).await.status,
            403,
            "{path}"
        );
        let mut operator = Caller::connect(admin).await;
        operator.request("GET", path, &[ADMIN_FIELD], b"").await;
        assert_eq!(operator.reply().await.status, 405, "{path}");
    }
    assert_eq!(operated.gateway.request("POST", "/wxa/any", &[], b"12345").await.status, 200);
}

#[tokio::test]
async fn a_stop_goes_on_serving_while_readiness_says_no() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, ADMIN).await;
    let admin = operated.gateway.admin.unwrap();
    assert_eq!(operated.gateway.get(INFO).await.status, 200);
    let ready = async |target: &str| {
        let mut operator = Caller::connect(admin).await;
        operator.request("GET", target, &[], b"").await;
        operator.reply().await
    };
    assert_eq!(ready("/readyz").await.json()["stopping"], serde_json::Value::Null);
    assert_eq!(post(admin, "/stop", &[ADMIN_FIELD]).await.status, 202);
    within(operated.gateway.control.reached(Stage::Leaving)).await;
    for target in ["/readyz", "/readyz?account=main"] {
        let reply = ready(target).await;
        assert_eq!((reply.status, reply.json()["stopping"].as_bool()), (503, Some(true)), "{target}");
    }
    assert_eq!(ready("/livez").await.status, 200, "nobody is to kill it");
    assert_eq!(operated.gateway.get(INFO).await.field("connection"), Some("close"));
}

/// As the container of a Kubernetes job ends its sidecar.
#[tokio::test]
async fn the_program_ends_when_the_operator_asks() {
    let wechat = sandbox().await;
    let keys = format!("{ADMIN}server.stop_delay = '100ms'\n{}", account());
    let mut program = Program::run(&config_text(&wechat.base_url(), &keys));
    let admin = program.admin_address().await;
    assert_eq!(post(admin, "/stop", &[ADMIN_FIELD]).await.status, 202);
    assert_eq!(program.ended().await.code(), Some(0));
    program.says("stopping: after 100ms").await;
}
