//! `wxgate check`.

use std::path::Path;
use std::process::ExitCode;

use super::say_problem;
use crate::app;
use crate::config::{self, Config, Environment, TokenKind};
use crate::egress::{Egress, EgressError};
use crate::metrics::Metrics;
use crate::token::{Failure, Fetch, Issuer};
use crate::wechat::Fault;

/// Checks the configuration, and each account's credentials against WeChat.
#[expect(clippy::print_stdout, reason = "a command speaks to the person who typed it")]
pub(super) async fn check(path: Option<&Path>) -> ExitCode {
    let loaded = match config::load(path, &Environment::of_process()) {
        Ok(loaded) => loaded,
        Err(problems) => return say_problem(&problems),
    };
    for warning in &loaded.warnings {
        println!("warning: {warning}");
    }
    match &loaded.file {
        Some(file) => println!("ok: {} is a valid configuration", file.display()),
        None => println!("ok: the environment is a valid configuration"),
    }
    match check_accounts(&loaded.config).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => say_problem(&error),
    }
}

/// Without a stable endpoint, a check cannot go on: a classic fetch would end the token that production has.
fn advice(kind: TokenKind, failure: &Failure) -> &'static str {
    match (failure.fault, kind) {
        (Fault::NoSuchEndpoint, TokenKind::Auto | TokenKind::Classic) => {
            "check upstream.base_url; if there is a classic endpoint only, wxgate uses it when it runs, and whether it \
             hands out tokens is not asked here, for that would end production's token: see /readyz"
        }
        _ => failure.advice,
    }
}

/// Whether WeChat gives every account a token. Asked in the stable endpoint's normal mode only, which hands out the token
/// that production has, and ends none.
#[expect(clippy::print_stdout, reason = "a command speaks to the person who typed it")]
async fn check_accounts(config: &Config) -> Result<bool, EgressError> {
    let http = Egress::prepare(&config.upstream, app::configured_addresses(config), &Metrics::default())
        .await?
        .issuer_http()?;
    let mut all_well = true;
    for account in &config.accounts {
        let name = &account.name;
        match app::issuer(config, account, http.clone()).fetch(Fetch::Stable).await {
            Ok(issued) => println!(
                "ok: account {name}: WeChat hands out a token, which lives for another {}",
                humantime::format_duration(issued.expires_in)
            ),
            Err(failure) => {
                all_well = false;
                println!("problem: account {name}: {}", failure.what);
                println!("  what to do: {}", advice(account.token, &failure));
            }
        }
    }
    Ok(all_well)
}
