//! `wxgate caller`.

use std::process::ExitCode;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use data_encoding::HEXLOWER;

use super::say_problem;
use crate::config::checked_name;

/// What is to be done about callers.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Action {
    /// Make a virtual secret for a caller
    ///
    /// Prints the secret, which goes to the caller and is kept nowhere, and the lines for the configuration, which hold
    /// its SHA-256 only. A caller may have several, so that one can be replaced without a gap.
    Add {
        /// The caller's name
        #[arg(value_parser = |name: &str| checked_name(name.to_owned()))]
        name: String,
    },
}

/// Does it.
pub(super) fn caller(action: &Action) -> ExitCode {
    let Action::Add { name } = action;
    let mut bytes = [0; 16];
    if rand::fill(&mut bytes).is_err() {
        return say_problem(&"the system gives no random numbers");
    }
    print(name, &HEXLOWER.encode(&bytes));
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "a command speaks to the person who typed it")]
fn print(name: &str, secret: &str) {
    let hash = HEXLOWER.encode(digest(&SHA256, secret.as_bytes()).as_ref());
    println!(
        "The virtual secret of {name}, to be used as its SDK's secret or as Authorization: Bearer. It is not shown again:\n\
         \n\
         \x20 {secret}\n\
         \n\
         For the configuration (a caller that is there already gets one more item in its secrets):\n\
         \n\
         \x20 [[caller]]\n\
         \x20 name = \"{name}\"\n\
         \x20 secrets = [\"{hash}\"]"
    );
}
