//! The program as the person who types its name meets it: what it prints, and how it exits.

#![allow(clippy::unwrap_used, reason = "a test may; clippy.toml's leave does not reach the helpers")]

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;
use tokio::net::TcpSocket;
use wxgate::sandbox::{Account, DEFAULT_APPID, DEFAULT_SECRET, Fetches, STABLE, Sandbox, Settings, StableEndpoint};

/// What a run of the program left behind.
struct Run {
    exit: i32,
    stdout: String,
    stderr: String,
}

/// Runs the program in a directory with this `config.toml`, under no variables but these.
async fn wxgate(arguments: &[&str], config: Option<&str>, variables: &[(&str, &str)]) -> Run {
    let directory = TempDir::new().unwrap();
    if let Some(config) = config {
        let file = directory.path().join("config.toml");
        fs::write(&file, config).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap(); // whatever the umask
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_wxgate"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir(&directory);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { exit: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

async fn sandbox() -> Sandbox {
    Sandbox::start(Settings::default()).await.unwrap()
}

/// A configuration of one account with `more` keys.
fn config(wechat: &Sandbox, more: &str) -> String {
    format!(
        "upstream.base_url = 'http://{}'\n[[account]]\nname = 'main'\nappid = '{DEFAULT_APPID}'\n\
         secret = '{DEFAULT_SECRET}'\n{more}",
        wechat.address()
    )
}

async fn check(config: &str) -> Run {
    let run = wxgate(&["check"], Some(config), &[]).await;
    assert!(!format!("{}{}", run.stdout, run.stderr).contains(DEFAULT_SECRET), "the secret is never shown");
    run
}

#[tokio::test]
async fn a_check_that_finds_nothing_says_so_and_exits_with_0() {
    let wechat = sandbox().await;
    let run = check(&config(&wechat, "")).await;
    assert_eq!((run.exit, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    assert!(run.stdout.contains("ok: config.toml is a valid configuration"), "{}", run.stdout);
    assert!(run.stdout.contains("ok: account main: WeChat hands out a token"), "{}", run.stdout);
    let token = wechat.world().with_ledger(|ledger, now| ledger.stable(DEFAULT_APPID, false, now)).unwrap().token;
    assert!(!run.stdout.contains(&token), "the token is never shown");
}

#[tokio::test]
async fn two_variables_are_enough_without_a_file() {
    let wechat = sandbox().await;
    let base_url = format!("http://{}", wechat.address());
    let credentials = [("WXGATE_APPID", DEFAULT_APPID), ("WXGATE_SECRET", DEFAULT_SECRET)];
    let variables = [&credentials[..], &[("WXGATE_UPSTREAM_BASE_URL", base_url.as_str())]].concat();
    let run = wxgate(&["check"], None, &variables).await;
    assert_eq!(run.exit, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("the environment is a valid configuration"), "{}", run.stdout);
}

#[tokio::test]
#[cfg(not(feature = "otlp"))]
async fn a_check_of_a_build_without_traces_says_so_and_what_to_do() {
    let traces = "[traces]\nendpoint = 'http://127.0.0.1:4318/v1/traces'\n";
    let run = check(&config(&sandbox().await, traces)).await;
    assert_eq!(run.exit, 1);
    for part in ["traces.endpoint: this wxgate was built without the feature otlp", "--features otlp"] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
}

#[tokio::test]
async fn a_check_says_which_address_to_whitelist() {
    let whitelist = Some(vec!["203.0.113.9".parse().unwrap()]);
    let wechat = Sandbox::start(Settings { whitelist, ..Settings::default() }).await.unwrap();
    let run = check(&config(&wechat, "")).await;
    assert_eq!(run.exit, 1);
    assert!(run.stdout.contains("problem: account main: WeChat answered errcode 40164"), "{}", run.stdout);
    assert!(run.stdout.contains("the address that WeChat saw: 127.0.0.1)"), "{}", run.stdout);
    assert!(run.stdout.contains("what to do: add the IP address"), "{}", run.stdout);
}

#[tokio::test]
async fn a_check_asks_for_every_account_and_says_what_is_wrong_with_which() {
    let accounts = vec![Account::new(DEFAULT_APPID, DEFAULT_SECRET), Account::new("wxshop", "its-secret")];
    let wechat = Sandbox::start(Settings { accounts, ..Settings::default() }).await.unwrap();
    let shop = "[[account]]\nname = 'shop'\nappid = 'wxshop'\nsecret = 'not-its-secret'\n";
    let run = check(&config(&wechat, shop)).await;
    assert_eq!(run.exit, 1);
    assert!(run.stdout.contains("ok: account main"), "{}", run.stdout);
    assert!(run.stdout.contains("problem: account shop: WeChat answered errcode 40125"), "{}", run.stdout);
    assert!(run.stdout.contains("what to do: the AppSecret is wrong"), "{}", run.stdout);
    assert!(!run.stdout.contains("not-its-secret"), "{}", run.stdout);
}

/// A classic fetch would supersede the token that production has, a forced one would kill it.
#[tokio::test]
async fn a_check_never_supersedes_productions_token() {
    for kind in ["auto", "stable", "classic"] {
        let wechat = sandbox().await;
        let run = check(&config(&wechat, &format!("token = '{kind}'\n"))).await;
        assert_eq!(run.exit, 0, "{kind}: {}", run.stdout);
        let asked = Fetches { stable: 1, minted: 1, ..Fetches::default() };
        assert_eq!(wechat.world().fetches(DEFAULT_APPID), asked, "{kind}");
    }
    let missing = StableEndpoint::Status(hyper::StatusCode::NOT_FOUND);
    let wechat = Sandbox::start(Settings { stable_endpoint: missing, ..Settings::default() }).await.unwrap();
    let run = check(&config(&wechat, "token = 'classic'\n")).await;
    assert!(run.exit == 1 && run.stdout.contains("is not asked here"), "{}", run.stdout);
    assert_eq!(wechat.world().fetches(DEFAULT_APPID), Fetches::default());
    assert_eq!((wechat.world().journal().count(STABLE), wechat.world().journal().total()), (1, 1));
}

#[tokio::test]
async fn a_check_of_an_unreachable_wechat_is_a_problem() {
    // Bound, and nobody listens on it: a port that was let go of may be another test's WeChat by now.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = nobody.local_addr().unwrap();
    let config = format!("upstream.base_url = 'http://{address}'\n[[account]]\nappid = 'wx1'\nsecret = 's'\n");
    let run = wxgate(&["check"], Some(&config), &[]).await;
    assert_eq!(run.exit, 1);
    assert!(run.stdout.contains("problem: account wx1: the token endpoint could not be reached"), "{}", run.stdout);
}

#[tokio::test]
async fn every_problem_of_a_configuration_is_told_at_once_with_its_key() {
    let wechat = sandbox().await;
    let config =
        format!("{}\ncolour = 'red'\n[serve]\n[heal]\nerrcode = [1]\npause = '5 parsecs'\n", config(&wechat, ""));
    for command in ["check", "run"] {
        let run = wxgate(&[command], Some(&config), &[]).await;
        assert_eq!(run.exit, 1, "{command}");
        for problem in [
            "account[0].colour: unknown key",
            "serve: unknown key; did you mean \"server\"?",
            "heal.errcode: unknown key; did you mean \"errcodes\"?",
            "heal.pause: ",
        ] {
            assert!(run.stderr.contains(problem), "{command}: {problem} in {}", run.stderr);
        }
        assert!(!run.stderr.contains("parsecs"), "values are not repeated: {}", run.stderr);
    }
    assert_eq!(wechat.world().journal().total(), 0, "nobody was asked");
}

#[tokio::test]
async fn a_file_that_is_named_and_missing_is_a_problem() {
    let run = wxgate(&["check", "--config", "elsewhere.toml"], None, &[]).await;
    assert_eq!(run.exit, 1);
    assert!(run.stderr.contains("elsewhere.toml: cannot be read"), "{}", run.stderr);
}

#[tokio::test]
async fn a_secret_that_others_can_read_is_warned_about() {
    let wechat = sandbox().await;
    let run = check(&config(&wechat, "")).await;
    assert!(run.stdout.contains("warning: account[0].secret: "), "{}", run.stdout);
    assert!(run.stdout.contains("chmod 600"), "{}", run.stdout);
}

#[tokio::test]
async fn bodies_that_would_fill_memory_are_warned_about() {
    let wechat = sandbox().await;
    let run = check(&format!("body.directory = '/dev/shm'\n{}", config(&wechat, ""))).await;
    assert!(run.stdout.contains("warning: body.directory: is on tmpfs, which is memory"), "{}", run.stdout);
}

#[tokio::test]
async fn without_any_root_certificate_nothing_starts() {
    let nowhere = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    let config = "admin.address = 'off'\nlisten.address = '127.0.0.1:0'\n[[account]]\nappid = 'wx1'\nsecret = 's'\n";
    for command in ["run", "check"] {
        let run = wxgate(&[command], Some(config), &nowhere).await;
        assert_eq!(run.exit, 1, "{command}");
        assert!(
            run.stderr.contains("no root certificates") && run.stderr.contains("upstream.ca_file"),
            "{}",
            run.stderr
        );
    }
}

#[tokio::test]
async fn wrong_usage_exits_with_2() {
    for arguments in [&["chekc"][..], &["check", "--colour"], &["--config"], &["sandbox", "--port", "many"]] {
        let run = wxgate(arguments, None, &[]).await;
        assert_eq!((run.exit, run.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(run.stderr.contains("try '--help'"), "{}", run.stderr);
    }
}

/// What it prints goes into the configuration, and must be right there.
#[tokio::test]
async fn a_virtual_secret_is_made_for_a_name_that_a_caller_may_have() {
    let run = wxgate(&["caller", "add", "crm"], None, &[]).await;
    assert_eq!((run.exit, run.stderr.as_str()), (0, ""));
    let is_secret = |line: &&str| line.len() == 32 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert_eq!(run.stdout.lines().map(str::trim).filter(is_secret).count(), 1, "{}", run.stdout);
    let (_, lines) = run.stdout.split_once("[[caller]]").unwrap();
    let keys = format!("[[account]]\nappid = 'wx1'\nsecret = 's'\n[[caller]]{lines}");
    let parsed = wxgate::config::parse(&keys, &wxgate::config::Environment::default()).unwrap();
    assert_eq!((parsed.config.callers[0].name.as_str(), parsed.config.callers[0].secrets.len()), ("crm", 1));
    for name in ["", "a b", "a\"b", "..", "é"] {
        let run = wxgate(&["caller", "add", name], None, &[]).await;
        assert_eq!((run.exit, run.stdout.as_str()), (2, ""), "{name}");
    }
}

/// Of each command and each of its options, for the shells that people have.
#[tokio::test]
async fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let run = wxgate(&["completions", shell], None, &[]).await;
        assert_eq!((run.exit, run.stderr.as_str()), (0, ""), "{shell}");
        for word in ["run", "check", "call", "caller", "certificate", "sandbox", "wait", "health", "timeout", "config"]
        {
            assert!(run.stdout.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(wxgate(&["completions", "tcsh"], None, &[]).await.exit, 2);
}

#[tokio::test]
async fn it_tells_its_version() {
    let run = wxgate(&["--version"], None, &[]).await;
    assert_eq!((run.exit, run.stdout), (0, format!("wxgate {}\n", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn its_help_is_enough_to_begin_with() {
    let run = wxgate(&["--help"], None, &[]).await;
    assert_eq!(run.exit, 0);
    for part in ["run", "check", "sandbox", "--config <FILE>", "WXGATE_APPID=", "WXGATE_<SECTION>_<KEY>", "Exit codes"]
    {
        assert!(run.stdout.contains(part), "{part} in {}", run.stdout);
    }
    let run = wxgate(&["check", "--help"], None, &[]).await;
    assert!(run.stdout.contains("never ends the token that production uses"), "{}", run.stdout);
}
