//! `wxgate sandbox`.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::run::serve;
use super::say_problem;
use crate::app::{App, AppError};
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
    match bind_and_serve(config, &wechat).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => say_problem(&error),
    }
}

/// Says what to try only when it is there to be tried.
async fn bind_and_serve(config: Config, wechat: &Sandbox) -> Result<(), AppError> {
    let drain_timeout = config.server.drain_timeout;
    let app = App::bind(config).await?;
    for gateway in app.addresses() {
        introduce(gateway, wechat.address());
    }
    serve(app, drain_timeout).await
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
fn introduce(gateway: SocketAddr, wechat: SocketAddr) {
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
         Ctrl-C stops it.\n"
    );
}
