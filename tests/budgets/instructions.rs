//! User instructions a request, by callgrind.

use std::path::Path;

use crate::measured::run;

/// One request at a time, and many of them: what aws-lc takes to gather its entropy at the start differs by some millions
/// from run to run. Another compiler or another C library may take some hundred more or less than the figure in
/// docs/performance.md, and so do two runs; beyond this, something was added that every request pays for.
const BUDGET: u64 = 31_000;

#[tokio::test]
#[ignore = "takes valgrind and the release build"]
async fn a_request_takes_few_instructions() {
    const FEW: usize = 300;
    const MANY: usize = 15_300;
    let (short, long) = (total(&run(callgrind, 1, FEW).await), total(&run(callgrind, 1, MANY).await));
    let each = (long - short) / (MANY - FEW) as u64;
    println!("{each} instructions a request, of {BUDGET}");
    assert!(each <= BUDGET);
}

fn callgrind(file: &Path) -> String {
    format!("valgrind --quiet --tool=callgrind --callgrind-out-file='{}'", file.display())
}

/// The last line of a profile: `totals: <instructions>`.
fn total(profile: &str) -> u64 {
    let total = profile.lines().rev().find_map(|line| line.strip_prefix("totals: "));
    total.unwrap().trim().parse().unwrap()
}
