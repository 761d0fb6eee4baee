//! Without a gateway, as an account of the configuration.

use std::time::{SystemTime, UNIX_EPOCH};

use wxgate::sandbox::{DEFAULT_APPID, DEFAULT_SECRET, Fault, Fetches, Sandbox, Settings, StableEndpoint};

use crate::support::{Place, Run, config, last_call, sandbox};

async fn direct(wechat: &Sandbox, more: &str, arguments: &[&str]) -> Run {
    Place::with(&config(wechat, "", more)).call(&[arguments, &["--direct"]].concat()).await
}

/// The token that production has.
fn production_token(wechat: &Sandbox) -> String {
    wechat.world().with_ledger(|ledger, now| ledger.stable(DEFAULT_APPID, false, now)).unwrap().token
}

/// A classic fetch would supersede the token that production has, a forced one would kill it.
#[tokio::test]
async fn a_direct_call_uses_the_stable_endpoints_normal_mode_alone() {
    for kind in ["auto", "stable", "classic"] {
        let wechat = sandbox().await;
        let token = production_token(&wechat);
        let run = direct(&wechat, &format!("token = '{kind}'\n"), &["GET", "/cgi-bin/user/info?openid=o6"]).await;
        assert_eq!(run.exit, 0, "{kind}: {}", run.stderr);
        assert!(
            run.stderr.contains("as account main, with the token that the stable endpoint gives"),
            "{}",
            run.stderr
        );
        assert_eq!(last_call(&wechat).parameters("access_token"), std::slice::from_ref(&token), "{kind}");
        let asked = wechat.world().fetches(DEFAULT_APPID);
        assert_eq!(asked, Fetches { stable: asked.stable, minted: 1, ..Fetches::default() }, "{kind}");
        assert!(!run.stderr.contains(&token) && !run.stdout().contains(&token));
    }
    let missing = StableEndpoint::Status(hyper::StatusCode::NOT_FOUND);
    let wechat = Sandbox::start(Settings { stable_endpoint: missing, ..Settings::default() }).await.unwrap();
    let run = direct(&wechat, "token = 'classic'\n", &["GET", "/cgi-bin/user/get"]).await;
    assert_eq!((run.exit, wechat.world().fetches(DEFAULT_APPID)), (1, Fetches::default()));
}

#[tokio::test]
async fn a_refused_token_is_explained_and_neither_replaced_nor_sent_again() {
    let wechat = sandbox().await;
    let token = production_token(&wechat);
    wechat.world().kill_tokens_unnoticed();
    let run = direct(&wechat, "", &["GET", "/cgi-bin/user/get"]).await;
    assert_eq!(run.exit, 1);
    assert!(run.stderr.contains("errcode 40001: "), "{}", run.stderr);
    assert!(run.stderr.contains("what to do: WeChat does not take this token"), "{}", run.stderr);
    assert_eq!(production_token(&wechat), token, "nothing was forced");
    assert_eq!(wechat.world().journal().count("/cgi-bin/user/get"), 1);
}

#[tokio::test]
async fn the_stored_token_is_used_while_it_lives_and_the_store_stays_as_it_is() {
    let wechat = sandbox().await;
    let token = production_token(&wechat);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (expires_at, source) in [(now + 3_600, "out of the store"), (now + 1, "that the stable endpoint gives")] {
        let stored = format!(
            r#"{{"appid":"{DEFAULT_APPID}","token":"{token}","minted_by":"stable","fetched_at":{now},"expires_at":{expires_at}}}"#
        );
        let place = Place::empty();
        std::fs::create_dir(place.path("store")).unwrap();
        let file = format!("store/{DEFAULT_APPID}.json");
        let config = config(&wechat, "", "[store]\nkind = 'file'\ndirectory = 'store'\n");
        let place = place.file(&file, stored.as_bytes()).file("config.toml", config.as_bytes());
        let run = place.call(&["GET", "/cgi-bin/user/get", "--direct"]).await;
        assert_eq!(run.exit, 0, "{}", run.stderr);
        assert!(run.stderr.contains(source), "{}", run.stderr);
        assert_eq!(std::fs::read_to_string(place.path(file)).unwrap(), stored);
    }
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).stable, 2, "once by this test, once for the token at its end");
}

#[tokio::test]
async fn a_call_that_takes_the_secret_gets_the_true_one_and_no_token() {
    let wechat = sandbox().await;
    let path = "/sns/jscode2session?js_code=c&grant_type=authorization_code&secret=any&access_token=ACCESS_TOKEN";
    let run = direct(&wechat, "", &["GET", path]).await;
    assert_eq!(run.exit, 0, "{}{}", run.stdout(), run.stderr);
    let seen = last_call(&wechat);
    assert_eq!(seen.parameters("secret"), [DEFAULT_SECRET]);
    assert_eq!(seen.parameters("appid"), [DEFAULT_APPID]);
    assert!(seen.parameters("access_token").is_empty());
    assert_eq!(wechat.world().fetches(DEFAULT_APPID), Fetches::default());
}

#[tokio::test]
async fn a_users_token_is_left_alone() {
    let wechat = sandbox().await;
    direct(&wechat, "", &["GET", "/sns/userinfo?access_token=theirs&openid=o6"]).await;
    assert_eq!(last_call(&wechat).target, "/sns/userinfo?access_token=theirs&openid=o6");
    assert_eq!(wechat.world().fetches(DEFAULT_APPID), Fetches::default());
}

#[tokio::test]
async fn the_url_of_the_documentation_can_be_pasted() {
    let wechat = sandbox().await;
    let url = "https://api.weixin.qq.com/cgi-bin/user/info?access_token=ACCESS_TOKEN&openid=o6";
    let run = direct(&wechat, "", &["GET", url]).await;
    assert_eq!(run.exit, 0, "{}", run.stderr);
    assert_eq!(last_call(&wechat).parameters("access_token").len(), 1);
}

#[tokio::test]
async fn an_upload_and_a_post_without_a_body_carry_their_lengths() {
    let wechat = sandbox().await;
    let place = Place::with(&config(&wechat, "", "")).file("a.jpg", b"\xff\xd8\xff");
    let upload = ["POST", "/cgi-bin/media/upload?type=image", "--upload", "media=@a.jpg", "--direct"];
    let run = place.call(&upload).await;
    assert_eq!(run.exit, 0, "{}", run.stderr);
    let run = place.call(&["POST", "/wxa/x", "--direct"]).await;
    assert_eq!(run.exit, 0, "{}", run.stderr);
}

#[tokio::test]
async fn an_echoed_token_is_not_shown() {
    let wechat = sandbox().await;
    let token = production_token(&wechat);
    wechat.world().faults().add(Fault::at("/x").body(format!("<a href='?access_token={token}'>")));
    let run = direct(&wechat, "", &["GET", "/x"]).await;
    assert_eq!(run.stdout(), "<a href='?access_token=[redacted]'>");
}

#[tokio::test]
async fn a_machine_that_is_not_whitelisted_learns_its_address() {
    let whitelist = Some(vec!["203.0.113.9".parse().unwrap()]);
    let wechat = Sandbox::start(Settings { whitelist, ..Settings::default() }).await.unwrap();
    let run = direct(&wechat, "", &["GET", "/cgi-bin/user/get"]).await;
    assert_eq!((run.exit, run.stdout()), (1, ""));
    assert!(run.stderr.contains("no token for account main: WeChat answered errcode 40164"), "{}", run.stderr);
    assert!(run.stderr.contains("127.0.0.1"), "{}", run.stderr);
    assert!(run.stderr.contains("what to do: add the IP address"), "{}", run.stderr);
}

#[tokio::test]
async fn an_account_that_is_none_is_wrong_usage() {
    let wechat = sandbox().await;
    let run = direct(&wechat, "", &["GET", "/x", "--account", "nobody"]).await;
    assert_eq!(run.exit, 2);
    assert!(run.stderr.contains("none is called nobody; there are main"), "{}", run.stderr);
}
