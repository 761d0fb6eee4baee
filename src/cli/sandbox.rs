//! `wxgate sandbox`.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::run::serve;
use super::say_problem;
use crate::app::{App, AppError};
use crate::config::{self, Config, Environment};
use crate::sandbox::{Account, Sandbox, Settings};
use crate::secret::ExposeSecret;
use crate::server::Address;
use crate::telemetry;

/// Where the sandbox listens, on 127.0.0.1, and the accounts that it knows besides its own.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Options {
    /// The gateway's port
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The simulated WeChat's port
    #[arg(long, default_value_t = 8090)]
    wechat_port: u16,
    /// The admin listener's port
    #[arg(long, default_value_t = 8081)]
    admin_port: u16,
    /// A further account; may stand there several times
    #[arg(long = "account", value_name = "APPID:SECRET", value_parser = account)]
    accounts: Vec<Account>,
}

/// Runs a simulated WeChat and a gateway in front of it until a signal stops it.
pub(super) async fn sandbox(options: &Options) -> ExitCode {
    let mut settings = Settings { port: options.wechat_port, ..Settings::default() };
    settings.accounts.extend_from_slice(&options.accounts);
    let accounts = settings.accounts.clone();
    let wechat = match Sandbox::start(settings).await {
        Ok(wechat) => wechat,
        Err(error) => {
            let port = options.wechat_port;
            return say_problem(&format!("cannot listen on 127.0.0.1:{port}: {error}; choose another --wechat-port"));
        }
    };
    let config = match config(options, &wechat, &accounts) {
        Ok(config) => config,
        Err(problems) => return say_problem(&problems),
    };
    telemetry::install(&config.log);
    match bind_and_serve(config, &wechat).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say_problem(&error),
    }
}

/// Says what to try only when it is there to be tried.
async fn bind_and_serve(config: Config, wechat: &Sandbox) -> Result<(), AppError> {
    let app = App::bind(config).await?;
    for gateway in app.addresses() {
        introduce(gateway, wechat.address(), app.admin_address());
    }
    serve(app).await
}

/// A configuration as an operator would write it. The environment is left out: it may speak of a real account.
fn config(options: &Options, wechat: &Sandbox, accounts: &[Account]) -> Result<Config, config::Problems> {
    let mut text = format!(
        "listen.address = '127.0.0.1:{}'\nadmin.address = '127.0.0.1:{}'\nupstream.base_url = 'http://{}'\n",
        options.port,
        options.admin_port,
        wechat.address(),
    );
    for (number, Account { appid, secret }) in accounts.iter().enumerate() {
        let (is_default, secret) = (number == 0, secret.expose_secret());
        text += &format!("[[account]]\nappid = '{appid}'\nsecret = '{secret}'\ndefault = {is_default}\n");
    }
    config::parse(&text, &Environment::default()).map(|loaded| loaded.config)
}

/// Letters and digits, so that they stand in the configuration as they are.
fn account(text: &str) -> Result<Account, &'static str> {
    let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match text.split_once(':') {
        Some((appid, secret)) if is_plain(appid) && is_plain(secret) => Ok(Account::new(appid, secret)),
        _ => Err("must be an appid and a secret, letters and digits, with a colon between them"),
    }
}

#[expect(clippy::print_stdout, reason = "a command speaks to the person who typed it")]
fn introduce(gateway: SocketAddr, wechat: SocketAddr, admin: Option<&Address>) {
    let page = admin.map_or_else(String::new, |admin| format!("  # how it goes, in a browser\n  http://{admin}/\n\n"));
    println!(
        "A gateway at http://{gateway}, and behind it a simulated WeChat at http://{wechat}. Try it:\n\
         \n\
         \x20 # a call without any credential\n\
         \x20 curl 'http://{gateway}/cgi-bin/user/info?openid=o6_bmjrPTlm6_2sgVt7hMZOPfL2M'\n\
         \n\
         \x20 # every token dies; the next call is healed (see X-Wxgate-Retry)\n\
         \x20 curl -X POST 'http://{wechat}/_sandbox/kill-tokens'\n\
         \x20 curl -i 'http://{gateway}/cgi-bin/user/info?openid=o6_bmjrPTlm6_2sgVt7hMZOPfL2M'\n\
         \n\
         {page}\
         Ctrl-C stops it.\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_an_appid_and_a_secret_that_need_no_quoting() {
        let made = account("wx1:s2").unwrap();
        assert_eq!((made.appid.as_str(), made.secret.expose_secret()), ("wx1", "s2"));
        for text in ["", "wx1", "wx1:", ":s2", "wx1:s2:3", "wx1:s'2", "wx 1:s2"] {
            assert!(account(text).is_err(), "{text}");
        }
    }
}
