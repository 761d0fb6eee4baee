//! User instructions a request, by callgrind.

use std::path::Path;

use crate::measured::run;

#[tokio::test]
#[ignore = "takes valgrind"]
async fn a_request_takes_few_instructions() {
    for callers in [1, 64] {
        let (few, many) = (1_280 / callers, 3_840 / callers);
        let short = total(&run(callgrind, callers, few).await);
        let long = total(&run(callgrind, callers, many).await);
        let requests = ((many - few) * callers) as u64;
        println!("{callers} callers: {} instructions a request", (long - short) / requests);
    }
}

fn callgrind(file: &Path) -> String {
    format!("valgrind --quiet --tool=callgrind --callgrind-out-file='{}'", file.display())
}

/// The last line of a profile: `totals: <instructions>`.
fn total(profile: &str) -> u64 {
    let line = profile.lines().rev().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    line.unwrap().trim().parse().unwrap()
}
