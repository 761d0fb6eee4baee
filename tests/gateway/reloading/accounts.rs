//! Accounts that stay, come, go, and change their secret.

use wxgate::sandbox::{Account, CLASSIC, DEFAULT_APPID, DEFAULT_SECRET, Sandbox, Settings};

use super::{INFO, Operated, error, with_account};
use crate::redis::server::{Redis, classic};
use crate::support::{Gateway, Reply, account, calls, sandbox};

const SHOP: &str = "[[account]]\nname = 'shop'\nappid = 'wxshop'\nsecret = 'shop-secret'\n";

async fn two_accounts() -> Sandbox {
    let accounts = vec![Account::new(DEFAULT_APPID, DEFAULT_SECRET), Account::new("wxshop", "shop-secret")];
    Sandbox::start(Settings { accounts, ..Settings::default() }).await.unwrap()
}

fn main_by_default() -> String {
    format!("{}default = true\n", account())
}

fn placeholder(reply: &Reply) -> String {
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_that_comes_gets_its_token_and_one_that_stays_keeps_its_own() {
    let wechat = two_accounts().await;
    let operated = Operated::with_accounts(&wechat, &main_by_default()).await;
    assert_eq!(operated.gateway.get(INFO).await.status, 200);
    assert_eq!(error(&operated.gateway.get(&format!("/@shop{INFO}")).await), (404, Some("no_account")));
    operated.try_reload(&format!("{}{SHOP}", main_by_default())).await.unwrap();
    for path in [INFO.to_owned(), format!("/@shop{INFO}")] {
        assert_eq!(operated.gateway.get(&path).await.status, 200, "{path}");
    }
    for appid in [DEFAULT_APPID, "wxshop"] {
        assert_eq!(wechat.world().fetches(appid).stable, 1, "{appid}");
    }
}

#[tokio::test]
async fn one_that_goes_is_gone_and_when_it_comes_again_it_begins_anew() {
    let wechat = two_accounts().await;
    let both = format!("{}{SHOP}", main_by_default());
    let operated = Operated::with_accounts(&wechat, &both).await;
    let shop = format!("/@shop{INFO}");
    assert_eq!(operated.gateway.get(&shop).await.status, 200);
    operated.try_reload(&main_by_default()).await.unwrap();
    assert_eq!(error(&operated.gateway.get(&shop).await), (404, Some("no_account")));
    operated.try_reload(&both).await.unwrap();
    assert_eq!(operated.gateway.get(&shop).await.status, 200);
    assert_eq!(wechat.world().fetches("wxshop").stable, 2);
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).stable, 1);
}

/// Another name for the same appid is the same account.
#[tokio::test]
async fn one_that_is_renamed_keeps_its_token() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    assert_eq!(operated.gateway.get(&format!("/@main{INFO}")).await.status, 200);
    operated.try_reload(&account().replace("'main'", "'primary'")).await.unwrap();
    assert_eq!(operated.gateway.get(&format!("/@primary{INFO}")).await.status, 200);
    assert_eq!(error(&operated.gateway.get(&format!("/@main{INFO}")).await), (404, Some("no_account")));
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).stable, 1);
}

#[tokio::test]
async fn a_changed_secret_is_used_at_once_by_everything_that_uses_it() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    let sdk = format!("{CLASSIC}?grant_type=client_credential&appid={DEFAULT_APPID}&secret=any");
    let before = placeholder(&operated.gateway.get(&sdk).await);
    let session = "/sns/jscode2session?js_code=code&grant_type=authorization_code";
    operated.gateway.get(session).await;

    wechat.world().reset_secret(DEFAULT_APPID, "the-next-secret");
    operated.try_reload(&account().replace(DEFAULT_SECRET, "the-next-secret")).await.unwrap();

    let refused = operated.gateway.get(&format!("{INFO}&access_token={before}")).await;
    assert_eq!(error(&refused), (200, Some("invalid_placeholder")), "it was signed with the old one");
    let after = placeholder(&operated.gateway.get(&sdk).await);
    assert_eq!(operated.gateway.get(&format!("{INFO}&access_token={after}")).await.status, 200);
    operated.gateway.get(session).await;
    let secrets: Vec<_> = calls(&wechat)
        .iter()
        .filter(|seen| seen.path().starts_with("/sns/"))
        .flat_map(|s| s.parameters("secret"))
        .collect();
    assert_eq!(secrets, [DEFAULT_SECRET, "the-next-secret"]);
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).stable, 1, "the token that lives is kept");

    wechat.world().kill_tokens();
    assert_eq!(operated.gateway.get(INFO).await.field("x-wxgate-retry"), Some("healed"), "the issuer has it too");
}

#[tokio::test]
async fn a_changed_secret_seals_the_token_that_replicas_share_too() {
    let (wechat, redis) = (sandbox().await, Redis::start().await);
    let (old, new) = (classic(&redis.keys()), classic(&redis.keys()).replace(DEFAULT_SECRET, "the-next-secret"));
    let operated = Operated::with_accounts(&wechat, &old).await;
    assert_eq!(operated.gateway.get(INFO).await.status, 200);
    wechat.world().reset_secret(DEFAULT_APPID, "the-next-secret");
    operated.try_reload(&new).await.unwrap();
    wechat.world().kill_tokens();
    assert_eq!(operated.gateway.get(INFO).await.field("x-wxgate-retry"), Some("healed"));

    let fetched = wechat.world().journal().count(CLASSIC);
    let newcomer = Gateway::with_accounts(&wechat, &new).await;
    assert_eq!((newcomer.get(INFO).await.status, wechat.world().journal().count(CLASSIC)), (200, fetched));
}

/// The next try with a wrong secret would be 15 s away.
#[tokio::test]
async fn a_secret_that_is_put_right_is_tried_at_once() {
    let wechat = sandbox().await;
    let operated = Operated::with_accounts(&wechat, &account().replace(DEFAULT_SECRET, "wrong")).await;
    assert_eq!(error(&operated.gateway.get(INFO).await), (503, Some("no_token")));
    operated.try_reload(&account()).await.unwrap();
    // Whether the failure is still remembered at this moment or the fetch is under way is a matter of luck.
    while operated.gateway.get(INFO).await.status != 200 {
        tokio::task::yield_now().await;
    }
}

/// A secret in a file of its own is part of the configuration.
#[tokio::test]
async fn a_secret_file_is_read_again() {
    let wechat = sandbox().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), DEFAULT_SECRET).unwrap();
    let keys = account().replace(&format!("'{DEFAULT_SECRET}'"), &format!("{{ file = '{}' }}", file.path().display()));
    let operated = Operated::with_accounts(&wechat, &keys).await;
    assert_eq!(operated.gateway.get(INFO).await.status, 200);
    wechat.world().reset_secret(DEFAULT_APPID, "rotated");
    wechat.world().kill_tokens();
    std::fs::write(file.path(), "rotated\n").unwrap();
    operated.try_reload(&keys).await.unwrap();
    assert_eq!(operated.gateway.get(INFO).await.field("x-wxgate-retry"), Some("healed"));
}

#[tokio::test]
async fn the_operator_sees_the_accounts_of_the_moment() {
    let wechat = two_accounts().await;
    let admin = "admin.address = '127.0.0.1:0'\n";
    let operated = Operated::with_accounts(&wechat, &format!("{admin}{}{SHOP}", main_by_default())).await;
    operated.gateway.get(&format!("/@shop{INFO}")).await;
    let ready = async |name: &str| {
        crate::readiness::operator(&operated.gateway, &format!("/readyz?account={name}")).await.status
    };
    assert_eq!(ready("shop").await, 200);
    operated.try_reload(&with_account(admin)).await.unwrap();
    assert_eq!(ready("shop").await, 404);
}
