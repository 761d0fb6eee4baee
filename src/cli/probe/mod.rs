//! `wxgate wait` and `wxgate health`: whether a running wxgate lives and is ready, for those that have nothing but this
//! binary to ask with, such as a container without a shell.

mod ask;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::say_problem;
use ask::{Admin, Place, Standing};

/// From one question to the next.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Which wxgate is asked, and about what.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    /// The address of its admin listener [default: that of the configuration, else WXGATE_ADMIN_ADDRESS, else
    /// 127.0.0.1:8081]; unix:/path for a Unix socket
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Place>,
    /// This account alone, not the gateway as a whole
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
}

/// What `wxgate wait` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Wait {
    #[command(flatten)]
    asked: Asked,
    /// How long to wait at most, such as 30s or 1m30s
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// What `wxgate health` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Health {
    #[command(flatten)]
    asked: Asked,
    /// Ask whether it has a token to work with, not only whether it lives
    #[arg(long)]
    ready: bool,
}

/// Waits until it is ready.
pub(super) async fn wait(wait: &Wait, config: Option<&Path>) -> ExitCode {
    let admin = match Admin::of(wait.asked.admin.clone(), config) {
        Ok(admin) => admin,
        Err(problem) => return say_problem(&problem),
    };
    let mut last = "it was not asked".to_owned();
    let asking = async {
        loop {
            match admin.readiness(wait.asked.account.as_deref()).await {
                Standing::Good(said) => return Some(said),
                // It would not change.
                Standing::Never(said) => {
                    last = said;
                    return None;
                }
                Standing::Bad(said) => last = said,
            }
            sleep(ASK_EVERY).await;
        }
    };
    let outcome = timeout(wait.timeout, asking).await;
    match outcome {
        Ok(Some(said)) => say(&said),
        Ok(None) => say_problem(&last),
        Err(_) => say_problem(&format!("not ready within {}: {last}", humantime::format_duration(wait.timeout))),
    }
}

/// Asks once.
pub(super) async fn health(health: &Health, config: Option<&Path>) -> ExitCode {
    let admin = match Admin::of(health.asked.admin.clone(), config) {
        Ok(admin) => admin,
        Err(problem) => return say_problem(&problem),
    };
    let account = health.asked.account.as_deref();
    let standing =
        if health.ready || account.is_some() { admin.readiness(account).await } else { admin.liveness().await };
    match standing {
        Standing::Good(said) => say(&said),
        Standing::Bad(said) | Standing::Never(said) => say_problem(&said),
    }
}

#[expect(clippy::print_stdout, reason = "a command speaks to the person who typed it")]
fn say(said: &str) -> ExitCode {
    println!("ok: {said}");
    ExitCode::SUCCESS
}
