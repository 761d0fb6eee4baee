//! See `wxgate --help`.

use std::process::ExitCode;

use clap::Parser;
use wxgate::cli::{Arguments, run};

fn main() -> ExitCode {
    run(Arguments::parse())
}
