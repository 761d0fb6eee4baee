//! Through a running gateway.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use wxgate::sandbox::{Account, DEFAULT_APPID, DEFAULT_SECRET, Fault, Sandbox, Settings};

use crate::support::{Gateway, Place, config, last_call, sandbox};

#[tokio::test]
async fn a_call_through_the_gateway_needs_no_configuration_and_no_credential() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    let run = Place::empty().call(&["GET", "/cgi-bin/user/get?next_openid=", "--gateway", &gateway.url()]).await;
    assert_eq!(run.exit, 0, "{}", run.stderr);
    assert!(run.stdout().starts_with("{\n  \"count\": 10000,\n"), "{:.60}", run.stdout());
    assert!(run.stderr.starts_with("200 OK, "), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("through {}", gateway.url())), "{}", run.stderr);
    assert_eq!(last_call(&wechat).parameters("next_openid"), [""]);
}

#[tokio::test]
async fn the_configurations_listener_is_called_when_somebody_listens_there() {
    let wechat = sandbox().await;
    let directory = tempfile::tempdir().unwrap();
    let listener = format!("listen.address = 'unix:{}/wxgate.sock'", directory.path().display());
    let config = config(&wechat, &listener, "");
    let _gateway = Gateway::start(&config).await;
    let run = Place::with(&config).call(&["get", "/cgi-bin/user/info?openid=o6"]).await;
    assert_eq!(run.exit, 0, "{}", run.stderr);
    assert!(run.stderr.contains("wxgate.sock"), "{}", run.stderr);
}

#[tokio::test]
async fn without_a_gateway_that_listens_it_says_what_can_be_done() {
    let wechat = sandbox().await;
    let place = Place::with(&config(&wechat, "listen.address = 'unix:/nonexistent/wxgate.sock'", ""));
    let run = place.call(&["GET", "/cgi-bin/user/get"]).await;
    assert_eq!((run.exit, run.stdout()), (1, ""));
    assert!(run.stderr.contains("no gateway listens at unix:/nonexistent/wxgate.sock"), "{}", run.stderr);
    assert!(run.stderr.contains("--direct"), "{}", run.stderr);
    assert_eq!(wechat.world().journal().total(), 0);
}

#[tokio::test]
async fn a_healed_call_says_so() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    let place = Place::empty();
    place.call(&["GET", "/cgi-bin/user/get", "--gateway", &gateway.url()]).await;
    wechat.world().kill_tokens();
    let run = place.call(&["GET", "/cgi-bin/user/get", "--gateway", &gateway.url()]).await;
    assert_eq!(run.exit, 0, "{}", run.stderr);
    assert!(run.stderr.contains("X-Wxgate-Retry: healed"), "{}", run.stderr);
}

#[tokio::test]
async fn an_answer_of_the_gateways_own_says_which_kind_it_is() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    let run =
        Place::empty().call(&["GET", "/cgi-bin/user/get", "--account", "nobody", "--gateway", &gateway.url()]).await;
    assert_eq!(run.exit, 1);
    assert!(run.stderr.contains("404 Not Found"), "{}", run.stderr);
    assert!(run.stderr.contains("X-Wxgate-Error: no_account"), "{}", run.stderr);
    assert!(run.stderr.contains("errcode -910005: wxgate: "), "{}", run.stderr);
    assert!(!run.stderr.contains("what to do"), "its message says it: {}", run.stderr);
}

#[tokio::test]
async fn the_account_is_the_one_that_is_asked_for() {
    let accounts = vec![Account::new(DEFAULT_APPID, DEFAULT_SECRET), Account::new("wxshop", "s")];
    let wechat = Sandbox::start(Settings { accounts, ..Settings::default() }).await.unwrap();
    let config = config(
        &wechat,
        "listen.address = '127.0.0.1:0'",
        "default = true\n[[account]]\nname = 'shop'\nappid = 'wxshop'\nsecret = 's'\n",
    );
    let gateway = Gateway::start(&config).await;
    let url = gateway.url();
    for (more, appid) in [(&[][..], DEFAULT_APPID), (&["--account", "shop"], "wxshop")] {
        let run = Place::empty().call(&[&["GET", "/x", "--gateway", &url], more].concat()).await;
        assert_eq!(run.exit, 0, "{}", run.stderr);
        let token = last_call(&wechat).parameters("access_token").remove(0);
        assert_eq!(wechat.world().with_ledger(|ledger, _| ledger.owner(&token).map(str::to_owned)).unwrap(), appid);
    }
}

#[tokio::test]
async fn a_body_comes_from_the_command_line_a_file_or_standard_input() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    let place = Place::empty().file("body.json", b"{\"from\":\"file\"}");
    let url = gateway.url();
    for (data, body) in [
        ("{\"from\":\"text\"}", "{\"from\":\"text\"}"),
        ("@body.json", "{\"from\":\"file\"}"),
        ("-", "{\"from\":\"input\"}"),
    ] {
        let arguments = ["POST", "/wxa/x", "--data", data, "--gateway", &url, "--header", "X-Note: 1"];
        let run = place.call_with_input(&arguments, b"{\"from\":\"input\"}").await;
        assert_eq!(run.exit, 0, "{}", run.stderr);
        let seen = last_call(&wechat);
        assert_eq!(seen.body.as_deref(), Some(body.as_bytes()));
        assert_eq!(seen.header(&CONTENT_TYPE), [b"application/json"]);
        assert_eq!(seen.header(&HeaderName::from_static("x-note")), [b"1"]);
    }
}

#[tokio::test]
async fn an_upload_has_its_filename_its_type_and_its_length() {
    let wechat = sandbox().await;
    let gateway = Gateway::before(&wechat).await;
    let picture = b"\x89PNG\r\n\x1a\n\0\xff picture";
    let place = Place::empty().file("picture.png", picture);
    let url = gateway.url();
    for way in [&["--gateway", &url][..], &["--gateway", &url, "--upload", "description={\"title\":\"t\"}"]] {
        let upload = ["POST", "/cgi-bin/media/upload?type=image", "--upload", "media=@picture.png"];
        let run = place.call(&[&upload[..], way].concat()).await;
        assert_eq!(run.exit, 0, "{}", run.stderr);
        assert_eq!(last_call(&wechat).header(&CONTENT_LENGTH).len(), 1);
        let answer: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        let path = format!("/cgi-bin/media/get?media_id={}", answer["media_id"].as_str().unwrap());
        let run = place.call(&["GET", &path, "--output", "back.png", "--gateway", &url]).await;
        assert_eq!((run.exit, run.stdout()), (0, ""), "{}", run.stderr);
        assert_eq!(std::fs::read(place.path("back.png")).unwrap(), picture);
    }
}

#[tokio::test]
async fn a_listener_that_demands_callers_gets_the_virtual_secret_and_nobody_sees_it() {
    let wechat = sandbox().await;
    let hash = sha256("the-virtual-secret");
    let listener = "listen = [{ address = '127.0.0.1:0', admit = ['bearer'] }]";
    let config = config(&wechat, listener, &format!("[[caller]]\nname = 'crm'\nsecrets = ['{hash}']\n"));
    let gateway = Gateway::start(&config).await;
    // An endpoint that echoes what it was sent.
    wechat.world().faults().add(Fault::at("/cgi-bin/user/get").body("Authorization: Bearer the-virtual-secret"));
    let place = Place::empty().file("secret", b"the-virtual-secret\n").variable("CRM", "the-virtual-secret");
    let url = gateway.url();
    for way in [["--bearer-file", "secret"], ["--bearer-env", "CRM"]] {
        let run = place.call(&[&["GET", "/cgi-bin/user/get", "--gateway", &url], &way[..]].concat()).await;
        assert_eq!((run.exit, run.stdout()), (0, "Authorization: Bearer [redacted]"), "{}", run.stderr);
        assert_eq!(last_call(&wechat).header(&AUTHORIZATION).len(), 0, "it served the gateway");
    }
    let run = place.call(&["GET", "/cgi-bin/user/get", "--gateway", &url]).await;
    assert_eq!(run.exit, 1);
    assert!(run.stderr.contains("X-Wxgate-Error: caller_unknown"), "{}", run.stderr);
}

/// As the configuration has it.
fn sha256(secret: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, secret.as_bytes()).as_ref())
}

#[tokio::test]
async fn of_several_listeners_one_is_called_that_fits() {
    let wechat = sandbox().await;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("unix:{}/{name}", directory.path().display());
    let listeners = format!(
        "listen = [{{ address = '{}', admit = ['bearer'] }}, {{ address = '{}' }}]",
        at("demanding"),
        at("open")
    );
    let hash = sha256("virtual");
    let config = config(&wechat, &listeners, &format!("[[caller]]\nname = 'crm'\nsecrets = ['{hash}']\n"));
    let _gateway = Gateway::start(&config).await;
    let place = Place::with(&config).variable("CRM", "virtual");
    for (more, listener) in [(&[][..], "open"), (&["--bearer-env", "CRM"], "demanding")] {
        let run = place.call(&[&["GET", "/x"], more].concat()).await;
        assert_eq!(run.exit, 0, "{}", run.stderr);
        assert!(run.stderr.contains(&at(listener)), "{}", run.stderr);
    }
}

#[tokio::test]
async fn a_gateway_with_tls_is_trusted_by_its_own_ca() {
    let wechat = sandbox().await;
    let place = Place::empty();
    let directory = place.path("").display().to_string();
    let certificate = std::process::Command::new(env!("CARGO_BIN_EXE_wxgate"))
        .args(["certificate", "--host", "localhost", "--directory", &directory])
        .output()
        .unwrap();
    assert!(certificate.status.success());
    let listener = format!(
        "listen = [{{ address = '127.0.0.1:0', tls = {{ certificate = '{directory}/certificate.pem', private_key = \
         '{directory}/private-key.pem' }} }}]"
    );
    let gateway = Gateway::start(&config(&wechat, &listener, "")).await;
    let url = format!("https://localhost:{}", gateway.address.unwrap().port());
    let run = place.call(&["GET", "/x", "--gateway", &url, "--ca-file", "ca.pem"]).await;
    assert_eq!(run.exit, 0, "{}", run.stderr);
    let run = place.call(&["GET", "/x", "--gateway", &url]).await;
    assert_eq!(run.exit, 1);
}
