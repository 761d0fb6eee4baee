//! What cannot be used, what takes another start, and what is not there to be read.

use wxgate::app::App;
use wxgate::reload::Cause;

use super::{INFO, Operated, with_account};
use crate::support::{account, config, sandbox, within};

#[tokio::test]
async fn a_bad_file_changes_nothing_and_every_problem_is_told_with_its_key() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    let problems = operated.try_reload("body.limit = '5 parsecs'\ncolour = 'red'\n[[account]]\nappid = 'wx1'\n").await;
    let problems = problems.unwrap_err().0;
    for key in ["body.limit: ", "colour: unknown key", "account[0].secret: "] {
        assert!(problems.iter().any(|problem| problem.starts_with(key)), "{key} in {problems:#?}");
    }
    assert!(!problems.concat().contains("parsecs"), "values are not repeated");
    assert_eq!(operated.gateway.get(&format!("/@main{INFO}")).await.status, 200);
    operated.reload_text("this is = not [toml").await.unwrap_err();
    std::fs::remove_file(operated.file()).unwrap();
    let gone = within(operated.reloader.reload(Cause::Operator)).await.unwrap_err();
    assert!(gone.0[0].contains("cannot be read"), "{gone:?}");
    assert_eq!(operated.gateway.get(&format!("/@main{INFO}")).await.status, 200);
    operated.reload("body.limit = '1MiB'").await;
}

#[tokio::test]
async fn a_way_out_that_cannot_be_is_refused() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    let own = format!("http://{}", operated.gateway.address);
    let text = crate::support::config_text(&own, &account());
    let refused = operated.reload_text(&text).await.unwrap_err();
    assert!(refused.0[0].contains("one of the gateway's own listeners"), "{refused:?}");
    assert_eq!(operated.gateway.get(INFO).await.status, 200);
}

#[tokio::test]
async fn what_only_another_start_changes_is_named_until_it_comes() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    let directory = tempfile::tempdir().unwrap();
    let keys = format!(
        "admin.address = '127.0.0.1:0'\nlog.format = 'json'\nstore.kind = 'file'\nstore.directory = '{}'",
        directory.path().display()
    );
    let text = crate::support::config_text(&operated.base_url, &with_account(&keys));
    let text = text.replace("server.workers = 2", "server.workers = 3");
    for _ in 0..2 {
        let reloaded = operated.reload_text(&text).await.unwrap();
        assert_eq!(reloaded.needs_restart, ["server.workers", "admin", "store", "log.format"]);
    }
    assert_eq!(operated.reload("").await.needs_restart, Vec::<String>::new());
}

#[tokio::test]
async fn warnings_come_with_the_outcome() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    let reloaded = operated.reload("[[listen]]\naddress = '0.0.0.0:0'\n").await;
    assert!(reloaded.warnings.iter().any(|warning| warning.contains("beyond loopback")), "{reloaded:?}");
}

#[tokio::test]
async fn a_gateway_without_a_file_or_that_is_stopping_says_so() {
    let wechat = sandbox().await;
    let app = App::bind(config(&wechat.base_url(), &account())).await.unwrap();
    let reloader = app.reloader();
    let gateway = crate::support::Gateway::of(app);
    let refused = within(reloader.reload(Cause::Operator)).await.unwrap_err();
    assert!(refused.0[0].contains("no configuration to read again"), "{refused:?}");
    gateway.drain();
    gateway.stopped().await.unwrap();
    let refused = within(reloader.reload(Cause::Operator)).await.unwrap_err();
    assert!(refused.0[0].contains("is stopping"), "{refused:?}");
}
