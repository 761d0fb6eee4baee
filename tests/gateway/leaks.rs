//! No secret leaves the gateway: not by its log at TRACE in either format, not by what it says to callers, not by the
//! admin listener. The real program goes through what goes right and what goes wrong, and all that it says is searched.

mod search;
mod watched;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use wxgate::sandbox::{Account, CLASSIC, DEFAULT_APPID, Fault, Gate, HangUp, Kind, STABLE, Sandbox, Settings};

use crate::authority::Authority;
use crate::support::{Caller, account, nobody};
use search::Secrets;
use watched::{ADMIN_TOKEN, Watched, call};

/// Its form in a query is another than its own.
const APP_SECRET: &str = "S3cr3t+/=&%~leak";
const PLACEHOLDER_KEY: &str = "K3y-0f-the-pl4ceholders+/=";
const PROXY_PASSWORD: &str = "pr0xy/p@ssw0rd";
const VIRTUAL_SECRET: &str = "v1rtual-secret-of-crm";
/// What callers bring along is theirs, and no business of the log either.
const CALLERS_OWN: [&str; 3] = ["81_user_t0ken-of-an-end-user", "a-c4llers-wrong-secret", "wxgate_f0rged-placeholder"];

const FORMATS: [&str; 2] = ["text", "json"];

fn account_keys(more: &str) -> String {
    format!(
        "[[account]]\nname = 'main'\nappid = '{DEFAULT_APPID}'\nsecret = '{APP_SECRET}'\n\
         placeholder_key = '{PLACEHOLDER_KEY}'\n{more}"
    )
}

async fn wechat() -> Sandbox {
    let accounts = vec![Account::new(DEFAULT_APPID, APP_SECRET)];
    Sandbox::start(Settings { accounts, ..Settings::default() }).await.unwrap()
}

fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    let proxy = format!("Aladdin:{PROXY_PASSWORD}");
    let own = [APP_SECRET, PLACEHOLDER_KEY, PROXY_PASSWORD, VIRTUAL_SECRET, ADMIN_TOKEN, &proxy];
    own.into_iter().chain(CALLERS_OWN).for_each(|secret| secrets.add(secret));
    secrets
}

/// All tokens that the sandbox issued or saw.
fn add_tokens(secrets: &mut Secrets, wechat: &Sandbox) {
    for seen in wechat.world().journal().requests() {
        seen.parameters("access_token").iter().for_each(|token| secrets.add(token));
    }
    for kind in [Kind::Stable, Kind::Classic] {
        let newest = wechat.world().with_ledger(|ledger, _| ledger.newest(DEFAULT_APPID, kind).map(str::to_owned));
        newest.iter().for_each(|token| secrets.add(token));
    }
}

#[tokio::test]
async fn nothing_leaks_from_requests_however_they_end() {
    for format in FORMATS {
        let (wechat, mut secrets) = (wechat().await, secrets());
        let directory = tempfile::tempdir().unwrap();
        let mut program =
            Watched::start(format, &format!("http://{}", wechat.address()), &request_keys(directory.path())).await;
        drop(directory);
        right(&mut program, &wechat).await;
        echoed_by_wechat(&mut program, &wechat).await;
        refused_by_the_gateway(&mut program).await;
        failed_by_wechat(&mut program, &wechat).await;
        add_tokens(&mut secrets, &wechat);
        program.expect_kinds(&[
            "bad_request body_broken body_not_kept body_timeout body_too_large browser caller_forbidden caller_unknown",
            "disguised_path head_too_large invalid_placeholder method_not_allowed misdirected no_account rate_limited",
            "selectors_disagree token_endpoint_refused too_busy upstream_broke_off upstream_invalid upstream_timeout",
        ]);
        program.expect_lines(&["token fetched", "WeChat refused the token", "TRACE", "WeChat's answer broke off"]);
        program.expect_lines(&["broke_off", "the operator asks for a token"]);
        program.finish(&secrets).await;
    }
}

/// An open listener, one that hands out no tokens, and one that demands a caller.
fn request_keys(directory: &std::path::Path) -> String {
    let caller = data_encoding::HEXLOWER
        .encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VIRTUAL_SECRET.as_bytes()).as_ref());
    format!(
        "server.requests = 2\nserver.head_size = '2KiB'\nheal.pause = '1ms'\n\
         upstream.first_byte_timeout = '1s'\n\
         body = {{ limit = '1MiB', memory = '1KiB', directory = '{}', idle_timeout = '50ms' }}\n\
         [[listen]]\naddress = '127.0.0.1:0'\n\
         [[listen]]\naddress = '127.0.0.1:0'\ntoken_endpoint = 'refuse'\n\
         [[listen]]\naddress = '127.0.0.1:0'\nadmit = ['bearer']\n\
         [[caller]]\nname = 'crm'\nsecrets = ['{caller}']\ndeny = ['/cgi-bin/*']\nrate = '1/h'\n{}",
        directory.display(),
        account_keys(""),
    )
}

/// Success, heals, and every kind of credential.
async fn right(program: &mut Watched, wechat: &Sandbox) {
    program.get("/cgi-bin/user/info?openid=o6").await;
    wechat.world().kill_tokens();
    program.get(&format!("/cgi-bin/user/info?openid=o6&access_token={}", CALLERS_OWN[0])).await;
    program.post("/cgi-bin/message/custom/send", "{}").await;
    program.get(&format!("/sns/userinfo?access_token={}", CALLERS_OWN[0])).await;
    program.get(&format!("/sns/jscode2session?js_code=1&secret={}", CALLERS_OWN[1])).await;
    program.get("/donut/code2verifyinfo?code=1").await;
    program.get("/cgi-bin/clear_quota/v2").await;
    program.token(&format!("/cgi-bin/token?appid={DEFAULT_APPID}&secret={}", CALLERS_OWN[1])).await;
    program
        .post("/cgi-bin/stable_token", &format!(r#"{{"appid":"{DEFAULT_APPID}","secret":"{}"}}"#, CALLERS_OWN[1]))
        .await;
}

/// Fields that repeat the query which the gateway wrote, with a token whose form in a query is another than its own.
async fn echoed_by_wechat(program: &mut Watched, wechat: &Sandbox) {
    const TOKEN: &str = "92_0dd/t0ken+==";
    let (faults, any) = (wechat.world().faults(), "/wxa/any");
    wechat.world().kill_tokens();
    faults.add(Fault::at(STABLE).body(format!(r#"{{"access_token":"{TOKEN}","expires_in":7200}}"#)).times(1));
    program.get(any).await; // with the dead token, and then with that one
    assert_eq!(wechat.world().journal().last().unwrap().parameters("access_token"), [TOKEN]);
    for (path, secrets) in [
        (any, vec![TOKEN]),
        ("/donut/code2verifyinfo", vec![TOKEN, APP_SECRET]),
        ("/sns/jscode2session", vec![APP_SECRET]),
    ] {
        let mut echo =
            Fault::at(path).times(1).status(StatusCode::FOUND, HeaderValue::from_static("text/html"), "moved");
        for secret in secrets {
            let value = |text: String| HeaderValue::from_str(&text).unwrap();
            let encoded = search::percent_encoded(secret);
            echo = echo
                .header(LOCATION, value(format!("https://api.weixin.qq.com/a?access_token={encoded}&secret={encoded}")))
                .header(SET_COOKIE, value(format!("t={secret}")))
                .header(HeaderName::from_static("x-echo"), value(format!("?access_token={encoded}&a=b")));
        }
        faults.add(echo);
        program.get(&format!("{path}?code=1&js_code=1")).await;
    }
}

async fn refused_by_the_gateway(program: &mut Watched) {
    let own = format!("/cgi-bin/user/info?access_token={}&secret={}", CALLERS_OWN[0], CALLERS_OWN[1]);
    program.get(&own.replace("user/info", "/token")).await;
    program.get(&format!("/sns/jscode2session?appid=a&appid=b&secret={}", CALLERS_OWN[1])).await;
    program.get(&format!("/@nobody{own}")).await;
    program.get(&format!("/wxa/any?access_token={}", CALLERS_OWN[2])).await;
    for line in ["Origin: https://evil.example", "X-Wxgate-Account: nobody", &format!("X-Large: {}", "x".repeat(2048))]
    {
        program.say(&format!("GET {own} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n")).await;
    }
    program.say(&format!("TRACE {own} HTTP/1.1\r\nHost: localhost\r\n")).await;
    program.say(&format!("GET {own} HTTP/1.1\r\nHost: evil.example\r\n")).await;
    program.say(&format!("GET {own} HTTP/1.1\r\n")).await;
    program.say(&format!("GET {own} HTTP/1.1\r\nHost: localhost\r\nno colon\r\n")).await;
    let post = format!("POST {own} HTTP/1.1\r\nHost: localhost\r\n");
    program.say(&format!("{post}Content-Length: 9999999\r\n")).await;
    program.say(&format!("{post}Content-Length: 99\r\n")).await;
    program.say(&format!("{post}Transfer-Encoding: chunked\r\n\r\nno length\r\n")).await;
    program.post(&own, &"x".repeat(2_000)).await;
    program.leave(&format!("GET {own} HTTP/1.1\r\nHost: loc")).await;
    let (refusing, demanding) = (program.listeners[1], program.listeners[2]);
    program.hear(
        call(refusing, &format!("GET /cgi-bin/token?secret={} HTTP/1.1\r\nHost: localhost\r\n", CALLERS_OWN[1])).await,
    );
    for (path, secret) in
        [(&*own, CALLERS_OWN[1]), (&*own, VIRTUAL_SECRET), ("/wxa/a", VIRTUAL_SECRET), ("/wxa/a", VIRTUAL_SECRET)]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n");
        program.hear(call(demanding, &request).await);
    }
}

async fn failed_by_wechat(program: &mut Watched, wechat: &Sandbox) {
    let faults = wechat.world().faults();
    let at = |path| Fault::at(path).times(1);
    faults.add(Fault::at("/wxa/refused").errcode(40001));
    faults.add(at("/wxa/before").hang_up(HangUp::Before));
    faults.add(at("/wxa/amid").body(vec![b'x'; 100_000]).hang_up(HangUp::AmidBody));
    faults.add(at("/wxa/raw").raw("SSH-2.0-oops\r\n"));
    faults.add(at("/wxa/silent").hold(&Gate::new()));
    for path in ["refused", "before", "amid", "raw", "silent"] {
        program.post(&format!("/wxa/{path}?access_token={}", CALLERS_OWN[0]), "{}").await;
    }
    let gate = Gate::new();
    faults.add(Fault::at("/wxa/held").hold(&gate));
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut caller = Caller::connect(program.listeners[0]).await;
        caller.request("GET", "/wxa/held", &[], b"").await;
        held.push(caller);
    }
    gate.held(2).await;
    program.get(&format!("/wxa/one-too-many?access_token={}", CALLERS_OWN[0])).await;
    gate.open();
    for mut caller in held {
        caller.reply().await;
    }
}

#[tokio::test]
async fn nothing_leaks_from_token_fetches_that_wechat_refuses() {
    let encoded = search::percent_encoded(APP_SECRET);
    for format in FORMATS {
        for (kind, endpoint) in [("stable", STABLE), ("classic", CLASSIC)] {
            let (wechat, mut secrets) = (wechat().await, secrets());
            let echo = format!("invalid appsecret {APP_SECRET}, in ?appid=wx&secret={encoded}&x=1");
            wechat.world().faults().add(Fault::at(endpoint).errcode_saying(40125, &echo));
            let keys = account_keys(&format!("token = '{kind}'\n"));
            let mut program = Watched::start(format, &format!("http://{}", wechat.address()), &keys).await;
            program.get("/cgi-bin/user/info?openid=o6").await;
            program.expect_kinds(&["no_token"]);
            program.expect_lines(&["no token: WeChat answered errcode 40125"]);
            add_tokens(&mut secrets, &wechat);
            program.finish(&secrets).await;
        }
    }
}

#[tokio::test]
async fn nothing_leaks_where_there_is_no_way_out() {
    let (_kept, address) = nobody();
    let wechat = wechat().await;
    let authority = Authority::new();
    let ca_file = authority.ca_file();
    let proxy = |at| format!("upstream.proxy = 'http://Aladdin:{}@{at}'\n", search::percent_encoded(PROXY_PASSWORD));
    // It stands in for a proxy that refuses and repeats what it was told.
    let refusal = HeaderValue::from_static("text/plain");
    let refused = Fault::anywhere().status(StatusCode::PROXY_AUTHENTICATION_REQUIRED, refusal, PROXY_PASSWORD);
    let repeated = HeaderValue::from_str(&format!("Aladdin:{PROXY_PASSWORD}")).unwrap();
    wechat.world().faults().add(refused.header(HeaderName::from_static("x-refused"), repeated));
    let refusing = proxy(wechat.address());
    let gone = proxy(address);
    for format in FORMATS {
        for (base_url, keys) in [
            (format!("http://{address}"), String::new()),
            (format!("https://localhost:{}", wechat.address().port()), ca_file.clone()),
            ("https://no-such-name.invalid".to_owned(), ca_file.clone()),
            ("https://wechat.example".to_owned(), format!("{refusing}{ca_file}")),
            ("https://wechat.example".to_owned(), format!("{gone}{ca_file}")),
            ("http://wechat.example".to_owned(), refusing.clone()),
        ] {
            let keys = format!("{keys}{}", account_keys("token = 'classic'\n"));
            let mut program = Watched::start(format, &base_url, &keys).await;
            program.get("/cgi-bin/user/info?openid=o6").await;
            program.get(&format!("/sns/userinfo?access_token={}", CALLERS_OWN[0])).await;
            program.get(&format!("/sns/jscode2session?js_code=1&secret={}", CALLERS_OWN[1])).await;
            program.expect_kinds(&["no_token", "upstream_unreachable"]);
            program.expect_lines(&["no token: "]);
            program.finish(&secrets()).await;
        }
    }
}

#[tokio::test]
async fn nothing_leaks_from_a_configuration_that_is_wrong() {
    for wrong in [
        format!("[[account]]\nappid = 'wx1'\nsecret = '{APP_SECRET} '"),
        format!("[[account]]\nappid = 'wx1'\nsecret = {{ env = '{APP_SECRET}' }}"),
        format!("[[account]]\nappid = 'wx1'\nsecret = '{APP_SECRET}"),
        format!("[[account]]\nappid = 'wx1'\nsecret = ['{APP_SECRET}']"),
        format!("upstream.proxy = 'https://Aladdin:{PROXY_PASSWORD}@127.0.0.1:1'\n{}", account()),
    ] {
        let mut program = crate::process::Program::run(&wrong);
        assert_eq!(program.ended().await.code(), Some(1), "{wrong}");
        assert!(!program.lines.is_empty());
        secrets().assert_none_in("standard error", &program.lines.join("\n"));
    }
}
