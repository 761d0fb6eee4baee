//! The commands.

mod call;
mod caller;
mod certificate;
mod check;
mod completions;
mod probe;
mod run;
mod sandbox;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A reverse proxy for WeChat's server API that owns the access_token.
///
/// Callers send plain requests without a credential; wxgate adds the account's access_token, keeps it fresh, and sends a
/// request once more when WeChat refuses its token.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: ConfigArgument,
}

const AFTER_HELP: &str = "\
Without a command, wxgate runs. Without a configuration file, WXGATE_APPID and WXGATE_SECRET are enough:

  WXGATE_APPID=wx... WXGATE_SECRET=... wxgate
  curl 'http://127.0.0.1:8080/cgi-bin/user/get'

Every key of the configuration has a variable, WXGATE_<SECTION>_<KEY>, which wins over the file.

Exit codes: 0 all is well, 1 problems, 2 wrong usage.";

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
struct ConfigArgument {
    /// The configuration file [default: ./config.toml, if it is there]
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (the default)
    Run,
    /// Check the configuration, and ask WeChat for each account's token
    ///
    /// Says in plain words what is wrong and what to do about it: for an IP address that is not whitelisted, which one
    /// to add. It asks the stable endpoint in normal mode, whatever the account's setting, so that a check never ends
    /// the token that production uses.
    Check,
    /// Call WeChat's API: what its debugging page offers, as a command
    ///
    /// Through the running gateway, which puts the token in and heals, or on its own with --direct. The errcode is explained,
    /// with what to do about it.
    Call(Box<call::Request>),
    /// Wait until a running wxgate is ready, for start order
    ///
    /// Exits with 0 as soon as it has a token to work with, and with 1 and the reason in words when that takes too long. It
    /// asks the admin listener and needs no configuration and no secrets.
    Wait(probe::Wait),
    /// Ask a running wxgate whether it lives, or is ready: a container's health check
    ///
    /// Exits with 0, or with 1 and the reason in words.
    Health(probe::Health),
    /// Make secrets for callers, where a listener demands to know them
    #[command(subcommand)]
    Caller(caller::Action),
    /// Make a certificate for a listener with TLS, and the private CA that callers trust it by
    ///
    /// For SDKs that insist on https://api.weixin.qq.com: a hosts entry leads them to the gateway, which shows this
    /// certificate. The CA can sign for the given hosts only, and its key is thrown away.
    Certificate(certificate::Request),
    /// Print completions for a shell
    ///
    /// For bash: wxgate completions bash > /etc/bash_completion.d/wxgate
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Try it out: a simulated WeChat and a gateway in front of it, without an account
    Sandbox(sandbox::Options),
}

/// Runs the command that `arguments` name.
pub fn run(arguments: Arguments) -> ExitCode {
    let config = arguments.config.config.as_deref();
    // The slow half of the program: token fetches, the admin listener, the sandbox. Requests run on workers of their own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return say_problem(&error),
    };
    let outcome = runtime.block_on(async {
        match arguments.command.unwrap_or(Command::Run) {
            Command::Run => run::run(config).await,
            Command::Check => check::check(config).await,
            Command::Call(request) => call::call(*request, config).await,
            Command::Wait(wait) => probe::wait(&wait, config).await,
            Command::Health(health) => probe::health(&health, config).await,
            Command::Completions { shell } => completions::completions(shell),
            Command::Caller(action) => caller::caller(&action),
            Command::Certificate(request) => certificate::certificate(&request),
            Command::Sandbox(options) => sandbox::sandbox(&options).await,
        }
    });
    runtime.shutdown_background();
    outcome
}

/// One problem, for people.
#[expect(clippy::print_stderr, reason = "a command speaks to the person who typed it")]
fn say_problem(problem: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("wxgate: {problem}");
    ExitCode::from(1)
}

/// A listener on every address is on loopback too.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_config_argument_may_stand_on_either_side_of_the_command() {
        for arguments in [["wxgate", "--config", "a", "check"], ["wxgate", "check", "--config", "a"]] {
            let parsed = Arguments::try_parse_from(arguments).unwrap();
            assert_eq!(parsed.config.config, Some(PathBuf::from("a")));
        }
    }
}
