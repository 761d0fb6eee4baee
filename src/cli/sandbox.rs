//! `wxgate sandbox`.

use std::process::ExitCode;

use super::run::serve;
use super::say_problem;
use crate::config::{self, Config, Environment};
use crate::sandbox::{DEFAULT_APPID, DEFAULT_SECRET, Sandbox, Settings};
use crate::telemetry;

/// Where the sandbox listens, on 127.0.0.1.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Ports {
    /// The gateway's port
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The simulated WeChat's port
    #[arg(long, default_value_t = 8090)]
    wechat_port: u16,
    /// The admin listener's port
    #[arg(long, default_value_t = 8081)]
    admin_port: u16,
}

/// Runs a simulated WeChat and a gateway in front of it until a signal stops it.
pub(super) async fn sandbox(ports: &Ports) -> ExitCode {
    let settings = Settings { port: ports.wechat_port, ..Settings::default() };
    let wechat = match Sandbox::start(settings).await {
        Ok(wechat) => wechat,
        Err(error) => {
            let port = ports.wechat_port;
            return say_problem(&format!("cannot listen on 127.0.0.1:{port}: {error}; choose another --wechat-port"));
        }
    };
    let config = match config(ports, &wechat) {
        Ok(config) => config,
        Err(problems) => return say_problem(&problems),
    };
    telemetry::install(&config.log);
    introduce(ports, &wechat);
    match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say_problem(&error),
    }
}

/// A configuration as an operator would write it. The environment is left out: it may speak of a real account.
fn config(ports: &Ports, wechat: &Sandbox) -> Result<Config, config::Problems> {
    let text = format!(
        "listen.address = '127.0.0.1:{}'\nadmin.address = '127.0.0.1:{}'\nupstream.base_url = 'http://{}'\n\
         [[account]]\nname = 'sandbox'\nappid = '{DEFAULT_APPID}'\nsecret = '{DEFAULT_SECRET}'\n",
        ports.port,
        ports.admin_port,
        wechat.address(),
    );
    config::parse(&text, &Environment::default()).map(|loaded| loaded.config)
}

#[expect(clippy::print_stdout, reason = "a command speaks to the person who typed it")]
fn introduce(ports: &Ports, wechat: &Sandbox) {
    let (gateway, wechat) = (format!("http://127.0.0.1:{}", ports.port), wechat.address());
    println!(
        "A gateway at {gateway}, and behind it a simulated WeChat at http://{wechat}. Try it:\n\
         \n\
         \x20 # a call without any credential\n\
         \x20 curl '{gateway}/cgi-bin/user/info?openid=o6_bmjrPTlm6_2sgVt7hMZOPfL2M'\n\
         \n\
         \x20 # every token dies; the next call is healed (see X-Wxgate-Retry)\n\
         \x20 curl -X POST 'http://{wechat}/_sandbox/kill-tokens'\n\
         \x20 curl -i '{gateway}/cgi-bin/user/info?openid=o6_bmjrPTlm6_2sgVt7hMZOPfL2M'\n\
         \n\
         Ctrl-C stops it.\n"
    );
}
