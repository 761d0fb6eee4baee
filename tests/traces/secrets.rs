//! No secret is in what goes to a collector, nor in what the log says about it.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LOCATION};
use wxgate::sandbox::{Account, DEFAULT_APPID, Fault, HangUp, Kind, STABLE, Sandbox, Settings};

use crate::collector::Collector;
use crate::process::Program;
use crate::search::Secrets;
use crate::support::{Caller, config_text};

/// Its form in a query is another than its own.
const APP_SECRET: &str = "S3cr3t+/=&%~leak";
const VIRTUAL_SECRET: &str = "v1rtual-secret-of-crm";
const API_KEY: &str = "k3y-of-the-collector";
/// What callers bring along is theirs.
const CALLERS_OWN: [&str; 2] = ["81_user_t0ken-of-an-end-user", "a-c4llers-wrong-secret"];

#[tokio::test]
async fn no_secret_is_in_a_span_or_in_what_the_log_says_of_them() {
    let accounts = vec![Account::new(DEFAULT_APPID, APP_SECRET)];
    let wechat = Sandbox::start(Settings { accounts, ..Settings::default() }).await.unwrap();
    let mut collector = Collector::start().await;
    let keys = format!(
        "log = {{ level = 'trace', access = 'all' }}\nheal.pause = '1ms'\n\
         [[listen]]\naddress = '127.0.0.1:0'\nadmit = ['bearer']\n[[caller]]\nname = 'crm'\nsecrets = ['{}']\n\
         [[account]]\nname = 'main'\nappid = '{DEFAULT_APPID}'\nsecret = '{APP_SECRET}'\n\
         {}headers = [{{ name = 'x-api-key', value = '{API_KEY}' }}]\n",
        HEXLOWER.encode(digest(&SHA256, VIRTUAL_SECRET.as_bytes()).as_ref()),
        collector.traces("")
    );
    let mut program = Program::run(&config_text(&wechat.base_url(), &keys));
    let refusal = hyper::Response::builder().status(StatusCode::UNAUTHORIZED).body(API_KEY.into()).unwrap();
    collector.answer([refusal]); // said in the log
    call(&mut program, "/wxa/first").await;
    let refused = collector.export().await;
    program.says("the collector takes no traces").await;
    requests(&mut program, &wechat).await;
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));

    let mut secrets = Secrets::default();
    [APP_SECRET, VIRTUAL_SECRET, API_KEY].into_iter().chain(CALLERS_OWN).for_each(|secret| secrets.add(secret));
    for seen in wechat.world().journal().requests() {
        seen.parameters("access_token").iter().for_each(|token| secrets.add(token));
    }
    let newest = wechat.world().with_ledger(|ledger, _| ledger.newest(DEFAULT_APPID, Kind::Stable).map(str::to_owned));
    newest.iter().for_each(|token| secrets.add(token));
    let exports: Vec<_> = [refused].into_iter().chain(collector.unasked()).collect();
    let shown = exports.iter().map(|export| format!("{:#?}", export.message)).collect::<String>();
    for expected in
        ["/wxa/refused", "\"crm\"", "wait for a fresh token", "upstream_broke_off", "no_account", "jscode2session"]
    {
        assert!(shown.contains(expected), "{expected} is not traced, and nothing is shown by this");
    }
    for export in &exports {
        secrets.assert_none_in("an export", &String::from_utf8_lossy(&export.bytes));
    }
    secrets.assert_none_in("the spans", &shown);
    secrets.assert_none_in("the log", &program.lines.join("\n"));
}

/// What goes right, what is healed, and what goes wrong, with a secret wherever one can be.
async fn requests(program: &mut Program, wechat: &Sandbox) {
    let (faults, [user, wrong]) = (wechat.world().faults(), CALLERS_OWN);
    wechat.world().kill_tokens();
    for target in [
        format!("/cgi-bin/user/info?openid=o6&access_token={user}"),
        format!("/sns/userinfo?access_token={user}"),
        format!("/sns/jscode2session?js_code=1&secret={wrong}"),
        "/donut/code2verifyinfo?code=1".to_owned(),
        format!("/cgi-bin/token?appid={DEFAULT_APPID}&secret={wrong}"),
        format!("/@nobody/a?access_token={user}"),
    ] {
        call(program, &target).await;
    }
    faults.add(Fault::at("/wxa/refused").errcode(40001));
    faults.add(Fault::at("/wxa/hung-up").hang_up(HangUp::Before));
    faults.add(echo("/wxa/echo"));
    for path in ["refused", "hung-up", "echo"] {
        call(program, &format!("/wxa/{path}?access_token={user}&secret={wrong}")).await;
    }
    faults.add(Fault::at(STABLE).errcode_saying(40125, &format!("invalid appsecret {APP_SECRET}")));
    wechat.world().kill_tokens();
    call(program, "/wxa/without").await;
}

/// A redirect that repeats what it was sent.
fn echo(path: &str) -> Fault {
    let location = HeaderValue::from_static("https://api.weixin.qq.com/a?access_token=of-somebody");
    let fault = Fault::at(path).status(StatusCode::FOUND, HeaderValue::from_static("text/html"), "moved");
    fault.header(LOCATION, location).header(HeaderName::from_static("x-echo"), HeaderValue::from_static("a"))
}

async fn call(program: &mut Program, target: &str) {
    let mut caller = Caller::connect(program.address().await).await;
    let authorization = format!("Bearer {VIRTUAL_SECRET}");
    caller.request("GET", target, &[("Authorization", &authorization), ("X-Request-Id", "any")], b"").await;
    caller.reply().await;
}
