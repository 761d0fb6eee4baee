//! Another configuration comes into force while the gateway runs: nobody notices, but what has changed holds at once.

mod accounts;
mod listeners;
mod load;
mod on_demand;
mod operator;
mod program;
mod refused;

use std::path::PathBuf;

use tempfile::TempDir;
use wxgate::app::App;
use wxgate::config::{Environment, Source};
use wxgate::reload::{Cause, Outcome, Reloaded, Reloader};
use wxgate::sandbox::Sandbox;

use crate::support::{Gateway, Reply, account, calls, config_text, sandbox, within};

const INFO: &str = "/cgi-bin/user/info?openid=o6";

/// A gateway and the file that it was started with.
struct Operated {
    gateway: Gateway,
    reloader: Reloader,
    base_url: String,
    directory: TempDir,
}

impl Operated {
    /// In front of `wechat`, under top-level `keys`, with the sandbox's account.
    async fn start(wechat: &Sandbox, keys: &str) -> Self {
        Self::with_accounts(wechat, &with_account(keys)).await
    }

    /// Under `keys`, which name the accounts.
    async fn with_accounts(wechat: &Sandbox, keys: &str) -> Self {
        let (directory, base_url) = (tempfile::tempdir().unwrap(), format!("http://{}", wechat.address()));
        let path = directory.path().join("config.toml");
        std::fs::write(&path, config_text(&base_url, keys)).unwrap();
        let mut source = Source::new(Some(&path), Environment::default());
        let app = App::bind(source.load().unwrap().config).await.unwrap().following(source, None);
        let reloader = app.reloader();
        Self { gateway: Gateway::of(app), reloader, base_url, directory }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("config.toml")
    }

    /// The file becomes this, under the sandbox's account, and the operator has it read.
    async fn reload(&self, keys: &str) -> Reloaded {
        self.try_reload(&with_account(keys)).await.unwrap()
    }

    /// The same under `keys` which name the accounts.
    async fn try_reload(&self, keys: &str) -> Outcome {
        self.reload_text(&config_text(&self.base_url, keys)).await
    }

    /// The file becomes this very text.
    async fn reload_text(&self, text: &str) -> Outcome {
        std::fs::write(self.file(), text).unwrap();
        within(self.reloader.reload(Cause::Operator)).await
    }
}

fn with_account(keys: &str) -> String {
    format!("{keys}\n{}", account())
}

fn error(reply: &Reply) -> (u16, Option<&str>) {
    (reply.status, reply.error())
}

#[tokio::test]
async fn limits_hold_from_the_next_request_on_a_connection_that_stays() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    let mut caller = operated.gateway.connect().await;
    let mut post = async |expected| {
        caller.request("POST", "/wxa/any", &[], b"0123456789").await;
        assert_eq!(error(&caller.reply().await), expected);
    };
    post((200, None)).await;
    operated.reload("server.requests = 1\nbody.limit = '10B'").await;
    post((200, None)).await;
    operated.reload("body.limit = '9B'").await;
    post((413, Some("body_too_large"))).await;
}

#[tokio::test]
async fn requests_in_flight_count_against_the_new_limit() {
    let (wechat, gate) = (sandbox().await, wxgate::sandbox::Gate::new());
    wechat.world().faults().add(wxgate::sandbox::Fault::at("/wxa/slow").hold(&gate));
    let operated = Operated::start(&wechat, "").await;
    let mut slow = operated.gateway.connect().await;
    slow.request("GET", "/wxa/slow", &[], b"").await;
    within(gate.held(1)).await;
    operated.reload("server.requests = 1").await;
    assert_eq!(error(&operated.gateway.get(INFO).await), (503, Some("too_busy")));
    gate.open();
    assert_eq!(slow.reply().await.status, 200);
    assert_eq!(operated.gateway.get(INFO).await.status, 200);
}

#[tokio::test]
async fn connections_to_wechat_are_kept_unless_the_way_there_changes() {
    let (wechat, other) = (sandbox().await, sandbox().await);
    let operated = Operated::start(&wechat, "").await;
    let mut caller = operated.gateway.connect().await;
    let mut get = async || {
        caller.request("GET", INFO, &[], b"").await;
        caller.reply().await.status
    };
    assert_eq!(get().await, 200);
    let before = wechat.world().journal().connections();
    operated.reload("body.limit = '1MiB'\nheal.pause = '1s'").await;
    assert_eq!(get().await, 200);
    assert_eq!(wechat.world().journal().connections(), before);

    let there = config_text(&other.base_url(), &with_account(""));
    operated.reload_text(&there).await.unwrap();
    let seen = calls(&wechat).len();
    // Its token is the first WeChat's, so the second refuses it, and it is healed there.
    assert_eq!(get().await, 200);
    assert_eq!((calls(&wechat).len(), calls(&other).len()), (seen, 2));
}

#[tokio::test]
async fn a_callers_rate_goes_on_where_it_was() {
    let wechat = sandbox().await;
    let keys = |rate: &str, more: &str| {
        format!(
            "[[listen]]\naddress = '127.0.0.1:0'\nadmit = ['network']\n\
             [[caller]]\nname = 'near'\nnetworks = ['127.0.0.0/8']\nrate = '{rate}'\n{more}\n"
        )
    };
    let operated = Operated::start(&wechat, &keys("2/h", "")).await;
    for _ in 0..2 {
        assert_eq!(operated.gateway.get(INFO).await.status, 200);
    }
    operated.reload(&keys("2/h", "deny = ['/wxa/*']")).await;
    assert_eq!(error(&operated.gateway.get(INFO).await), (429, Some("rate_limited")));
    operated.reload(&keys("3/h", "deny = ['/wxa/*']")).await;
    assert_eq!(error(&operated.gateway.get("/wxa/any").await), (403, Some("caller_forbidden")));
    assert_eq!(operated.gateway.get(INFO).await.status, 200);
}
